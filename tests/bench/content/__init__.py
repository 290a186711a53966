"""The content to move: made from a seed, described for the programs, compared afterwards."""

from content.many import ManyFiles
from content.metainfo import write_v1_torrent
from content.single import RandomFile, SparseFile

__all__ = ["ManyFiles", "RandomFile", "SparseFile", "write_v1_torrent"]
