"""rqbit, plain TCP, SHA-1. Its swarm meets through opentracker: rqbit gives up at once peers from
--initial-peers that are not up yet, which leaves a poor mesh."""

import json
import os
import shutil
import urllib.request

import sandbox
from content import write_v1_torrent
from peers.peer import Leecher, Peer

PIECE_BYTES = 1 << 20
TRACKER_HOST = 16
TRACKER_PORT = 6969
PEER_PORT = 4200
API_PORT = 3030


class Rqbit(Peer):
    name = "rqbit"
    works = ("one-to-one", "swarm", "limited", "mixed", "files", "memory")
    # rqbit sends eight copies, which takes eight times as long as one.
    once = ("limited", "mixed")
    programs = ("rqbit",)

    def prepare(self, content, work):
        self._torrent = os.path.join(self.folder, "rqbit.torrent")
        self._tracker = shutil.which("opentracker")
        announce = f"http://{sandbox.ip(TRACKER_HOST)}:{TRACKER_PORT}/announce"
        write_v1_torrent(content, self._torrent, PIECE_BYTES, announce if self._tracker else None)

    def seed(self, run, watch):
        if run.stay and self._tracker:
            self._start_tracker(run)
        # rqbit opens the files it shares for writing, so it gets its own hard link.
        folder = run.make_folder("seeder")
        run.content.link_into(folder)
        child = run.start("seeder", self._argv(run, 1, folder, ["--overwrite"]))
        # The first status line comes after the check of existing files.
        watch.line(child, lambda line: "100.00%" in line)
        return child

    def leech(self, run, host, others):
        folder = run.make_folder(f"leecher-{host}")
        known = [1] if run.stay and self._tracker else [1, *others]
        extra = ["--initial-peers", ",".join(f"{sandbox.ip(other)}:{PEER_PORT + other}" for other in known)]
        extra += [] if run.stay else ["--exit-on-finish"]
        child = run.start(f"leecher-{host}", self._argv(run, host, folder, extra))
        return Leecher(child, os.path.join(folder, run.content.name), lambda line: "finished downloading" in line)

    def sent_bytes(self, run, leechers, watch):
        with urllib.request.urlopen(f"http://{sandbox.ip(1)}:{API_PORT}/torrents/0/stats/v1", timeout=10) as answer:
            return json.load(answer)["uploaded_bytes"]

    def _argv(self, run, host, folder, extra):
        argv = ["rqbit", "-v", "info", "--disable-dht", "--disable-lsd", "--disable-upnp-port-forward", "--ipv4-only",
                "--listen-ip", "0.0.0.0", "--listen-port", PEER_PORT + host,
                "--http-api-listen-addr", f"{sandbox.ip(host)}:{API_PORT}"]
        if run.stay and self._tracker:
            # All start at once, so the first announce returns few peers: announce again each second
            # until all are known.
            argv += ["--tracker-refresh-interval", "1s"]
        else:
            argv += ["--disable-trackers"]
        if run.up_bytes(host):
            argv += ["--ratelimit-upload", run.up_bytes(host)]
        return [*argv, "download", "-o", folder, *extra, self._torrent]

    def _start_tracker(self, run):
        address = sandbox.ip(TRACKER_HOST)
        run.start("tracker", [self._tracker, "-i", address, "-p", TRACKER_PORT, "-P", TRACKER_PORT,
                              "-d", run.make_folder("tracker")])
