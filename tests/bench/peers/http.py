"""What a plain web server gives: nginx with curl or aria2. No encryption, one hash of the whole file at the end."""

import os

import sandbox
from peers.peer import Leecher, Peer

PORT = 8000
CONFIGURATION = """\
daemon off; worker_processes auto; pid {folder}/nginx.pid; error_log {folder}/error.log; user root;
events {{ }}
http {{
  sendfile on; tcp_nopush on; log_format sent '$body_bytes_sent'; access_log {folder}/access.log sent;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen {ip}:{port}; root {root}; }}
}}
"""


class Http(Peer):
    def seed(self, run, watch):
        folder = run.make_folder("nginx")
        path = run.path("nginx", "nginx.conf")
        with open(path, "w") as file:
            file.write(CONFIGURATION.format(folder=folder, ip=sandbox.ip(1), port=PORT, root=run.content.folder))
        child = run.start("seeder", ["nginx", "-e", f"{folder}/error.log", "-c", path])
        # Written when the sockets are open.
        watch.until(lambda: os.path.exists(f"{folder}/nginx.pid") or child.ended is not None, [child])
        return child

    def sent_bytes(self, run, leechers, watch):
        # A request is logged when the server has seen its end, which can be just after the client has.
        log = run.path("nginx", "access.log")
        watch.until(lambda: _sum(log) >= run.content.size_bytes, run.children[:1])
        return _sum(log)

    def _url(self, run):
        return f"http://{sandbox.ip(1)}:{PORT}/{run.content.name}"


class Curl(Http):
    name = "curl"
    programs = ("curl", "nginx", "openssl")
    remark = "curl: nginx, then openssl dgst -sha256 of the whole file; nothing is usable before the end"

    def leech(self, run, host, others):
        output = os.path.join(run.make_folder(f"leecher-{host}"), run.content.name)
        script = ('curl --silent --fail --output "$1" "$2" && '
                  'test "$(openssl dgst -sha256 -r "$1" | cut -d " " -f 1)" = "$3"')
        child = run.start(f"leecher-{host}", ["sh", "-c", script, "sh", output, self._url(run), run.content.sha256])
        return Leecher(child, output)


class Aria2(Http):
    name = "aria2"
    programs = ("aria2c", "nginx")
    remark = "aria2: nginx, four connections, --checksum of the whole file at the end"

    def leech(self, run, host, others):
        folder = run.make_folder(f"leecher-{host}")
        argv = ["aria2c", "--no-conf", "--quiet", "-x4", "-s4", f"--checksum=sha-256={run.content.sha256}",
                "--file-allocation=none", "-d", folder, "-o", run.content.name, self._url(run)]
        return Leecher(run.start(f"leecher-{host}", argv), os.path.join(folder, run.content.name))


def _sum(log):
    try:
        with open(log) as file:
            return sum(int(line) for line in file if line.endswith("\n"))
    except OSError:
        return 0
