"""What every compared program must be able to do."""

import os
import shutil
import subprocess

import sandbox
from child import Child, Failure

READY_TIMEOUT_S = 60
MAKE_TIMEOUT_S = 300


class Run:
    """One run of one program: its folder, its processes, its limits."""

    def __init__(self, folder, content, uplinks, stay, web=False, address=sandbox.ip):
        self.folder = folder
        self.content = content
        # Most bytes per second that each host may send. A host that is missing here has no limit.
        self.uplinks = uplinks
        # Whether leechers go on serving after they have finished (swarms).
        self.stay = stay
        # Whether the only source is a web server.
        self.web = web
        # Returns the IP of a host, given its number.
        self.address = address
        self.children = []

    def up_bytes(self, host):
        """Upload limit of a host in bytes per second, or None."""
        return self.uplinks.get(host)

    def path(self, *parts):
        path = os.path.join(self.folder, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def make_folder(self, *parts):
        path = os.path.join(self.folder, *parts)
        os.makedirs(path, exist_ok=True)
        return path

    def start(self, name, argv, **options):
        child = Child(name, [str(part) for part in argv], self.path(f"{name}.log"), **options)
        self.children.append(child)
        return child

    def end(self):
        for child in self.children:
            child.kill()
        for child in self.children:
            child.reap()


class Leecher:
    """A download under way. It has finished when its program says so or has ended well, and the
    file is there."""

    def __init__(self, child, output, said_finished=None, leaves=True, summarise=None):
        self.child = child
        self.output = output
        # Whether the program ends by itself once it has finished (unless told to stay).
        self.leaves = leaves
        self.finished = None
        self._said_finished = said_finished
        self._summarise = summarise
        self._said = ""
        self._seen = 0

    def check(self):
        """True once finished; `finished` is then the time. An end without success is a Failure."""
        if self.finished is not None:
            return True
        if self._said_finished:
            for when, line in self.child.lines[self._seen:]:
                if self._said_finished(line):
                    self.finished = when
                    self._said = line
                    return True
            self._seen = len(self.child.lines)
        if self.child.ended is not None:
            if self.child.code != 0 or self._said_finished:
                raise Failure(f"{self.child.name} ended with code {self.child.code}")
            self.finished = self.child.ended
        return self.finished is not None


    def summary(self):
        """What the program said when it had finished, as a dict."""
        return self._summarise(self._said) if self._summarise else {}


class Peer:
    """A program. One object serves all runs of one work, so that metainfo is made once."""

    name = ""
    works = ("one-to-one",)
    # Those of `works` that take so long, and always equally long, that one run is enough.
    once = ()
    programs = ()
    # Why its figures are not quite comparable. Printed below the table.
    remark = ""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder

    def missing(self):
        """What is not installed, or None."""
        return absent(self.programs)

    def missing_for(self, work):
        """What is not installed and needed for this work only, or None."""
        return None

    def version(self):
        return _first_line([self.programs[0], "--version"])

    def prepare(self, content, work):
        """Makes metainfo. Not timed."""

    def seed(self, run, watch):
        """Starts the seeder on host 1 and returns when it is ready to serve."""
        raise NotImplementedError

    def leech(self, run, host, others):
        """Starts a leecher on `host`; `others` are the hosts of the other leechers."""
        raise NotImplementedError

    def sent_bytes(self, run, leechers, watch):
        """Bytes of payload that the seeder has sent. None: unknown."""
        return None

    def make(self, argv):
        """Runs a short helper to its end; its failure fails the work for this program."""
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=MAKE_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{' '.join(argv)} did not end in {MAKE_TIMEOUT_S} s") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise Failure(f"{' '.join(argv)} ended with code {done.returncode}: {last}")


def absent(programs):
    """The programs that are not installed, as a sentence. None: all are installed."""
    names = [program for program in programs if not shutil.which(program)]
    return f"{', '.join(names)} not found in PATH" if names else None


def _first_line(argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    return (done.stdout + done.stderr).strip().splitlines()[0].strip()
