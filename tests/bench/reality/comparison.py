"""The command: both sides of each layout, and how far they are apart."""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile

import real
import sandbox
import simulated
from child import Failure
from layouts import all_layouts

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
# What has to agree, and how well. The last peer's time is shown only: it is that of one slow line.
WITHIN = 0.10
JUDGED = ("median_s", "origin_copies", "wasted_copies", "imports")
# Waste below this is compared by its difference, in copies: a few runs are chance.
LITTLE_COPIES = 0.1
HEADINGS = {"median_s": "median peer, s", "last_s": "last peer, s", "origin_copies": "copies the origin sent",
            "wasted_copies": "copies wasted, all peers", "told_wasted_copies": "as told when complete",
            "seeder_framing": "seeder, bytes on the wire / payload"}


def parse():
    names = [layout.name for layout in all_layouts()]
    parser = argparse.ArgumentParser(prog="run", description="Compares nearcast-sim with real nodes on the same swarms.")
    parser.add_argument("--bin-dir", default=os.path.join(
        os.environ.get("CARGO_TARGET_DIR", os.path.join(REPOSITORY, "target")), "release"),
        help="where our binaries are (default %(default)s)")
    parser.add_argument("--sim-dir", help="where nearcast-sim is (default: --bin-dir)")
    parser.add_argument("--seed", type=int, default=1, help="draws the links (default 1)")
    parser.add_argument("--layout", default=",".join(names), metavar="NAME,…", help=f"of {','.join(names)} (default all)")
    parser.add_argument("--runs", type=int, default=3, help="real runs of each layout; 0: none (default 3)")
    parser.add_argument("--sim-seeds", type=int, default=9, help="simulated runs of each layout (default 9)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the simulator")
    parser.add_argument("--json", metavar="FILE", help="also write all figures of all runs")
    parser.add_argument("--real-from", metavar="FILE", help="take the real figures from a --json file of the same seed")
    parser.add_argument("--flights", metavar="DIR", help="record what each client was told, for nearcast-sim replay")
    parser.add_argument("--keep-logs", metavar="DIR", help="copy what programs printed to DIR")
    arguments = parser.parse_args()
    wanted = arguments.layout.split(",")
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"no layout called {', '.join(unknown)}; there are {', '.join(names)}")
    arguments.layouts = [layout.draw(arguments.seed) for layout in all_layouts() if layout.name in wanted]
    arguments.bin_dir = os.path.abspath(arguments.bin_dir)
    arguments.sim_dir = os.path.abspath(arguments.sim_dir or arguments.bin_dir)
    # Where sandbox.enter makes a folder on a disk; nothing is put there.
    arguments.disk_dir = tempfile.gettempdir()
    return arguments


def main(arguments, folder):
    """Runs inside the namespaces; the folder is empty and our own."""
    sandbox.set_up(folder)
    if missing := real.prepare(arguments.bin_dir, folder):
        print(f"reality: {missing}", file=sys.stderr)
        return 1
    known = {}
    if arguments.real_from:
        with open(arguments.real_from) as file:
            known = json.load(file)["layouts"]
    document = {"seed": arguments.seed, "layouts": {}}
    failed = False
    for layout in arguments.layouts:
        try:
            document["layouts"][layout.name] = _compare(arguments, layout, folder, known.get(layout.name))
        except Failure as failure:
            failed = True
            print(f"{layout.name}: FAILED: {failure}", file=sys.stderr, flush=True)
        if arguments.json:
            with open(arguments.json, "w") as file:
                json.dump(document, file, indent=1)
                file.write("\n")
    return 1 if failed else 0


def _compare(arguments, layout, folder, known):
    print(f"{layout.name}: {layout.about}, {layout.size_bytes >> 20} MiB, {layout.latency_ms} ms; no schedule takes less "
          f"than {layout.least_s():.1f} s", flush=True)
    ran = known or {"real": [], "peers": [], "drops": []}
    if not known and arguments.runs:
        ran = _real(arguments, layout, os.path.join(folder, layout.name))
    faked = simulated.run(layout, arguments.sim_dir, arguments.sim_seeds, folder, arguments.set)
    _print(ran["real"], faked)
    return {"up": layout.up, "down": layout.down, **ran, "simulated": faked}


def _real(arguments, layout, folder):
    os.makedirs(folder)
    stage = real.Stage(layout, arguments.bin_dir, folder, arguments.flights)
    figures, rows = [], []
    try:
        for number in range(1, arguments.runs + 1):
            one, peers = stage.run(number)
            figures.append(one)
            rows.append(peers)
            told = ", ".join(f"{key} {value:.3f}" for key, value in one.items())
            print(f"  real {number}: {told}", file=sys.stderr, flush=True)
        drops = stage.internet.dropped()
    finally:
        stage.internet.end()
        if arguments.keep_logs:
            _copy_logs(folder, os.path.join(arguments.keep_logs, layout.name))
        shutil.rmtree(folder, ignore_errors=True)
    return {"real": figures, "peers": rows, "drops": drops}


def _print(reals, faked):
    keys = list(dict.fromkeys([*(reals[0] if reals else ()), *faked[0]]))
    print(f"  {'':38} {'real':>8} {'min-max':>15} {'simulated':>10} {'min-max':>15} {'ratio':>6}")
    for key in keys:
        ours, theirs = _values(reals, key), _values(faked, key)
        ratio, verdict = "", ""
        if ours and theirs:
            real_median, sim_median = statistics.median(ours), statistics.median(theirs)
            ratio = f"{sim_median / real_median:.2f}" if real_median else "-"
            if key.startswith(JUDGED):
                verdict = "" if _agree(key, real_median, sim_median) else "  <- apart"
        print(f"  {_heading(key):38} {_shown(ours)} {_shown(theirs, 10)} {ratio:>6}{verdict}".rstrip())
    sys.stdout.flush()


def _agree(key, ours, theirs):
    if key == "wasted_copies" and max(ours, theirs) < LITTLE_COPIES:
        return True
    return abs(theirs - ours) <= WITHIN * ours


def _values(runs, key):
    return [run[key] for run in runs if key in run]


def _shown(values, width=8):
    if not values:
        return f"{'':{width}} {'':15}"
    spread = f"{min(values):.2f}-{max(values):.2f}"
    return f"{statistics.median(values):{width}.2f} {spread:>15}"


def _heading(key):
    if key.startswith("imports_"):
        return f"copies into AS {int(key.removeprefix('imports_')) + 1}"
    return HEADINGS.get(key, key)


def _copy_logs(folder, target_folder):
    for base, _, names in os.walk(folder):
        for name in (name for name in names if name.endswith(".log")):
            target = os.path.join(target_folder, os.path.relpath(base, folder))
            os.makedirs(target, exist_ok=True)
            shutil.copy(os.path.join(base, name), target)
