"""The same layout in the simulator."""

import csv
import json
import os
import subprocess

from child import Failure
from layouts import PEERS, PIECE_BYTES

TIMEOUT_S = 300
# A line carries frames, and the simulator's links carry payload. Of the 1,514 bytes of a full frame
# 1,448 are TCP's. The muxer and TLS put 34 bytes to each frame of 4 KiB, as small as those of slow
# lines are.
PAYLOAD_SHARE = 1_448 / 1_514 * 4_096 / 4_130


def write_scenario(layout, path):
    """Writes the layout as a scenario."""
    lines = [
        f'name = "reality-{layout.name}"',
        f'about = "{layout.about}"',
        f"peers = {PEERS}",
        f"runs = {layout.runs}",
        f"run_bytes = {PIECE_BYTES}",
        f'uplinks = "{_listed(layout.up)}"',
        f'downlinks = "{_listed(layout.down)}"',
        "", "[network]", f"latency_ms = {layout.latency_ms}",
        "", "[origins]", f"up = {_payload(layout.origin_up)}",
        "", "[groups]", f"sizes = {layout.groups}",
    ]
    if layout.late_s:
        lines += ["", "[arrivals]", f"start_seconds = {layout.late_s}", f"early = {PEERS - 1}"]
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def run(layout, bin_dir, seeds, folder, settings=()):
    """Runs the scenario with `seeds` seeds. Returns the figures of each, as [`real.Stage.run`]."""
    scenario = os.path.join(folder, f"reality-{layout.name}.toml")
    write_scenario(layout, scenario)
    out = os.path.join(folder, f"simulated-{layout.name}")
    argv = [os.path.join(bin_dir, "nearcast-sim"), "run", scenario, "--seeds", f"1..{seeds}", "--jobs", "1", "--out", out]
    for setting in settings:
        argv += ["--set", setting]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise Failure(f"{' '.join(argv)}: {done.stderr.strip()[-500:]}")
    paths = [os.path.join(base, name) for base, _, names in os.walk(out) for name in names if name == "summary.json"]
    return [_figures(layout, path) for path in sorted(paths)]


def _figures(layout, path):
    with open(path) as file:
        summary = json.load(file)
    with open(os.path.join(os.path.dirname(path), "peers.csv")) as file:
        sent = sum(int(row["sent"]) for row in csv.DictReader(file)) / layout.size_bytes
    times = summary["completion_seconds"]
    figures = {
        "median_s": times["p50"],
        "last_s": times["last"],
        "origin_copies": summary["origin_copies"],
        "wasted_copies": sent + summary["origin_copies"] - PEERS,
    }
    # A group's AS has its number and one more: 1 is the first.
    by_as = {group["as"] - 1: group["imports"] for group in summary["groups"]}
    for group, _ in enumerate(layout.groups):
        figures[f"imports_{group}"] = by_as[group]
    return figures


def _listed(rates):
    return " ".join(str(_payload(rate)) for rate in rates)


def _payload(rate):
    return round(rate * PAYLOAD_SHARE)
