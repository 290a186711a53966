"""A swarm of unequal uplinks. One member comes late, and one leaves in the middle without
notice."""

import time

from works.transfer import MIB, SEEDER_HOST, Transfer, all_finished

SEEDER_UP_MIB = 10
# Hosts 2 to 7 are there from start to end.
STAYERS_UP_MIB = {2: 1, 3: 2, 4: 4, 5: 8, 6: 16, 7: 32}
LATE_HOST, LATE_UP_MIB = 8, 8
LEAVER_HOST, LEAVER_UP_MIB = 9, 8
# When they come and go, in parts of the time that the seeder needs to send everything once.
LATE_AT = 0.25
LEAVES_AT = 0.5


class Mixed(Transfer):
    """Six leechers with 1 to 32 MiB/s, one more that comes late, and one that is killed in the
    middle."""

    def __init__(self, size_bytes, **options):
        uplinks = {SEEDER_HOST: SEEDER_UP_MIB, **STAYERS_UP_MIB, LATE_HOST: LATE_UP_MIB, LEAVER_HOST: LEAVER_UP_MIB}
        title = f"one seeder ({SEEDER_UP_MIB} MiB/s) and eight leechers (1 to 32 MiB/s), one late, one leaving"
        super().__init__(title, size_bytes, leechers=8, uplinks={host: up * MIB for host, up in uplinks.items()},
                         **options)
        once_s = size_bytes / self.uplinks[SEEDER_HOST]
        self._late_s, self._leaves_s = LATE_AT * once_s, LEAVES_AT * once_s

    def bound_s(self):
        """No schedule can be faster: the seeder sends each byte at least once, and the members that
        stay receive together no more than all members could send while they were there. What the
        leaver received is not even counted."""
        all_up = sum(self.uplinks.values())
        stay = len(STAYERS_UP_MIB) + 1
        late, leaver = self.uplinks[LATE_HOST], self.uplinks[LEAVER_HOST]
        # all_up·t - late·(its absence) - leaver·(t - its presence) = stay·F, solved for t.
        needed = stay * self.size_bytes + late * self._late_s - leaver * self._leaves_s
        return max(self.size_bytes / self.uplinks[SEEDER_HOST], needed / (all_up - leaver))

    def _download(self, peer, run, watch):
        everybody = [*STAYERS_UP_MIB, LATE_HOST, LEAVER_HOST]

        def leech(host):
            return peer.leech(run, host, [other for other in everybody if other != host])

        leechers = [leech(host) for host in STAYERS_UP_MIB]
        leaver = leech(LEAVER_HOST)
        start = leechers[0].child.started
        _pass(watch, run, start + self._late_s)
        leechers.append(leech(LATE_HOST))
        _pass(watch, run, start + self._leaves_s)
        leaver.child.kill()
        leaver.child.reap()
        watch.until(lambda: all_finished(leechers), run.children)
        return leechers

    def _sent_bytes(self, peer, run, leechers):
        # Some programs count what went to the leaver, and others do not.
        return None


def _pass(watch, run, moment):
    watch.until(lambda: time.monotonic() >= moment, run.children)
