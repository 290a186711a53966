"""Figures as a table for people and as JSON for programs."""

import json
import statistics

# Key, heading, digits after the point; in the order of the columns.
COLUMNS = [
    ("wall_s", "time to last s", 2),
    ("mean_s", "mean s", 2),
    ("mb_per_s", "MB/s", 0),
    ("last_over_bound", "last/T", 2),
    ("mean_over_bound", "mean/T", 2),
    ("seeder_copies", "copies sent", 2),
    ("cpu_s_per_gib", "CPU s/GiB", 2),
    ("seeder_cpu_s_per_gib", "seeder", 2),
    ("leecher_cpu_s_per_gib", "leechers", 2),
    ("seeder_rss_mb", "RSS MB seeder", 0),
    ("leecher_rss_mb", "RSS MB leecher", 0),
    *((f"imports_{name}", f"copies into {name}", 2) for name in "ABCD"),
    *((f"last_{name}_s", f"last of {name} s", 2) for name in "ABCD"),
    ("first_byte_ms", "first byte ms", 1),
    ("seeder_up_over_limit", "seeder --up: sent/limit", 4),
    ("get_up_over_limit", "get --up: sent/limit", 4),
    ("get_down_over_limit", "get --down: received/limit", 4),
]
HEADINGS = {key: heading for key, heading, _ in COLUMNS}
DIGITS = {key: digits for key, _, digits in COLUMNS}
# Figures shown for a single run, as far as they were measured.
BRIEF = ("wall_s", "imports_A", "imports_B", "imports_C", "imports_D", "last_over_bound", "cpu_s_per_gib", "first_byte_ms", "seeder_up_over_limit", "get_up_over_limit",
         "get_down_over_limit")
US = "nearcast"
# For these figures more is better; for all others, less.
MORE_IS_BETTER = {"mb_per_s"}


def heading(key):
    return HEADINGS[key]


def summarise(runs):
    """Median, least and greatest of every figure that all runs have."""
    keys = [key for key, _, _ in COLUMNS if all(key in run for run in runs)] if runs else []
    return {key: {"median": statistics.median(run[key] for run in runs), "min": min(run[key] for run in runs),
                  "max": max(run[key] for run in runs)} for key in keys}


def render(results, summaries):
    """`results`: peer name -> list of runs, each a dict of figures; `summaries`: the same
    summarised."""
    columns = [column for column in COLUMNS if any(column[0] in summary for summary in summaries.values())]
    rows = [["", "runs"] + [heading for _, heading, _ in columns]]
    for name, summary in summaries.items():
        rows.append([name, str(len(results[name]))] + [_median(summary, column) for column in columns])
        rows.append(["  min-max", ""] + [_range(summary, column) for column in columns])
    for name, summary in summaries.items():
        if name != US and summaries.get(US) and summary:
            rows.append([f"{US}/{name}", ""] + [_ratio(summaries[US], summary, column) for column in columns])
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def brief(figures):
    """One run in a few words: what the work is about."""
    telling = [key for key in BRIEF if key in figures]
    return ", ".join(f"{heading(key)} {figures[key]:.{DIGITS[key]}f}" for key in telling)


def write_json(path, document):
    with open(path, "w") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def _line(row, widths):
    first, *rest = [cell.ljust(width) if index == 0 else cell.rjust(width)
                    for index, (cell, width) in enumerate(zip(row, widths))]
    return "  ".join([first, *rest]).rstrip()


def _median(summary, column):
    key, _, digits = column
    return f"{summary[key]['median']:.{digits}f}" if key in summary else "-"


def _range(summary, column):
    key, _, digits = column
    return f"{summary[key]['min']:.{digits}f}-{summary[key]['max']:.{digits}f}" if key in summary else ""


def _ratio(ours, theirs, column):
    key = column[0]
    if key not in ours or key not in theirs or not theirs[key]["median"]:
        return ""
    ratio = ours[key]["median"] / theirs[key]["median"]
    better = ratio > 1 if key in MORE_IS_BETTER else ratio < 1
    return f"{ratio:.2f}{'+' if better else '-'}"
