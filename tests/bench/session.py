"""One call of the command: which programs are there, all runs in turn, and what came of them."""

import os
import platform
import shutil
import sys

import sandbox
import table
from child import Failure
from peers import ALL
from works import MIB, make_works

EXPECTED_RIVALS = ("rqbit", "libtorrent")
CONTENT_SEED = 20_77
# Memory besides the content itself: copies in flight, programs, page tables.
WARM_FACTOR = 3


class Session:
    """`folder` is in memory, `disk_folder` on a disk; both are empty and ours."""

    def __init__(self, arguments, folder, disk_folder):
        self.arguments = arguments
        self.folder = folder
        self.disk_folder = disk_folder
        self.failures = 0
        self.document = {"machine": _machine(), "congestion_control": sandbox.CONGESTION_CONTROL, "works": {}}

    def run(self):
        works = make_works(self.arguments.work, self.arguments.size, self.arguments.timeout)
        present = self._present()
        warmed = sandbox.warm_memory(self.folder, WARM_FACTOR * max(work.memory_bytes() for work in works))
        _say(f"machine: {_machine()}; {sandbox.CONGESTION_CONTROL}; files in memory; {warmed >> 20} MiB warmed")
        try:
            for work in works:
                self._work(work, present)
        finally:
            self._report(works)
        return self._verdict(present)

    def _present(self):
        """Names of the programs to run, in the order asked for. Says what is missing, a line
        each."""
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

    def _taking_part(self, work, present):
        names = []
        for name in present:
            if work.name not in ALL[name].works or (name, work.name) in self.arguments.skip:
                continue
            missing = ALL[name](self.arguments, self.folder).missing_for(work)
            if missing:
                _say(f"{work.label}: {name} skipped, {missing}")
            else:
                names.append(name)
        return names

    def _work(self, work, present):
        names = self._taking_part(work, present)
        if not names:
            return
        folder = _folder(self.disk_folder if work.on_disk else self.folder, work.label)
        runs = self.arguments.runs or work.runs
        results = {name: [] for name in names}
        self.document["works"][work.label] = {"size_bytes": work.size_bytes, "leechers": work.leechers,
                                              "up_bytes_per_s": work.uplinks, "bound_s": work.bound_s(),
                                              "runs": results}
        _say(f"{work.label}: {work.title}, {_size(work)}")
        content = work.content(_folder(folder, "content"), CONTENT_SEED)
        peers = [peer for name in names if (peer := self._prepared(name, work, folder, content))]
        for number in range(1, runs + 1):
            for peer in peers:
                if number == 1 or work.name not in peer.once:
                    self._measure(work, peer, content, _folder(folder, peer.name, f"run-{number}"), number)
        if self.arguments.keep_logs:
            _copy_logs(folder, self.arguments.keep_logs)
        shutil.rmtree(folder)

    def _prepared(self, name, work, folder, content):
        peer = ALL[name](self.arguments, _folder(folder, name))
        try:
            peer.prepare(content, work)
        except Failure as failure:
            self._fail(work, name, "preparing", failure)
            return None
        self.document.setdefault("versions", {})[name] = peer.version()
        return peer

    def _fail(self, work, name, what, failure):
        self.failures += 1
        self.document["works"][work.label].setdefault("failures", []).append(f"{name} {what}: {failure}")
        _say(f"  {what} {name}: FAILED: {failure}")

    def _measure(self, work, peer, content, folder, number):
        try:
            figures = work.measure(peer, content, folder)
        except Failure as failure:
            self._fail(work, peer.name, number, failure)
            _show_logs(folder)
        else:
            self.document["works"][work.label]["runs"][peer.name].append(figures)
            _say(f"  {number} {peer.name}: {table.brief(figures)}")

    def _report(self, works):
        for work in works:
            done = self.document["works"].get(work.label)
            if not done or not any(done["runs"].values()):
                continue
            bound = f", least possible T = {work.bound_s():.1f} s" if work.bound_s() else ""
            print(f"\n{work.label}: {work.title}, {_size(work)}{bound}; median, then min-max\n")
            done["summary"] = {name: table.summarise(runs) for name, runs in done["runs"].items()}
            print(table.render(done["runs"], done["summary"]))
            self._judge(work, done)
            for name in done["runs"]:
                if ALL[name].remark:
                    print(f"({ALL[name].remark})")
        for name, version in self.document.get("versions", {}).items():
            print(f"{name}: {version}")
        sys.stdout.flush()
        if self.arguments.json:
            table.write_json(self.arguments.json, self.document)

    def _judge(self, work, done):
        if not done["runs"].get(table.US):
            return
        done["goals"] = []
        for goal in work.goals:
            line, met = goal.verdict(done["summary"])
            done["goals"].append({"goal": line, "met": met})
            print(line)

    def _verdict(self, present):
        absent = [name for name in EXPECTED_RIVALS if name not in present]
        failed = f"; {self.failures} runs FAILED" if self.failures else ""
        if absent:
            print(f"\nINCOMPLETE comparison: {' and '.join(absent)} not measured{failed}")
        else:
            print(f"\nComplete comparison: {' and '.join(EXPECTED_RIVALS)} were both there{failed}")
        ours_missing = table.US in self.arguments.peers and table.US not in present
        return 1 if self.failures or ours_missing else 0


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _size(work):
    return f"{work.size_bytes / MIB:g} MiB"


def _folder(*parts):
    path = os.path.join(*parts)
    os.makedirs(path, exist_ok=True)
    return path


def _show_logs(folder, files_max=3, lines_max=3):
    """Prints the last lines of the first logs, because the folder is gone when the command ends."""
    logs = sorted(os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)
    # The seeder's log is always shown if there is one: most failures have a cause on both sides.
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


