"""Delays packets: what comes out of a TUN device goes back into it, some time later.

A program of its own: `relay.py DEVICE DELAY_MS`. It prints `ready` when the device is there. The
kernel has no netem everywhere; a TUN device is there wherever there are containers.
"""

import collections
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET_BYTES_MAX = 1 << 16
# Packets read before those that are due are looked at again.
READ_AT_ONCE = 64
# Packets on their way at most; more are dropped, as by a router. 12 lines of 10 MB/s fill far less
# in 200 ms.
PACKETS_MAX = 100_000


def open_tun(name):
    """The file of a TUN device of this name, which appears with it."""
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return file


def relay(tun, delay_s):
    """Never returns."""
    on_way = collections.deque()
    poll = select.poll()
    poll.register(tun, select.POLLIN)
    while True:
        now = time.monotonic()
        while on_way and on_way[0][0] <= now:
            _put(tun, on_way.popleft()[1])
        # Rounded up by poll(2) to a millisecond; within it what is due is looked at by reading.
        left_ms = max(0.0, (on_way[0][0] - time.monotonic()) * 1e3) if on_way else None
        poll.poll(left_ms)
        for packet in _some(tun):
            if len(on_way) < PACKETS_MAX:
                on_way.append((time.monotonic() + delay_s, packet))


def _some(tun):
    for _ in range(READ_AT_ONCE):
        try:
            yield os.read(tun, PACKET_BYTES_MAX)
        except BlockingIOError:
            return


def _put(tun, packet):
    try:
        os.write(tun, packet)
    except OSError:
        # A packet that the kernel does not take is lost, as elsewhere.
        pass


if __name__ == "__main__":
    device = open_tun(sys.argv[1])
    print("ready", flush=True)
    relay(device, float(sys.argv[2]) / 1e3)
