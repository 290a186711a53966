"""The programs that are compared, by the name used on the command line."""

from peers.http import Aria2, Curl
from peers.libtorrent import Libtorrent, LibtorrentV2
from peers.nearcast import Nearcast, NearcastRandom
from peers.rqbit import Rqbit
from peers.sendme import Sendme

ALL = {kind.name: kind for kind in (Nearcast, NearcastRandom, Rqbit, Libtorrent, LibtorrentV2, Curl, Aria2, Sendme)}
