"""Twelve real clients, a seeder and a tracker, each on a host of its own."""

import json
import os
import signal
import subprocess
import time

import sandbox
from child import Child, Failure, Watch
from content import RandomFile
from internet import Internet
from layouts import PEERS, PIECE_BYTES

PORT = 4_800
CONTENT_SEED = 20_77
READY_S = 30
TIMEOUT_S = 300
LEAVE_S = 30
# Groups have the first ASes; the seeder's is one more, and they meet at a provider.
AS_FIRST, AS_SOURCE, AS_RIDGE = 64_601, 64_609, 64_699
SEEDER, TRACKER = "seeder", "tracker"
# Addresses that strangers may name, in networks of their own: nothing leaves the sandbox.
SEEDER_NET, TRACKER_NET, PEERS_NET, NEIGHBOURHOOD_NET = 24, 25, 26, 27
# Peers in one /24 where no AS is known, as in the simulator.
NEIGHBOURHOOD = 8


def prepare(bin_dir, folder):
    """Whether our programs are there: None, or what is missing."""
    names = ("nearcast", "nearcast-seeder", "nearcast-tracker", "nearcast-sim")
    missing = [name for name in names if not os.access(os.path.join(bin_dir, name), os.X_OK)]
    return f"{', '.join(missing)} not in {bin_dir} (cargo build --release)" if missing else None


class Stage:
    """One layout with real programs. `folder` is empty, ours, and in memory."""

    def __init__(self, layout, bin_dir, folder, flights=None):
        self._layout = layout
        self._bin = bin_dir
        self._folder = folder
        self._flights = flights
        root = self._make_folder("root")
        self._content = RandomFile(self._make_folder("content"), layout.size_bytes, CONTENT_SEED)
        self._content.link_into(root)
        self._torrent = os.path.join(root, self._content.name + ".torrent")
        self._make("nearcast", "publish", os.path.join(root, self._content.name), "-o", self._torrent,
                   "--piece-size", PIECE_BYTES)
        self._atlas = self._write_atlas() if layout.groups else []
        hosts = {TRACKER: (f"{TRACKER_NET}.0.0.1", None, None),
                 SEEDER: (f"{SEEDER_NET}.0.0.1", layout.origin_up, None)}
        for peer in range(PEERS):
            hosts[_name(peer)] = (self._address(peer), layout.up[peer], layout.down[peer])
        self._hosts = hosts
        self.internet = Internet(hosts, layout.latency_ms, folder, sandbox.CONGESTION_CONTROL)

    def run(self, number):
        """One run. Returns its figures, and a row for each peer."""
        folder = self._make_folder(f"run-{number}")
        children = []
        try:
            return self._run(number, folder, children)
        finally:
            for child in children:
                child.kill()
            for child in children:
                child.reap()

    def _run(self, number, folder, children):
        def start(host, program, *arguments, env=None):
            argv = self.internet.on(host, [os.path.join(self._bin, program), *arguments])
            state = {"XDG_STATE_HOME": os.path.join(folder, f"{host}-state")}
            child = Child(host, argv, os.path.join(folder, f"{host}.log"), env={**state, **(env or {})})
            children.append(child)
            return child

        tracker = self._start_service(start, TRACKER, "nearcast-tracker", folder)
        tracker_address = _listening(tracker)
        seeder = self._start_service(start, SEEDER, "nearcast-seeder", folder, "--root", os.path.join(
            self._folder, "root"), "--tracker", tracker_address)
        self._wait_entries(tracker)
        before = self.internet.sent_bytes(SEEDER)
        clients = self._download(start, number, folder, tracker_address, children)
        rows = [self._row(peer, child) for peer, child in enumerate(clients)]
        seeder_wire = self.internet.sent_bytes(SEEDER) - before
        uploaded = _uploaded(self._metrics(SEEDER, seeder))
        for row, given in zip(rows, _leave(clients)):
            row["uploaded_bytes"] = given
        for peer in range(PEERS):
            self._compare(os.path.join(folder, _name(peer), self._content.name))
        return self._figures(rows, uploaded, seeder_wire), rows

    def _start_service(self, start, host, program, folder, *arguments):
        state = os.path.join(folder, f"{host}-own")
        child = start(host, program, "serve", "--listen", f"/ip4/{self._hosts[host][0]}/tcp/{PORT}", "--admin",
                      "127.0.0.1:0", "--state-dir", state, *self._atlas, *arguments)
        Watch(READY_S).line(child, lambda line: line == "ready")
        return child

    def _download(self, start, number, folder, tracker, children):
        """Starts the clients, each when it is due, and waits until all have everything."""
        began = time.monotonic()
        watch = Watch(TIMEOUT_S)
        clients = []
        for peer in range(PEERS):
            due = began + self._layout.joins_s(peer)
            watch.until(lambda due=due: time.monotonic() >= due, children if due > began else [])
            env = {}
            if self._flights:
                env["NEARCAST_FLIGHT"] = os.path.join(self._flights, f"{self._layout.name}-{number}-{peer}.jsonl")
            clients.append(start(_name(peer), "nearcast", "get", self._torrent, "-o", os.path.join(folder, _name(peer)),
                                 "--json", "--listen", f"/ip4/{self._address(peer)}/tcp/{PORT}", "--seed", "forever",
                                 "--tracker", tracker, "--discover", "tracker", "--discover", "pex", *self._atlas,
                                 env=env))
        watch.until(lambda: all(_finished(client) or _fail(client) for client in clients), children)
        return clients

    def _row(self, peer, client):
        when, event = _finished(client)
        return {"peer": peer, "up": self._layout.up[peer], "down": self._layout.down[peer],
                "group": self._layout.group_of(peer), "seconds": when - client.started, "own_seconds": event["seconds"],
                "origin_bytes": event["bytes_by_tier"]["origin"], "imported_bytes": event["imported_bytes"] or 0,
                "wasted_bytes": event["wasted_bytes"]}

    def _figures(self, rows, uploaded, seeder_wire):
        size = self._layout.size_bytes
        sent = uploaded + sum(row["uploaded_bytes"] for row in rows)
        times = sorted(row["seconds"] for row in rows)
        figures = {
            "median_s": times[(len(times) - 1) // 2],
            "last_s": times[-1],
            "origin_copies": uploaded / size,
            # What clients say when they are complete leaves out what comes afterwards.
            "wasted_copies": sent / size - len(rows),
            "told_wasted_copies": sum(row["wasted_bytes"] for row in rows) / size,
            "seeder_framing": seeder_wire / uploaded,
        }
        for group, _ in enumerate(self._layout.groups):
            imported = sum(row["imported_bytes"] for row in rows if row["group"] == group)
            figures[f"imports_{group}"] = imported / size
        return figures

    def _address(self, peer):
        group = self._layout.group_of(peer)
        if group is None:
            return f"{NEIGHBOURHOOD_NET}.{peer // NEIGHBOURHOOD}.0.{1 + peer}"
        return f"{PEERS_NET}.{peer}.0.1"

    def _write_atlas(self):
        """Compiles an atlas as an operator would. Returns the options that name it."""
        prefixes, relations = os.path.join(self._folder, "prefixes.dat"), os.path.join(self._folder, "relations.txt")
        ases = [AS_FIRST + group for group in range(len(self._layout.groups))]
        with open(prefixes, "w") as file:
            file.write(f"{SEEDER_NET}.0.0.0/16\t{AS_SOURCE}\n")
            for peer in range(PEERS):
                file.write(f"{PEERS_NET}.{peer}.0.0/16\t{AS_FIRST + self._layout.group_of(peer)}\n")
        with open(relations, "w") as file:
            file.writelines(f"{AS_RIDGE}|{number}|-1\n" for number in [*ases, AS_SOURCE])
        atlas = os.path.join(self._folder, "made-up.atlas")
        self._make("nearcast-tracker", "atlas", "build", "--prefix2as", prefixes, "--as-rel", relations, "-o", atlas)
        return ["--atlas", atlas]

    def _make(self, program, *arguments):
        argv = [os.path.join(self._bin, program), *(str(argument) for argument in arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=READY_S)
        if done.returncode != 0:
            raise Failure(f"{' '.join(argv)}: {done.stderr.strip()}")

    def _wait_entries(self, tracker):
        """Waits until the tracker knows the seeder."""
        deadline = time.monotonic() + READY_S
        while "\nnearcast_entries 1\n" not in self._metrics(TRACKER, tracker):
            if time.monotonic() > deadline:
                raise Failure("the seeder does not announce itself")
            time.sleep(0.1)

    def _metrics(self, host, child):
        admin = next(line.split()[1] for _, line in child.lines if line.startswith("admin "))
        command = self.internet.on(host, ["curl", "-sS", "--max-time", "5", f"{admin}/metrics"])
        return subprocess.run(command, capture_output=True, text=True).stdout

    def _make_folder(self, name):
        path = os.path.join(self._folder, name)
        os.makedirs(path)
        return path

    def _compare(self, path):
        if not self._content.matches(path):
            raise Failure(f"{path} differs from the source")


def _name(peer):
    return f"peer{peer}"


def _listening(child):
    return next(line.split()[1] for _, line in child.lines if line.startswith("listening "))


def _events(client, kind):
    for when, line in client.lines:
        if f'"event":"{kind}"' in line:
            yield when, json.loads(line)


def _finished(client):
    return next(_events(client, "finished"), None)


def _fail(client):
    if client.ended is not None:
        raise Failure(f"{client.name} ended with code {client.code}")
    return False


def _leave(clients):
    """Ends the clients. Yields what each gave in all, in bytes."""
    for client in clients:
        client.kill(signal.SIGINT)
    Watch(LEAVE_S).until(lambda: all(client.ended is not None for client in clients), clients)
    for client in clients:
        left = next(_events(client, "left"), None)
        if not left:
            raise Failure(f"{client.name} left without a word")
        yield left[1]["uploaded_bytes"]


def _uploaded(metrics):
    lines = [line for line in metrics.splitlines() if line.startswith("nearcast_uploaded_bytes_total{")]
    if not lines:
        raise Failure("the seeder does not say what it sent")
    return sum(float(line.split()[-1]) for line in lines)
