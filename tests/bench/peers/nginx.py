"""nginx as the source for curl and aria2, and for our own downloads from web seeds."""

import os

import sandbox

PROGRAM = "nginx"
PORT = 8000
CONFIGURATION = """\
daemon off; worker_processes auto; pid {folder}/nginx.pid; error_log {folder}/error.log; user root;
events {{ }}
http {{
  sendfile on; tcp_nopush on; log_format sent '$body_bytes_sent'; access_log {folder}/access.log sent;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen {ip}:{port}; root {root}; }}
}}
"""


def start(run, watch):
    """Starts it on host 1, with the content's folder as its root; returns when it is ready."""
    folder = run.make_folder("nginx")
    path = run.path("nginx", "nginx.conf")
    with open(path, "w") as file:
        file.write(CONFIGURATION.format(folder=folder, ip=sandbox.ip(1), port=PORT, root=run.content.folder))
    child = run.start("seeder", [PROGRAM, "-e", f"{folder}/error.log", "-c", path])
    # nginx writes this file when its sockets are open.
    watch.until(lambda: os.path.exists(f"{folder}/nginx.pid") or child.ended is not None, [child])
    return child


def url(inside):
    """URL of a file of the content, given its path below the content's folder."""
    return f"http://{sandbox.ip(1)}:{PORT}/{inside}"


def sent_bytes(run, watch):
    """Bytes of payload that nginx has sent, according to its log."""
    # The server logs a request when it has seen the request's end, which can be just after the
    # client has.
    log = run.path("nginx", "access.log")
    watch.until(lambda: _sum(log) >= run.content.size_bytes, run.children[:1])
    return _sum(log)


def _sum(log):
    try:
        with open(log) as file:
            return sum(int(line) for line in file if line.endswith("\n"))
    except OSError:
        return 0
