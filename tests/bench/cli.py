"""The command line, and the order of things."""

import argparse
import os
import platform
import shutil
import sys

import sandbox
import table
from child import Failure
from content import Content
from peers import ALL
from works import MIB, all_works

EXPECTED_RIVALS = ("rqbit", "libtorrent")
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "k": 10**3, "M": 10**6, "G": 10**9, "": 1}
CONTENT_SEED = 20_77
# Besides the content itself: copies in flight, programs, page tables.
WARM_FACTOR = 3


def parse():
    parser = argparse.ArgumentParser(prog="run", description="Compares nearcast with other programs on the same work.")
    parser.add_argument("--work", default="all", choices=["one-to-one", "swarm", "limited", "all"])
    parser.add_argument("--runs", type=int, default=5, help="runs of each program, alternating (default 5)")
    parser.add_argument("--peers", type=_names, default=list(ALL), metavar="NAME,…",
                        help=f"which programs (default all: {','.join(ALL)})")
    parser.add_argument("--skip", type=_skip, action="append", default=[], metavar="NAME[:WORK]",
                        help="leave a program out, altogether or of one work, e.g. rqbit:limited (it takes 127 s)")
    parser.add_argument("--size", type=_size, help="bytes to move instead of each work's own, e.g. 64MiB")
    parser.add_argument("--timeout", type=int, metavar="S", help="give a run up after this (default 120; limited 240)")
    parser.add_argument("--bin-dir", default=_bin_dir(), help="where our binaries are (default %(default)s)")
    parser.add_argument("--peers-dir", help="where to look for the other programs before PATH")
    parser.add_argument("--json", metavar="FILE", help="also write all figures of all runs")
    parser.add_argument("--keep-logs", metavar="DIR", help="copy what programs printed in failed runs to DIR")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    arguments.bin_dir = os.path.abspath(arguments.bin_dir)
    return arguments


def main(arguments, folder):
    """Runs inside the namespaces; `folder` is an empty one of our own."""
    if arguments.peers_dir:
        os.environ["PATH"] = os.path.abspath(arguments.peers_dir) + os.pathsep + os.environ["PATH"]
    sandbox.set_up(folder)
    try:
        return Session(arguments, folder).run()
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130


class Session:
    """One call of the command."""

    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.folder = folder
        self.failures = 0
        self.document = {"machine": _machine(), "congestion_control": sandbox.CONGESTION_CONTROL, "works": {}}

    def run(self):
        works = [work for work in all_works(self.arguments.size, self.arguments.timeout)
                 if self.arguments.work in (work.name, "all")]
        present = self._present()
        need_bytes = WARM_FACTOR * max(work.size_bytes * (1 + work.leechers) for work in works)
        warmed = sandbox.warm_memory(self.folder, need_bytes)
        _say(f"machine: {_machine()}; {sandbox.CONGESTION_CONTROL}; files in memory; {warmed >> 20} MiB warmed")
        try:
            for work in works:
                self._work(work, present)
        finally:
            self._report(works)
        return self._verdict(present)

    def _present(self):
        """Names of the programs to run, in the order asked for. Says what is missing, a line each."""
        present = []
        for name in self.arguments.peers:
            if (name, None) in self.arguments.skip:
                continue
            missing = ALL[name](self.arguments, self.folder).missing()
            if missing:
                _say(f"{name}: skipped, {missing}")
            else:
                present.append(name)
        return present

    def _work(self, work, present):
        folder = os.path.join(self.folder, work.name)
        os.makedirs(folder)
        names = [name for name in present if work.name in ALL[name].works
                 and (name, work.name) not in self.arguments.skip]
        results = {name: [] for name in names}
        self.document["works"][work.name] = {"size_bytes": work.size_bytes, "leechers": work.leechers,
                                             "up_bytes_per_s": work.up_bytes, "bound_s": work.bound_s(),
                                             "runs": results}
        _say(f"{work.name}: {work.title}, {work.size_bytes / MIB:g} MiB")
        content = Content(_folder(folder, "content"), work.size_bytes, CONTENT_SEED)
        peers = [peer for name in names if (peer := self._prepared(name, work, folder, content))]
        for number in range(1, self.arguments.runs + 1):
            for peer in peers:
                self._measure(work, peer, content, number, results[peer.name])
        if self.arguments.keep_logs:
            _copy_logs(folder, self.arguments.keep_logs)
        shutil.rmtree(folder)

    def _prepared(self, name, work, folder, content):
        peer = ALL[name](self.arguments, _folder(folder, name))
        try:
            peer.prepare(content)
        except Failure as failure:
            self._fail(work, name, "preparing", failure)
            return None
        self.document.setdefault("versions", {})[name] = peer.version()
        return peer

    def _fail(self, work, name, what, failure):
        self.failures += 1
        self.document["works"][work.name].setdefault("failures", []).append(f"{name} {what}: {failure}")
        _say(f"  {what} {name}: FAILED: {failure}")

    def _measure(self, work, peer, content, number, runs):
        folder = _folder(self.folder, work.name, peer.name, f"run-{number}")
        try:
            figures = work.measure(peer, content, folder)
        except Failure as failure:
            self._fail(work, peer.name, number, failure)
            _show_logs(folder)
        else:
            runs.append(figures)
            _say(f"  {number} {peer.name}: {figures['wall_s']:.2f} s, {figures['cpu_s_per_gib']:.2f} CPU s/GiB")

    def _report(self, works):
        for work in works:
            done = self.document["works"].get(work.name)
            if not done or not any(done["runs"].values()):
                continue
            bound = f", least possible T = {work.bound_s():.1f} s" if work.bound_s() else ""
            print(f"\n{work.name}: {work.title}, {work.size_bytes / MIB:g} MiB{bound}; median, then min-max\n")
            print(table.render(done["runs"]))
            for name in done["runs"]:
                if ALL[name].remark:
                    print(f"({ALL[name].remark})")
        for name, version in self.document.get("versions", {}).items():
            print(f"{name}: {version}")
        sys.stdout.flush()
        if self.arguments.json:
            table.write_json(self.arguments.json, self.document)

    def _verdict(self, present):
        absent = [name for name in EXPECTED_RIVALS if name not in present]
        failed = f"; {self.failures} runs FAILED" if self.failures else ""
        if absent:
            print(f"\nINCOMPLETE comparison: {' and '.join(absent)} not measured{failed}")
        else:
            print(f"\nComplete comparison: {' and '.join(EXPECTED_RIVALS)} were both there{failed}")
        ours_missing = "nearcast" in self.arguments.peers and "nearcast" not in present
        return 1 if self.failures or ours_missing else 0


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _folder(*parts):
    path = os.path.join(*parts)
    os.makedirs(path, exist_ok=True)
    return path


def _show_logs(folder, files_max=3, lines_max=3):
    """The end of what the first programs said: the folder is gone when the command ends."""
    logs = sorted(os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)
    # The seeder's is shown whenever there is one: most failures have a cause on both sides.
    shown = [log for log in logs if os.path.basename(log) == "seeder.log"]
    shown += [log for log in logs if log not in shown][:files_max - len(shown)]
    for log in shown:
        with open(log, errors="replace") as file:
            tail = file.read().splitlines()[-lines_max:]
        for line in tail:
            _say(f"      {os.path.basename(log)}: {line[:200]}")
    if len(logs) > len(shown):
        _say(f"      (and {len(logs) - len(shown)} more logs; --keep-logs DIR keeps them all)")


def _copy_logs(folder, target_folder):
    for base, _, names in os.walk(folder):
        for name in (name for name in names if name.endswith(".log")):
            target = os.path.join(target_folder, os.path.relpath(base, os.path.dirname(folder)))
            os.makedirs(target, exist_ok=True)
            shutil.copy(os.path.join(base, name), target)


def _machine():
    model = platform.machine()
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def _bin_dir():
    return os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(REPOSITORY, "target")), "release")


def _names(text):
    names = text.split(",")
    unknown = [name for name in names if name not in ALL]
    if unknown:
        raise argparse.ArgumentTypeError(f"no program called {', '.join(unknown)}; there are {', '.join(ALL)}")
    return names


def _skip(text):
    name, _, work = text.partition(":")
    if name not in ALL:
        raise argparse.ArgumentTypeError(f"no program called {name}; there are {', '.join(ALL)}")
    return name, work or None


def _size(text):
    for unit, factor in UNITS.items():
        number = text.removesuffix(unit)
        if number.isdigit() and int(number) > 0:
            return int(number) * factor
    raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 64MiB or 1GiB")
