"""The bytes that are moved, and their description as BitTorrent v1 metainfo (BEP 3)."""

import hashlib
import os
import random
import subprocess

BLOCK_BYTES = 1 << 20


class Content:
    """A random file, made once per size and seed."""

    def __init__(self, folder, size_bytes, seed):
        self.name = f"content-{size_bytes}.bin"
        self.size_bytes = size_bytes
        self.folder = folder
        self.path = os.path.join(folder, self.name)
        generator = random.Random(seed)
        with open(self.path, "wb") as file:
            left = size_bytes
            while left > 0:
                left -= file.write(generator.randbytes(min(left, BLOCK_BYTES)))
        self.sha256 = sha256(self.path)

    def matches(self, path):
        return os.path.getsize(path) == self.size_bytes and sha256(path) == self.sha256


def sha256(path):
    """By openssl where there is one: coreutils' sha256sum is five times slower on CPUs with SHA instructions."""
    try:
        done = subprocess.run(["openssl", "dgst", "-sha256", "-r", path], capture_output=True, text=True, check=True)
        return done.stdout.split()[0]
    except FileNotFoundError:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()


def write_v1_torrent(content, path, piece_bytes, announce):
    pieces = bytearray()
    with open(content.path, "rb") as file:
        while piece := file.read(piece_bytes):
            pieces += hashlib.sha1(piece).digest()
    info = {b"length": content.size_bytes, b"name": content.name.encode(), b"piece length": piece_bytes,
            b"pieces": bytes(pieces)}
    root = {b"info": info}
    if announce:
        root[b"announce"] = announce.encode()
    with open(path, "wb") as file:
        file.write(_bencode(root))


def _bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    return b"d" + b"".join(_bencode(key) + _bencode(value[key]) for key in sorted(value)) + b"e"
