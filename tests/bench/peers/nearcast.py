"""Ourselves: the release binaries, over TCP, encrypted, every run verified with SHA-256."""

import json
import os
import subprocess

from child import Failure
from peers import nginx
from peers.peer import Leecher, Peer, Run, absent

GIVER_PORT = 4801


class Nearcast(Peer):
    name = "nearcast"
    # Whether leechers prefer near peers.
    near = True
    works = ("one-to-one", "swarm", "limited", "mixed", "files", "web-seed", "memory", "start", "limits", "nearness")

    def __init__(self, options, folder):
        super().__init__(options, folder)
        self._client = os.path.join(options.bin_dir, "nearcast")
        self._seeder = os.path.join(options.bin_dir, "nearcast-seeder")
        self._tracker = os.path.join(options.bin_dir, "nearcast-tracker")
        # Options that say where to get the content,
        self._source = []
        # and where peers are.
        self._atlas_option = []

    def missing(self):
        unbuilt = [path for path in (self._client, self._seeder, self._tracker) if not os.access(path, os.X_OK)]
        return f"{', '.join(unbuilt)} not built (cargo build --release)" if unbuilt else None

    def missing_for(self, work):
        return absent([nginx.PROGRAM]) if work.web else None

    def version(self):
        done = subprocess.run([self._client, "--version"], capture_output=True, text=True, timeout=20)
        return done.stdout.strip()

    def prepare(self, content, work):
        self._near = self._nearness(work.write_tables(self.folder))
        self._root = os.path.join(self.folder, "nearcast-root")
        os.makedirs(self._root, exist_ok=True)
        self._torrent = os.path.join(self._root, content.name + ".torrent")
        if not os.path.exists(self._torrent):
            content.link_into(self._root)
            self.make([self._client, "publish", os.path.join(self._root, content.name), "-o", self._torrent])

    def seed(self, run: Run, watch):
        if run.web:
            self._source = ["--web-seed", nginx.url(run.content.name), "--discover", "none"]
            return nginx.start(run, watch)
        state = run.make_folder("seeder-state")
        argv = [self._seeder, "serve", "--root", self._root, "--listen", f"/ip4/{run.address(1)}/tcp/0",
                "--listen", f"/ip4/{run.address(1)}/udp/0/quic-v1", "--admin", "off", "--state-dir", state, *self._atlas_option]
        child = run.start("seeder", argv + _limit(run, 1))
        watch.line(child, lambda line: line == "ready")
        addresses = [line.split()[1] for _, line in child.lines if line.startswith("listening ")]
        address = next((address for address in addresses if "/tcp/" in address), None)
        if not address:
            raise Failure("the seeder is ready but listens on no TCP address")
        self._source = ["--peer", address]
        return child

    def leech(self, run: Run, host, others, down_bytes=None):
        """Starts a leecher. Without a host it listens on every interface, which is its default."""
        folder = run.make_folder(f"leecher-{host}")
        options = ["--seed", "forever" if run.stay else "none", *self._source]
        options += ["--down", down_bytes] if down_bytes else []
        child = self._get(run, host, folder, 0, options)
        return Leecher(child, os.path.join(folder, run.content.name), _is_finished, summarise=_event)

    def give(self, run: Run, host, watch):
        """Starts a peer that has everything and serves it. Later leechers are told of this peer
        only."""
        folder = run.make_folder(f"giver-{host}")
        run.content.link_into(folder)
        child = self._get(run, host, folder, GIVER_PORT, ["--seed", "forever"])
        watch.line(child, _is_finished)
        self._source = ["--peer", f"/ip4/{run.address(host)}/tcp/{GIVER_PORT}"]
        return child

    def sent_bytes(self, run, leechers, watch):
        if run.web:
            return nginx.sent_bytes(run, watch)
        summaries = [_event(line) for leecher in leechers for _, line in leecher.child.lines if _is_finished(line)]
        try:
            return sum(summary["bytes_by_tier"]["origin"] for summary in summaries)
        except (KeyError, TypeError) as error:
            raise Failure("a finished event without bytes_by_tier.origin") from error

    def tells_first_byte(self, line):
        """Whether this line tells of verified bytes."""
        event = _event(line)
        return event.get("event") in ("progress", "finished") and event.get("bytes", 0) > 0

    def _nearness(self, tables):
        """Options for leechers. Compiles the atlas as an operator would."""
        if not tables:
            return []
        atlas = os.path.join(self.folder, "made-up.atlas")
        self.make([self._tracker, "atlas", "build", "--prefix2as", tables[0], "--as-rel", tables[1], "-o", atlas])
        self._atlas_option = ["--atlas", atlas]
        return [*self._atlas_option, "--nearness", "on" if self.near else "off"]

    def _get(self, run, host, folder, port, options):
        argv = [self._client, "get", self._torrent, "-o", folder, "--json"]
        argv += ["--listen", f"/ip4/{run.address(host)}/tcp/{port}"] if host else []
        argv += self._near
        # The folder where it would remember complete contents: not in the user's home.
        state = {"XDG_STATE_HOME": run.make_folder(f"state-{host}-{port}")}
        return run.start(os.path.basename(folder), argv + options + _limit(run, host), env=state)


class NearcastRandom(Nearcast):
    """nearcast with random choice, for comparison with nearness."""

    name = "nearcast-random"
    works = ("nearness",)
    near = False


def _limit(run, host):
    # A bare number is in bytes per second.
    return ["--up", run.up_bytes(host)] if run.up_bytes(host) else []


def _event(line):
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _is_finished(line):
    return _event(line).get("event") == "finished"
