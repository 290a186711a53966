"""The works that are compared: who starts when, what is measured, what a result holds."""

import os
import shutil

from child import Failure, Watch
from peers.peer import READY_TIMEOUT_S, Run

MIB = 1 << 20
SEEDER_HOST = 1


class Work:
    """`leechers` on as many hosts download `size_bytes` from one seeder, all started together."""

    def __init__(self, name, title, size_bytes, leechers, up_bytes, timeout_s):
        self.name = name
        self.title = title
        self.size_bytes = size_bytes
        self.leechers = leechers
        self.up_bytes = up_bytes
        self.timeout_s = timeout_s

    @property
    def swarm(self):
        return self.leechers > 1

    def bound_s(self):
        """Least time in which all can have the file (Kumar and Ross, HotWeb 2006), None without upload limits."""
        if not self.up_bytes:
            return None
        all_up = self.up_bytes * (1 + self.leechers)
        return max(self.size_bytes / self.up_bytes, self.leechers * self.size_bytes / all_up)

    def measure(self, peer, content, folder):
        """One run. Returns its figures; raises Failure when it has none. Leaves no process and no file behind,
        except the logs of a failed run."""
        run = Run(folder, content, self.up_bytes, stay=self.swarm)
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
        hosts = range(SEEDER_HOST + 1, SEEDER_HOST + 1 + self.leechers)
        leechers = [peer.leech(run, host, [other for other in hosts if other != host]) for host in hosts]
        watch = Watch(self.timeout_s)
        watch.until(lambda: _all_finished(leechers), run.children)
        if not self.swarm:
            # A program that leaves by itself is charged until it has left; its time was taken before.
            _let_leave(leechers, watch, run)
        for child in run.children:
            child.sample()
        seeder_cpu_s = seeder.cpu_s() - seeder_before_s
        leechers_cpu_s = sum(leecher.child.cpu_s() for leecher in leechers)
        sent_bytes = peer.sent_bytes(run, leechers, Watch(READY_TIMEOUT_S))
        run.end()
        _compare(run.content, leechers)
        return self._figures(seeder, leechers, seeder_cpu_s, leechers_cpu_s, sent_bytes)

    def _figures(self, seeder, leechers, seeder_cpu_s, leechers_cpu_s, sent_bytes):
        first_start = min(leecher.child.started for leecher in leechers)
        times = [leecher.finished - first_start for leecher in leechers]
        delivered = self.size_bytes * self.leechers
        gib = delivered / (1 << 30)
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


def _all_finished(leechers):
    # Not all(…): every one is asked, so that each gets the time of its own line.
    return sum(leecher.check() for leecher in leechers) == len(leechers)


def _let_leave(leechers, watch, run):
    ending = [leecher for leecher in leechers if leecher.leaves]
    watch.until(lambda: all(leecher.child.ended is not None for leecher in ending), run.children)
    for leecher in ending:
        if leecher.child.code != 0:
            raise Failure(f"{leecher.child.name} finished, but ended with code {leecher.child.code}")


def _compare(content, leechers):
    for leecher in leechers:
        if not os.path.exists(leecher.output):
            raise Failure(f"{leecher.child.name} says finished, but there is no {leecher.output}")
        if not content.matches(leecher.output):
            raise Failure(f"{leecher.child.name} says finished, but its file differs from the source")


def _keep_logs(folder):
    for base, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".log"):
                os.unlink(os.path.join(base, name))


def all_works(size_bytes, timeout_s):
    """The three works; `size_bytes` and `timeout_s` replace each work's own when given."""
    return [
        Work("one-to-one", "one seeder to one leecher", size_bytes or 1024 * MIB, 1, None, timeout_s or 120),
        Work("swarm", "one seeder and eight leechers, unlimited", size_bytes or 256 * MIB, 8, None, timeout_s or 120),
        Work("limited", "one seeder and eight leechers, each sending at most 8 MiB/s", size_bytes or 128 * MIB, 8,
             8 * MIB, timeout_s or 240),
    ]
