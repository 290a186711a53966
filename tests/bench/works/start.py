"""How long it takes from nothing to the first byte that is verified.

The leecher knows the seeder only. It listens on every interface, as a user's leecher does."""

from child import Watch
from peers.peer import READY_TIMEOUT_S
from works.transfer import Transfer

ANYWHERE = None


class Start(Transfer):
    """Starts a leecher. The clock stops at its first line that tells of verified bytes."""

    def __init__(self, size_bytes, **options):
        super().__init__("one leecher, from the start of its process to the first verified byte", size_bytes, **options)

    def _measure(self, peer, run):
        peer.seed(run, Watch(READY_TIMEOUT_S))
        leecher = peer.leech(run, ANYWHERE, [])
        watch = Watch(self.timeout_s)
        when, _ = watch.line(leecher.child, peer.tells_first_byte)
        watch.until(leecher.check, run.children)
        started = leecher.child.started
        return {"wall_s": leecher.finished - started, "first_byte_ms": (when - started) * 1e3}
