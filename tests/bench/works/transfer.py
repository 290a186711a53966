"""The plain work: leechers started together get one content from one seeder."""

import os
import shutil

import sandbox
from child import Failure, Watch
from content import RandomFile
from peers.peer import READY_TIMEOUT_S, Run

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
SEEDER_HOST = 1


class Transfer:
    """`leechers` on as many hosts download `size_bytes` from one seeder, all started together."""

    def __init__(self, title, size_bytes, *, leechers=1, uplinks=None, kind=RandomFile, on_disk=False, web=False,
                 runs=5, timeout_s=120, goals=()):
        self.title = title
        self.size_bytes = size_bytes
        self.leechers = leechers
        # Most bytes per second that a host may send, by its program's own option. Empty: no limits.
        self.uplinks = uplinks or {}
        self.kind = kind
        # Whether content and copies are on a disk, because they are too large for memory.
        self.on_disk = on_disk
        # Whether the only source is a web server.
        self.web = web
        self.runs = runs
        self.timeout_s = timeout_s
        self.goals = goals
        self.name = self.label = ""

    def address(self, host):
        """The IP of a host."""
        return sandbox.ip(host)

    def write_tables(self, folder):
        """Writes files for an atlas, the prefixes and the relations of ASes, and returns their
        paths. None: no atlas is needed."""

    @property
    def swarm(self):
        return self.leechers > 1

    def content(self, folder, seed):
        return self.kind(folder, self.size_bytes, seed)

    def memory_bytes(self):
        """Bytes of memory that content and copies take."""
        return 0 if self.on_disk else self.size_bytes * (1 + self.leechers)

    def bound_s(self):
        """Least time in which all leechers can have the file (Kumar and Ross, HotWeb 2006). None:
        there are no upload limits."""
        if not self.uplinks:
            return None
        all_up = sum(self.uplinks.values())
        return max(self.size_bytes / self.uplinks[SEEDER_HOST], self.leechers * self.size_bytes / all_up)

    def measure(self, peer, content, folder):
        """One run. Returns its figures; raises Failure when it has none. Leaves no process and no
        file behind, except the logs of a failed run."""
        run = Run(folder, content, self.uplinks, stay=self.swarm, web=self.web, address=self.address)
        try:
            figures = self._measure(peer, run)
        except BaseException:
            run.end()
            _keep_logs(folder)
            raise
        run.end()
        shutil.rmtree(folder)
        return figures

    def _measure(self, peer, run):
        seeder = peer.seed(run, Watch(READY_TIMEOUT_S))
        seeder_before_s = seeder.cpu_s()
        watch = Watch(self.timeout_s)
        leechers = self._download(peer, run, watch)
        if not self.swarm:
            # A program that ends by itself is charged until it has ended. Its time was taken
            # before.
            _let_leave(leechers, watch, run)
        for child in run.children:
            child.sample()
        seeder_cpu_s = seeder.cpu_s() - seeder_before_s
        leechers_cpu_s = sum(leecher.child.cpu_s() for leecher in leechers)
        sent_bytes = self._sent_bytes(peer, run, leechers)
        run.end()
        compare(run.content, leechers)
        return self._figures(seeder, leechers, seeder_cpu_s, leechers_cpu_s, sent_bytes)

    def _download(self, peer, run, watch):
        """Starts the leechers and waits for the last. Returns the leechers whose times count."""
        hosts = range(SEEDER_HOST + 1, SEEDER_HOST + 1 + self.leechers)
        leechers = [peer.leech(run, host, [other for other in hosts if other != host]) for host in hosts]
        watch.until(lambda: all_finished(leechers), run.children)
        return leechers

    def _sent_bytes(self, peer, run, leechers):
        return peer.sent_bytes(run, leechers, Watch(READY_TIMEOUT_S))

    def _figures(self, seeder, leechers, seeder_cpu_s, leechers_cpu_s, sent_bytes):
        first_start = min(leecher.child.started for leecher in leechers)
        times = [leecher.finished - first_start for leecher in leechers]
        delivered = self.size_bytes * len(leechers)
        gib = delivered / GIB
        figures = {
            "wall_s": max(times),
            "mb_per_s": delivered / max(times) / 1e6,
            "seeder_cpu_s_per_gib": seeder_cpu_s / gib,
            "leecher_cpu_s_per_gib": leechers_cpu_s / gib,
            "cpu_s_per_gib": (seeder_cpu_s + leechers_cpu_s) / gib,
            "seeder_rss_mb": seeder.peak_rss_bytes / 1e6,
            "leecher_rss_mb": max(leecher.child.peak_rss_bytes for leecher in leechers) / 1e6,
        }
        if sent_bytes is not None:
            figures["seeder_copies"] = sent_bytes / self.size_bytes
        if self.swarm:
            figures["mean_s"] = sum(times) / len(times)
        if bound := self.bound_s():
            figures["last_over_bound"] = max(times) / bound
            figures["mean_over_bound"] = figures["mean_s"] / bound
        return figures


def all_finished(leechers):
    # Not all(…): every leecher is asked, so that each gets the time of its own line.
    return sum(leecher.check() for leecher in leechers) == len(leechers)


def compare(content, leechers):
    """Compares every output with the source."""
    for leecher in leechers:
        if not os.path.exists(leecher.output):
            raise Failure(f"{leecher.child.name} says finished, but there is no {leecher.output}")
        if not content.matches(leecher.output):
            raise Failure(f"{leecher.child.name} says finished, but what it has differs from the source")


def _let_leave(leechers, watch, run):
    ending = [leecher for leecher in leechers if leecher.leaves]
    watch.until(lambda: all(leecher.child.ended is not None for leecher in ending), run.children)
    for leecher in ending:
        if leecher.child.code != 0:
            raise Failure(f"{leecher.child.name} finished, but ended with code {leecher.child.code}")


def _keep_logs(folder):
    for base, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".log"):
                os.unlink(os.path.join(base, name))
