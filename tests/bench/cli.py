"""The command line."""

import argparse
import os
import sys
import tempfile

import sandbox
from peers import ALL
from session import Session
from works import WORKS

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "k": 10**3, "M": 10**6, "G": 10**9, "": 1}


def parse():
    parser = argparse.ArgumentParser(prog="run", description="Compares nearcast with other programs on the same work.")
    parser.add_argument("--work", type=_works, default=list(WORKS), metavar="WORK,…",
                        help=f"which works (default all: {','.join(WORKS)})")
    parser.add_argument("--runs", type=int, help="runs of each program, alternating (default: each work's own, 1 to 15)")
    parser.add_argument("--peers", type=_peers, default=list(ALL), metavar="NAME,…",
                        help=f"which programs (default all: {','.join(ALL)})")
    parser.add_argument("--skip", type=_skip, action="append", default=[], metavar="NAME[:WORK]",
                        help="leave a program out, altogether or of one work, e.g. rqbit:limited (it takes 127 s)")
    parser.add_argument("--size", type=_sizes, default=[], metavar="SIZE,…",
                        help="bytes to move instead of each work's own, e.g. 64MiB; of several, each in turn")
    parser.add_argument("--timeout", type=int, metavar="S", help="give a run up after this (default: each work's own)")
    parser.add_argument("--bin-dir", default=_bin_dir(), help="where our binaries are (default %(default)s)")
    parser.add_argument("--peers-dir", help="where to look for the other programs before PATH")
    parser.add_argument("--disk-dir", default=tempfile.gettempdir(), metavar="DIR",
                        help="a folder on a disk, for what memory is too small for (default %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures of all runs")
    parser.add_argument("--keep-logs", metavar="DIR", help="copy what programs printed in failed runs to DIR")
    arguments = parser.parse_args()
    if arguments.runs is not None and arguments.runs < 1:
        parser.error("--runs must be at least 1")
    if not os.path.isdir(arguments.disk_dir):
        parser.error(f"--disk-dir {arguments.disk_dir} is no folder")
    arguments.bin_dir = os.path.abspath(arguments.bin_dir)
    return arguments


def main(arguments, folder, disk_folder):
    """Runs inside the namespaces; both folders are empty and our own."""
    if arguments.peers_dir:
        os.environ["PATH"] = os.path.abspath(arguments.peers_dir) + os.pathsep + os.environ["PATH"]
    sandbox.set_up(folder)
    try:
        return Session(arguments, folder, disk_folder).run()
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130


def _bin_dir():
    return os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(REPOSITORY, "target")), "release")


def _works(text):
    return _listed(text, WORKS, "work")


def _peers(text):
    return _listed(text, ALL, "program")


def _listed(text, known, what):
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"no {what} called {', '.join(unknown)}; there are {', '.join(known)}")
    return names


def _skip(text):
    name, _, work = text.partition(":")
    if name not in ALL:
        raise argparse.ArgumentTypeError(f"no program called {name}; there are {', '.join(ALL)}")
    if work and work not in WORKS:
        raise argparse.ArgumentTypeError(f"no work called {work}; there are {', '.join(WORKS)}")
    return name, work or None


def _sizes(text):
    return [_size(part) for part in text.split(",")]


def _size(text):
    for unit, factor in UNITS.items():
        number = text.removesuffix(unit)
        if number.isdigit() and int(number) > 0:
            return int(number) * factor
    raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 64MiB or 1GiB")
