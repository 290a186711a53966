"""What a plain web server gives: nginx with curl or aria2. No encryption, one hash of each whole
file at the end."""

import os

from peers import nginx
from peers.peer import Leecher, Peer


class Http(Peer):
    def seed(self, run, watch):
        return nginx.start(run, watch)

    def sent_bytes(self, run, leechers, watch):
        return nginx.sent_bytes(run, watch)


class Curl(Http):
    name = "curl"
    works = ("one-to-one", "web-seed")
    programs = ("curl", nginx.PROGRAM, "openssl")
    remark = "curl: nginx, then openssl dgst -sha256 of the whole file; nothing is usable before the end"

    def leech(self, run, host, others):
        output = os.path.join(run.make_folder(f"leecher-{host}"), run.content.name)
        script = ('curl --silent --fail --output "$1" "$2" && '
                  'test "$(openssl dgst -sha256 -r "$1" | cut -d " " -f 1)" = "$3"')
        url = nginx.url(run.content.name)
        child = run.start(f"leecher-{host}", ["sh", "-c", script, "sh", output, url, run.content.sha256])
        return Leecher(child, output)


class Aria2(Http):
    name = "aria2"
    works = ("one-to-one", "files", "web-seed")
    programs = ("aria2c", nginx.PROGRAM)
    remark = "aria2: nginx, four connections, --checksum of each whole file at its end; many files: -j16 and a list"

    def prepare(self, content, work):
        self._list = os.path.join(self.folder, "aria2.list")
        if content.many:
            with open(self._list, "w") as file:
                for inside, _ in content.files():
                    checksum = content.sha256[inside.split("/", 1)[1]]
                    file.write(f"{nginx.url(inside)}\n  out={inside}\n  checksum=sha-256={checksum}\n")

    def leech(self, run, host, others):
        folder = run.make_folder(f"leecher-{host}")
        argv = ["aria2c", "--no-conf", "--quiet", "--file-allocation=none", "-d", folder]
        if run.content.many:
            argv += ["-j16", "-i", self._list]
        else:
            argv += ["-x4", "-s4", f"--checksum=sha-256={run.content.sha256}", "-o", run.content.name,
                     nginx.url(run.content.name)]
        return Leecher(run.start(f"leecher-{host}", argv), os.path.join(folder, run.content.name))
