"""The swarms that are compared: drawn by a seed, told to real nodes and to the simulator alike."""

import math
import random

MIB = 1 << 20
PIECE_BYTES = 256 << 10
PEERS = 12
UPLINK_BYTES = (50_000, 10_000_000)
# What a downlink carries, in parts of the uplink of the same line, and what it carries at least.
DOWNLINK_FACTOR = (2, 8)
DOWNLINK_BYTES_MIN = 1_000_000
DOWNLINK_BYTES_MAX = 20_000_000


class Layout:
    """One swarm: twelve peers, one origin. Rates are in bytes a second, at the level of Ethernet
    frames."""

    def __init__(self, name, about, runs, latency_ms, groups, origin_up, late_s=None):
        self.name = name
        self.about = about
        # Runs of the content; a piece is one run.
        self.runs = runs
        # One way, between any two.
        self.latency_ms = latency_ms
        # Members of each AS, in the order of the peers. Empty: no AS is known.
        self.groups = groups
        self.origin_up = origin_up
        # When the last peer comes, in seconds after all others. None: with them.
        self.late_s = late_s
        self.up = []
        self.down = []

    def draw(self, seed):
        """Draws the links. The same seed and name give the same links."""
        dice = random.Random(f"{self.name} {seed}")
        least, most = (math.log(rate) for rate in UPLINK_BYTES)
        self.up = [round(math.exp(dice.uniform(least, most))) for _ in range(PEERS)]
        self.down = [_downlink(up, dice) for up in self.up]
        return self

    @property
    def size_bytes(self):
        return self.runs * PIECE_BYTES

    def joins_s(self, peer):
        """When this peer comes, in seconds from the start."""
        return self.late_s if self.late_s and peer == PEERS - 1 else 0.0

    def group_of(self, peer):
        """The number of the peer's AS, from 0. None: no AS is known."""
        for group, size in enumerate(self.groups):
            if peer < size:
                return group
            peer -= size
        return None

    def least_s(self):
        """No schedule can have the last peer done sooner (Kumar and Ross, HotWeb 2006), framing left
        out."""
        together = PEERS * self.size_bytes / (self.origin_up + sum(self.up))
        return max(self.size_bytes / self.origin_up, self.size_bytes / min(self.down), together)


def _downlink(up, dice):
    return round(min(max(up * dice.uniform(*DOWNLINK_FACTOR), DOWNLINK_BYTES_MIN), DOWNLINK_BYTES_MAX))


def all_layouts():
    """Every layout, its links not drawn yet."""
    return [
        Layout("flat", "no AS is known", 96, 5, [], 2_000_000),
        Layout("ample", "three ASes, an origin with room to spare", 96, 10, [5, 4, 3], 8_000_000),
        Layout("scarce", "three ASes, a scarce origin", 96, 10, [5, 4, 3], 1_000_000),
        Layout("late", "50 ms each way, and a peer that comes late", 96, 50, [], 2_000_000, late_s=12.0),
    ]
