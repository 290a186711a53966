"""libtorrent-rasterbar with its stock settings, driven by libtorrent_node.py, plain TCP.

Discovery is switched off and every node is told of all others, again each second until it has them
all. The figures are for v1 torrents (SHA-1); libtorrent-v2 is the same with a v2-only torrent
(SHA-256)."""

import json
import os
import subprocess
import sys

import sandbox
from child import Watch
from peers.peer import Leecher, Peer

PIECE_BYTES = 1 << 20
PORT = 4300
# Runs with -I, so that "libtorrent" means the bindings there and not this module.
NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libtorrent_node.py")
ANSWER_TIMEOUT_S = 10


def interpreter():
    """A Python that has the bindings. The distribution's Python has them, but need not be first in
    PATH."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run([candidate, "-c", "import libtorrent"], capture_output=True, timeout=20)
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    return None


class Libtorrent(Peer):
    name = "libtorrent"
    works = ("one-to-one", "swarm", "limited", "mixed", "files")
    format = "v1"

    def __init__(self, options, folder):
        super().__init__(options, folder)
        self._python = interpreter()

    def missing(self):
        return None if self._python else "no Python with libtorrent's bindings (python3-libtorrent)"

    def version(self):
        code = "import libtorrent; print('libtorrent', libtorrent.__version__)"
        return subprocess.run([self._python, "-c", code], capture_output=True, text=True, timeout=20).stdout.strip()

    def prepare(self, content, work):
        self._torrent = os.path.join(self.folder, f"{self.name}.torrent")
        self.make([self._python, "-I", NODE, "make", content.path, self._torrent, str(PIECE_BYTES), self.format])

    def seed(self, run, watch):
        child = run.start("seeder", self._argv(run, 1, run.content.folder, []))
        watch.line(child, lambda line: line == "finished")
        return child

    def leech(self, run, host, others):
        folder = run.make_folder(f"leecher-{host}")
        child = run.start(f"leecher-{host}", self._argv(run, host, folder, [1, *others]))
        return Leecher(child, os.path.join(folder, run.content.name), lambda line: line == "finished",
                       leaves=False)

    def sent_bytes(self, run, leechers, watch):
        seeder = run.children[0]
        seeder.tell("totals")
        _, line = Watch(ANSWER_TIMEOUT_S).line(seeder, lambda line: line.startswith("{"))
        return json.loads(line)["uploaded_bytes"]

    def _argv(self, run, host, folder, others):
        argv = [self._python, "-I", NODE, "run", self._torrent, folder, f"{sandbox.ip(host)}:{PORT}"]
        argv.append(run.up_bytes(host) or 0)
        return argv + [f"{sandbox.ip(other)}:{PORT}" for other in others]


class LibtorrentV2(Libtorrent):
    name = "libtorrent-v2"
    works = ("one-to-one",)
    format = "v2"
