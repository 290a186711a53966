"""Metainfo of version 1 (BEP 3), for programs that do not make their own."""


def write_v1_torrent(content, path, piece_bytes, announce):
    info = {b"name": content.name.encode(), b"piece length": piece_bytes,
            b"pieces": content.sha1_of_pieces(piece_bytes)}
    if content.many:
        info[b"files"] = [{b"length": length, b"path": [part.encode() for part in inside.split("/")[1:]]}
                          for inside, length in content.files()]
    else:
        info[b"length"] = content.size_bytes
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
    if isinstance(value, list):
        return b"l" + b"".join(_bencode(item) for item in value) + b"e"
    return b"d" + b"".join(_bencode(key) + _bencode(value[key]) for key in sorted(value)) + b"e"
