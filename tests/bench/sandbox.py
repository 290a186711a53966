"""The network, mounts and process table that one comparison has for itself.

Made with unshare(1) rather than `ip netns add`: nothing has a name that must be removed again, and
the kernel kills every process inside when the first one ends, whatever ended it.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile

FOLDERS = "NEARCAST_BENCH_FOLDERS"
HOSTS_MAX = 16
NETWORK = "10.77.0"
# bbr paces even loopback (rqbit falls from 296 to 165 MB/s), so all peers get the kernel's classic
# algorithm.
CONGESTION_CONTROL = "cubic"
PR_SET_PDEATHSIG = 1
WARM_BLOCK_BYTES = 16 << 20


def ip(host):
    """The address of host 1 to 16. Not 127/8: some clients refuse loopback peers."""
    return f"{NETWORK}.{host}"


def inside():
    """The folders to work in, of memory and of disk, if this process is the one inside the
    namespaces."""
    folders = os.environ.get(FOLDERS)
    return folders.split(os.pathsep) if folders else None


class Ended(BaseException):
    """A signal that ends the command."""

    def __init__(self, number):
        super().__init__(number)
        self.code = 128 + number


def enter(disk_dir):
    """Runs this same command again inside fresh namespaces; returns its exit code."""
    # Mounts on this folder are visible inside only; outside it stays empty.
    folder = tempfile.mkdtemp(prefix="nearcast-bench-")
    disk_folder = tempfile.mkdtemp(prefix="nearcast-bench-disk-", dir=disk_dir)
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        command.insert(1, "--map-root-user")
    command += [sys.executable, "-B", os.path.abspath(sys.argv[0]), *sys.argv[1:]]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    environment = {**os.environ, FOLDERS: folder + os.pathsep + disk_folder}
    child = subprocess.Popen(command, env=environment, preexec_fn=_die_with_parent)
    try:
        return _wait(child)
    except Ended as ended:
        return ended.code
    finally:
        # Killing unshare kills the whole process namespace (--kill-child).
        child.kill()
        child.wait()
        os.rmdir(folder)
        shutil.rmtree(disk_folder)


def _wait(child):
    # The first Ctrl-C reaches the inside, too, which shows its measurements and ends. A second one
    # does not wait.
    for _ in range(2):
        try:
            return child.wait()
        except KeyboardInterrupt:
            pass
    return 128 + signal.SIGINT


def _end(number, _frame):
    raise Ended(number)


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def set_up(folder):
    """Brings up the network and mounts a tmpfs at `folder`."""
    _run("ip", "link", "set", "lo", "up")
    for host in range(1, HOSTS_MAX + 1):
        _run("ip", "addr", "add", f"{ip(host)}/32", "dev", "lo")
        # Set per route, because a namespace may not choose an algorithm by sysctl that the host has
        # not allowed to all.
        _run("ip", "route", "replace", "local", ip(host), "dev", "lo", "table", "local", "proto", "kernel",
             "scope", "host", "src", ip(host), "congctl", CONGESTION_CONTROL)
    _run("mount", "--make-rprivate", "/")
    # The default limit is half the memory. The work itself is far smaller.
    _run("mount", "-t", "tmpfs", "-o", "size=90%", "bench", folder)


def pace_loopback():
    """Sets the same algorithm for 127.0.0.0/8, in which a work has its simulated networks."""
    _run("ip", "route", "replace", "local", "127.0.0.0/8", "dev", "lo", "table", "local", "proto", "kernel",
         "scope", "host", "src", "127.0.0.1", "congctl", CONGESTION_CONTROL)


def warm_memory(folder, need_bytes):
    """Touches memory once: pages a virtual machine has never used fault in at a tenth of the
    speed."""
    path = os.path.join(folder, "warm")
    limit = int(available_bytes() * 0.7)
    block = b"\x5a" * WARM_BLOCK_BYTES
    written = 0
    with open(path, "wb", buffering=0) as file:
        while written < min(need_bytes, limit):
            written += file.write(block)
    os.unlink(path)
    return written


def available_bytes():
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    raise OSError("/proc/meminfo has no MemAvailable")


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)}: {done.stderr.strip()}")
