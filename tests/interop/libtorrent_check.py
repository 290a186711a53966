"""Lets libtorrent check data on disk against a torrent.

usage: libtorrent_check.py FILE.torrent DIR

Prints the v2 info hash. Exit status: 0 all pieces are there, 1 some are not, 2 no result in time.
The session talks to no peer: it listens on loopback only, without DHT or discovery.
"""

import sys
import time

import libtorrent as lt

SECONDS_MAX = 120


def main():
    info = lt.torrent_info(sys.argv[1])
    print(info.info_hashes().v2)
    session = lt.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "alert_mask": lt.alert.category_t.all_categories,
        }
    )
    params = lt.add_torrent_params()
    params.ti, params.save_path = info, sys.argv[2]
    # The data belongs to the caller, so a damaged or absent file must not be repaired.
    params.flags |= lt.torrent_flags.upload_mode
    torrent = session.add_torrent(params)
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        session.wait_for_alert(1000)
        checked = [a for a in session.pop_alerts() if isinstance(a, lt.torrent_checked_alert)]
        if checked:
            status = torrent.status()
            print(f"{status.num_pieces} of {info.num_pieces()} pieces", file=sys.stderr)
            return 0 if status.num_pieces == info.num_pieces() else 1
    return 2


sys.exit(main())
