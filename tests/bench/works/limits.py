"""Whether limits hold, seen from outside: bytes that cross the network while a transfer is in full
swing."""

import time

from child import Watch
from peers.peer import READY_TIMEOUT_S
from works.transfer import MIB, SEEDER_HOST, Transfer, all_finished

LIMIT_BYTES = 8 * MIB
# Skipped after the start, when a bucket may be full, and before the end, when there may be too
# little to do.
SKIP_SHARE = 0.15
COUNTERS = "/proc/net/dev"


class Limits(Transfer):
    """Three transfers: limited by the seeder's --up, by --up of a leecher that serves another, and
    by --down."""

    def __init__(self, size_bytes, **options):
        super().__init__("limits of 8 MiB/s, bytes on the wire over the limit", size_bytes, timeout_s=240, **options)

    def bound_s(self):
        return None

    def _measure(self, peer, run):
        figures = {}
        run.uplinks = {SEEDER_HOST: LIMIT_BYTES}
        seeder = peer.seed(run, Watch(READY_TIMEOUT_S))
        first = peer.leech(run, 2, [])
        figures["seeder_up_over_limit"] = self._watch(run, first)
        _end(seeder, first.child)
        run.uplinks = {2: LIMIT_BYTES}
        giver = peer.give(run, 2, Watch(READY_TIMEOUT_S))
        second = peer.leech(run, 3, [])
        figures["get_up_over_limit"] = self._watch(run, second)
        _end(giver, second.child)
        run.uplinks = {}
        peer.seed(run, Watch(READY_TIMEOUT_S))
        figures["get_down_over_limit"] = self._watch(run, peer.leech(run, 4, [], down_bytes=LIMIT_BYTES))
        return figures

    def _watch(self, run, leecher):
        """Payload per second over the limit, in the longest window in the middle of the
        transfer."""
        expected_s = self.size_bytes / LIMIT_BYTES
        begin = leecher.child.started + SKIP_SHARE * expected_s
        end = leecher.child.started + (1 - SKIP_SHARE) * expected_s
        watch = Watch(self.timeout_s)
        before = _wire_bytes()
        marks = []
        for moment in (begin, end):
            watch.until(lambda moment=moment: time.monotonic() >= moment, run.children)
            marks.append((time.monotonic(), _wire_bytes()))
        watch.until(lambda: all_finished([leecher]), run.children)
        # Headers, acknowledgements and records come on top of the payload. Their share is that of
        # the whole transfer.
        payload_share = self.size_bytes / (_wire_bytes() - before)
        (from_s, from_bytes), (to_s, to_bytes) = marks
        return (to_bytes - from_bytes) * payload_share / (to_s - from_s) / LIMIT_BYTES


def _end(*children):
    for child in children:
        child.kill()
        child.reap()


def _wire_bytes():
    """Bytes the only interface of this network has carried."""
    with open(COUNTERS) as file:
        for line in file:
            name, _, counters = line.partition(":")
            if name.strip() == "lo":
                return int(counters.split()[0])
    raise OSError(f"{COUNTERS} has no lo")
