"""Makes torrents of a folder or file with libtorrent, for comparison with ours.

usage: libtorrent_make.py PATH OUT_DIR PIECE_BYTES

Writes OUT_DIR/v2.torrent and OUT_DIR/hybrid.torrent, and prints as JSON what libtorrent says about
each: {"v2": {"info_hash": hex, "files": [{"path", "length", "root"}]}, "hybrid": ...}, without the
padding files and with paths that begin with the name of the content.
"""

import json
import os
import sys

import libtorrent as lt


def make(path, piece_bytes, flags):
    storage = lt.file_storage()
    lt.add_files(storage, path)
    torrent = lt.create_torrent(storage, piece_bytes, flags)
    lt.set_piece_hashes(torrent, os.path.dirname(path))
    return lt.bencode(torrent.generate())


def describe(torrent):
    info = lt.torrent_info(torrent)
    storage = info.files()
    files = [
        {
            "path": storage.file_path(i),
            "length": storage.file_size(i),
            "root": str(storage.root(i)) if storage.file_size(i) else None,
        }
        for i in range(storage.num_files())
        if not storage.file_flags(i) & lt.file_storage.flag_pad_file
    ]
    return {"info_hash": str(info.info_hashes().v2), "files": files}


def main():
    path, out_dir, piece_bytes = os.path.realpath(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    answer = {}
    for name, flags in (("v2", lt.create_torrent.v2_only), ("hybrid", 0)):
        torrent = make(path, piece_bytes, flags)
        with open(os.path.join(out_dir, name + ".torrent"), "wb") as file:
            file.write(torrent)
        answer[name] = describe(torrent)
    print(json.dumps(answer))


main()
