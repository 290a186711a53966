"""A small Internet: each host in a network namespace of its own, behind a line with two rates, and a
fixed delay between any two.

    host eth0 -- htb: uplink --> router --> TUN, relay.py: delay --> router -- htb: downlink --> host

It must be made inside of the namespaces of sandbox.py, so it ends with the command.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys

from child import Child, Failure, Watch

ROUTER = "router"
TUN = "delay0"
TABLE = "100"
GATEWAY = "169.254.1.1"
# What may wait in front of a downlink, in seconds at its rate, but at least some packets: about what
# lines to homes have. An uplink has what the kernel gives a device. There the host itself is at the
# line, so TCP sees what waits (small queues) and adds little.
DOWN_QUEUE_S = 0.25
DOWN_QUEUE_BYTES_MIN = 64_000
UP_QUEUE_PACKETS = 1_000
BURST_BYTES = 3_028
MTU_BYTES = 1_500
READY_S = 10
RELAY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "relay.py")
# From ethtool.h: the kernel would count a packet of 64 kB as one of 1,500 bytes.
SIOCETHTOOL = 0x8946
SET_OFFLOADS = (0x1F, 0x24, 0x2C)
CLONE_NEWNET = 0x40000000


class Internet:
    """`hosts`: name -> (address, up, down); rates in bytes a second, None: without limit."""

    def __init__(self, hosts, delay_ms, folder, congestion):
        self._hosts = hosts
        self._congestion = congestion
        _run("mount", "-t", "tmpfs", "netns", "/run")
        self._add(ROUTER)
        self._relay = self._start_relay(delay_ms, folder)
        for number, (name, line) in enumerate(hosts.items()):
            self._add_host(number, name, *line)

    def on(self, host, argv):
        """`argv`, to be run on a host."""
        return ["ip", "netns", "exec", host, *(str(part) for part in argv)]

    def end(self):
        """Removes everything."""
        self._relay.kill()
        self._relay.reap()
        for name in [ROUTER, *self._hosts]:
            _run("ip", "netns", "del", name)
        _run("umount", "-l", "/run")

    def dropped(self):
        """Packets that queues dropped: of uplinks, and of downlinks."""
        up = sum(_drops(name, "eth0") for name in self._hosts)
        down = sum(_drops(ROUTER, f"port{number}") for number in range(len(self._hosts)))
        return up, down

    def sent_bytes(self, host):
        """Bytes that left a host, of frames."""
        done = _run("ip", "netns", "exec", host, "cat", "/sys/class/net/eth0/statistics/tx_bytes")
        return int(done.stdout)

    def _add(self, name):
        _run("ip", "netns", "add", name)
        _run("ip", "-n", name, "link", "set", "lo", "up")

    def _start_relay(self, delay_ms, folder):
        command = self.on(ROUTER, [sys.executable, RELAY, TUN, delay_ms])
        relay = Child("relay", command, os.path.join(folder, "relay.log"))
        Watch(READY_S).line(relay, lambda line: line == "ready")
        os.setpriority(os.PRIO_PROCESS, relay.pid, -10)
        within = ["ip", "-n", ROUTER]
        _run(*within, "link", "set", TUN, "mtu", MTU_BYTES, "txqueuelen", 10_000, "up")
        _run(*within, "route", "add", "default", "dev", TUN, "table", TABLE)
        _run("ip", "netns", "exec", ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1",
             "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0", f"net.ipv4.conf.{TUN}.rp_filter=0")
        return relay

    def _add_host(self, number, name, address, up, down):
        port = f"port{number}"
        self._add(name)
        _run("ip", "link", "add", port, "netns", ROUTER, "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "-n", ROUTER, "addr", "add", f"{GATEWAY}/32", "dev", port)
        _run("ip", "-n", ROUTER, "link", "set", port, "up")
        _run("ip", "-n", ROUTER, "route", "add", f"{address}/32", "dev", port)
        # What comes from a host goes through the delay first; what comes from there, to its host.
        _run("ip", "-n", ROUTER, "rule", "add", "iif", port, "lookup", TABLE)
        _run("ip", "-n", name, "addr", "add", f"{address}/32", "dev", "eth0")
        _run("ip", "-n", name, "link", "set", "eth0", "up")
        _run("ip", "-n", name, "route", "add", GATEWAY, "dev", "eth0")
        _run("ip", "-n", name, "route", "add", "default", "via", GATEWAY, "dev", "eth0", "src", address, "onlink",
             "congctl", self._congestion)
        for space, device in ((name, "eth0"), (ROUTER, port)):
            _send_single_packets(space, device)
        if up:
            _limit(name, "eth0", up, "pfifo", UP_QUEUE_PACKETS)
        if down:
            _limit(ROUTER, port, down, "bfifo", max(DOWN_QUEUE_BYTES_MIN, round(down * DOWN_QUEUE_S)))


def _limit(space, device, rate, queue, most):
    tc = ["tc", "-n", space]
    _run(*tc, "qdisc", "add", "dev", device, "root", "handle", "1:", "htb", "default", "1")
    # In tc, bps are bytes a second.
    _run(*tc, "class", "add", "dev", device, "parent", "1:", "classid", "1:1", "htb", "rate", f"{rate}bps", "burst",
         BURST_BYTES, "cburst", BURST_BYTES)
    _run(*tc, "qdisc", "add", "dev", device, "parent", "1:1", "handle", "2:", queue, "limit", most)


def _drops(space, device):
    lines = _run("tc", "-n", space, "-s", "qdisc", "show", "dev", device).stdout.splitlines()
    return max((int(line.split("dropped ")[1].split(",")[0]) for line in lines if "dropped " in line), default=0)


def _send_single_packets(space, device):
    """Turns off what sends several packets as one."""
    libc = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with open(f"/run/netns/{space}") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET) == 0:
                    _set_offloads(device)
                    code = 0
        finally:
            os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        raise Failure(f"the offloads of {device} in {space} cannot be turned off")


def _set_offloads(device):
    with socket.socket() as any_socket:
        for command in SET_OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP", device.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(any_socket, SIOCETHTOOL, request + bytes(16))
            except OSError:
                # A device without this offload sends single packets already.
                pass


def _run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(str(part) for part in command)}: {done.stderr.strip()}")
    return done
