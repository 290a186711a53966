"""One file: of random bytes in memory, or of holes on a disk."""

import hashlib
import os
import random
import subprocess

BLOCK_BYTES = 1 << 20


class RandomFile:
    """A random file, made once per size and seed."""

    # Whether the content is a folder of files.
    many = False

    def __init__(self, folder, size_bytes, seed):
        self.name = f"content-{size_bytes}.bin"
        self.size_bytes = size_bytes
        self.folder = folder
        self.path = os.path.join(folder, self.name)
        self._fill(random.Random(seed))
        self.sha256 = sha256(self.path)

    def _fill(self, generator):
        with open(self.path, "wb") as file:
            left = self.size_bytes
            while left > 0:
                left -= file.write(generator.randbytes(min(left, BLOCK_BYTES)))

    def files(self):
        """Path below `folder` of every file, and its length."""
        return [(self.name, self.size_bytes)]

    def matches(self, path):
        return os.path.getsize(path) == self.size_bytes and sha256(path) == self.sha256

    def link_into(self, folder):
        """Hard-links it into another folder of the same file system, so that no byte is stored
        twice."""
        os.link(self.path, os.path.join(folder, self.name))

    def sha1_of_pieces(self, piece_bytes):
        """Hashes of the pieces, one after the other, as metainfo of version 1 has them."""
        pieces = bytearray()
        with open(self.path, "rb") as file:
            while piece := file.read(piece_bytes):
                pieces += hashlib.sha1(piece).digest()
        return bytes(pieces)


class SparseFile(RandomFile):
    """A file that is one hole: large, and nothing on disk. Every program still moves and hashes
    each byte."""

    def _fill(self, generator):
        with open(self.path, "wb") as file:
            file.truncate(self.size_bytes)

    def sha1_of_pieces(self, piece_bytes):
        whole, rest = divmod(self.size_bytes, piece_bytes)
        last = hashlib.sha1(bytes(rest)).digest() if rest else b""
        return hashlib.sha1(bytes(piece_bytes)).digest() * whole + last


def sha256(path):
    """Uses openssl where it exists: coreutils' sha256sum is five times slower on CPUs with SHA
    instructions."""
    try:
        done = subprocess.run(["openssl", "dgst", "-sha256", "-r", path], capture_output=True, text=True, check=True)
        return done.stdout.split()[0]
    except FileNotFoundError:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()
