"""sendme: iroh-blobs over QUIC, BLAKE3, relay off. Its time includes the export from its store to
the file."""

import os
import re

import sandbox
from peers.peer import Leecher, Peer

TICKET = re.compile(r"\bblob[a-z0-9]{40,}\b")


class Sendme(Peer):
    name = "sendme"
    programs = ("sendme",)

    def seed(self, run, watch):
        folder = run.make_folder("seeder")
        argv = ["sendme", "send", "--relay", "disabled", "--no-progress", "--magic-ipv4-addr",
                f"{sandbox.ip(1)}:4400", run.content.path]
        child = run.start("seeder", argv, cwd=folder)
        _, line = watch.line(child, TICKET.search)
        self._ticket = TICKET.search(line).group()
        return child

    def leech(self, run, host, others):
        folder = run.make_folder(f"leecher-{host}")
        argv = ["sendme", "receive", "--relay", "disabled", "--no-progress", "--magic-ipv4-addr",
                f"{sandbox.ip(host)}:4400", self._ticket]
        return Leecher(run.start(f"leecher-{host}", argv, cwd=folder), os.path.join(folder, run.content.name))
