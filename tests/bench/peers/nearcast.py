"""Ourselves: the release binaries, over TCP, encrypted, every run verified with SHA-256."""

import json
import os
import subprocess

import sandbox
from child import Failure
from peers.peer import Leecher, Peer, Run


class Nearcast(Peer):
    name = "nearcast"
    works = ("one-to-one", "swarm", "limited")

    def __init__(self, options, folder):
        super().__init__(options, folder)
        self._client = os.path.join(options.bin_dir, "nearcast")
        self._seeder = os.path.join(options.bin_dir, "nearcast-seeder")
        self._address = None

    def missing(self):
        absent = [path for path in (self._client, self._seeder) if not os.access(path, os.X_OK)]
        return f"{', '.join(absent)} not built (cargo build --release)" if absent else None

    def version(self):
        done = subprocess.run([self._client, "--version"], capture_output=True, text=True, timeout=20)
        return done.stdout.strip()

    def prepare(self, content):
        self._root = os.path.join(self.folder, "nearcast-root")
        os.makedirs(self._root, exist_ok=True)
        # A hard link: the same pages, no second copy in memory.
        target = os.path.join(self._root, content.name)
        if not os.path.exists(target):
            os.link(content.path, target)
        self._torrent = os.path.join(self._root, content.name + ".torrent")
        if not os.path.exists(self._torrent):
            self.make([self._client, "publish", target, "-o", self._torrent])

    def seed(self, run: Run, watch):
        state = run.make_folder("seeder-state")
        argv = [self._seeder, "serve", "--root", self._root, "--listen", f"/ip4/{sandbox.ip(1)}/tcp/0",
                "--listen", f"/ip4/{sandbox.ip(1)}/udp/0/quic-v1", "--admin", "off", "--state-dir", state]
        child = run.start("seeder", argv + self._limit(run))
        watch.line(child, lambda line: line == "ready")
        addresses = [line.split()[1] for _, line in child.lines if line.startswith("listening ")]
        self._address = next((address for address in addresses if "/tcp/" in address), None)
        if not self._address:
            raise Failure("the seeder is ready but listens on no TCP address")
        return child

    def leech(self, run: Run, host, others):
        folder = run.make_folder(f"leecher-{host}")
        argv = [self._client, "get", self._torrent, "-o", folder, "--peer", self._address, "--listen",
                f"/ip4/{sandbox.ip(host)}/tcp/0", "--json", "--seed", "forever" if run.stay else "none"]
        child = run.start(f"leecher-{host}", argv + self._limit(run))
        return Leecher(child, os.path.join(folder, run.content.name), _is_finished)

    def sent_bytes(self, run, leechers, watch):
        summaries = [_event(line) for leecher in leechers for _, line in leecher.child.lines if _is_finished(line)]
        try:
            return sum(summary["bytes_by_tier"]["origin"] for summary in summaries)
        except (KeyError, TypeError) as error:
            raise Failure("a finished event without bytes_by_tier.origin") from error

    def _limit(self, run):
        # A bare number is bytes per second.
        return ["--up", str(run.up_bytes)] if run.up_bytes else []


def _event(line):
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _is_finished(line):
    return _event(line).get("event") == "finished"
