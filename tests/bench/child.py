"""Processes under measurement: what they print, when they end, what they cost."""

import os
import re
import select
import signal
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# How often peak memory is read. The kernel keeps the peak itself, so only growth in the last
# interval is lost. Threads come and go slowly compared with this; walking /proc more often would
# itself cost CPU.
SAMPLE_INTERVAL_S = 0.02
# A longer line of output fails the run.
LINE_BYTES_MAX = 1 << 20
ESCAPES = re.compile(rb"\x1b\[[0-9;]*m")


class Failure(Exception):
    """A run that has no result; the text says why."""


class Child:
    """One process and its descendants. `started` is the time just before the process started."""

    def __init__(self, name, argv, log, cwd=None, env=None):
        self.name = name
        self.lines = []
        self.ended = None
        self.code = None
        self.peak_rss_bytes = 0
        self._rusage = None
        self._partial = b""
        self.log = log
        with open(log, "ab") as errors:
            errors.write(f"$ {' '.join(argv)}\n".encode())
            errors.flush()
            self.started = time.monotonic()
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=cwd,
                env={**os.environ, **(env or {})}, start_new_session=True)
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)
        os.set_blocking(self._process.stdout.fileno(), False)

    def handles(self):
        return [] if self.ended else [self._pidfd, self._process.stdout.fileno()]

    def pump(self):
        """Reads what was printed and notices the end. Adds new lines to `lines` with the time they
        came."""
        self._read()
        if self.ended is None:
            pid, status, rusage = os.wait4(self.pid, os.WNOHANG)
            if pid == self.pid:
                self.ended = time.monotonic()
                self._read()
                self.code = os.waitstatus_to_exitcode(status)
                self._process.returncode = self.code
                self._rusage = rusage
                self._close()

    def sample(self):
        if self.ended is None:
            self.peak_rss_bytes = max(self.peak_rss_bytes, sum(_peak_rss_bytes(pid) for pid in self._tree()))

    def cpu_s(self):
        """User and system seconds so far, descendants included."""
        if self._rusage:
            return self._rusage.ru_utime + self._rusage.ru_stime
        return sum(_cpu_s(pid) for pid in self._tree())

    def tell(self, line):
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def kill(self, number=signal.SIGKILL):
        if self.ended is None:
            os.killpg(self.pid, number)

    def reap(self, within_s=10):
        """Ends the process if it has not ended by itself."""
        deadline = time.monotonic() + within_s
        while self.ended is None:
            if time.monotonic() > deadline:
                raise Failure(f"{self.name} (process {self.pid}) does not end")
            self.pump()
            if self.ended is None:
                select.select([self._pidfd], [], [], SAMPLE_INTERVAL_S)

    def _read(self):
        if self.ended is not None and self._process.stdout.closed:
            return
        while True:
            try:
                data = os.read(self._process.stdout.fileno(), 65536)
            except BlockingIOError:
                return
            if not data:
                return
            now = time.monotonic()
            *whole, self._partial = (self._partial + data).split(b"\n")
            if len(self._partial) > LINE_BYTES_MAX:
                raise Failure(f"{self.name} printed an endless line")
            with open(self.log, "ab") as log:
                for line in whole:
                    line = ESCAPES.sub(b"", line)
                    log.write(line + b"\n")
                    self.lines.append((now, line.decode(errors="replace").strip()))

    def _tree(self):
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as file:
                    todo += [int(child) for child in file.read().split()]
            except OSError:
                pass
        return found

    def _close(self):
        os.close(self._pidfd)
        self._process.stdout.close()
        try:
            self._process.stdin.close()
        except OSError:
            pass


def _cpu_s(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    # utime, stime, and the same of children it waited for. See proc(5), counted from field 3.
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_SECOND


def _peak_rss_bytes(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Watch:
    """Waits for events of several processes at once, within one deadline."""

    def __init__(self, timeout_s):
        self.deadline = time.monotonic() + timeout_s
        self.timeout_s = timeout_s
        self._next_sample = 0.0

    def until(self, done, children):
        """Pumps `children` until `done()`; a deadline passed is a Failure."""
        while True:
            for child in children:
                child.pump()
            if done():
                return
            now = time.monotonic()
            if now > self.deadline:
                raise Failure(f"not finished after {self.timeout_s} s")
            if now >= self._next_sample:
                for child in children:
                    child.sample()
                self._next_sample = now + SAMPLE_INTERVAL_S
            handles = [handle for child in children for handle in child.handles()]
            select.select(handles, [], [], SAMPLE_INTERVAL_S)

    def line(self, child, wanted):
        """The first line for which `wanted(line)` is true, and when it came."""
        found = []

        def done():
            found.extend(entry for entry in child.lines if wanted(entry[1]))
            if not found and child.ended is not None:
                raise Failure(f"{child.name} ended with code {child.code}; its log: {child.log}")
            return bool(found)

        self.until(done, [child])
        return found[0]
