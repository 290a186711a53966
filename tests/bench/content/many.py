"""A folder of many small files."""

import hashlib
import os
import random

FILE_BYTES = 4 << 10
FILES_PER_FOLDER = 100


class ManyFiles:
    """Random files of 4 KiB, a hundred to a folder, made once per size and seed."""

    many = True

    def __init__(self, folder, size_bytes, seed):
        count = max(1, size_bytes // FILE_BYTES)
        self.name = f"files-{count}"
        self.size_bytes = count * FILE_BYTES
        self.folder = folder
        self.path = os.path.join(folder, self.name)
        self.sha256 = {}
        generator = random.Random(seed)
        for number in range(count):
            inside = f"{number // FILES_PER_FOLDER:03}/{number:05}.bin"
            data = generator.randbytes(FILE_BYTES)
            self.sha256[inside] = hashlib.sha256(data).hexdigest()
            path = os.path.join(self.path, inside)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)

    def files(self):
        """Path below `folder` of every file, and its length; sorted."""
        return [(f"{self.name}/{inside}", FILE_BYTES) for inside in self.sha256]

    def matches(self, path):
        for inside, expected in self.sha256.items():
            with open(os.path.join(path, inside), "rb") as file:
                if hashlib.sha256(file.read()).hexdigest() != expected:
                    return False
        return True

    def link_into(self, folder):
        """Hard-links it into another folder of the same file system, so that no byte is stored
        twice."""
        for inside in self.sha256:
            target = os.path.join(folder, self.name, inside)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.link(os.path.join(self.path, inside), target)

    def sha1_of_pieces(self, piece_bytes):
        """Hashes of the pieces, one after the other. In version 1 of the metainfo pieces run across
        files."""
        pieces, piece = bytearray(), b""
        for inside in self.sha256:
            with open(os.path.join(self.path, inside), "rb") as file:
                piece += file.read()
            while len(piece) >= piece_bytes:
                pieces += hashlib.sha1(piece[:piece_bytes]).digest()
                piece = piece[piece_bytes:]
        return bytes(pieces) + (hashlib.sha1(piece).digest() if piece else b"")
