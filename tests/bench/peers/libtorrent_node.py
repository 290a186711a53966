"""One libtorrent node as a process of its own. Run by libtorrent.py with a Python that has the
bindings.

make CONTENT TORRENT PIECE_BYTES v1|v2
run TORRENT FOLDER IP:PORT UP_BYTES_PER_SECOND PEER...
    prints "finished" when everything is there and checked; answers "totals" on stdin; ends when
    stdin does.
"""

import json
import os
import select
import sys

import libtorrent as lt

RECONNECT_INTERVAL_MS = 1000


def make(content, torrent, piece_bytes, form):
    files = lt.file_storage()
    lt.add_files(files, content)
    flag = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only}[form]
    creator = lt.create_torrent(files, int(piece_bytes), int(flag))
    lt.set_piece_hashes(creator, os.path.dirname(content))
    with open(torrent, "wb") as file:
        file.write(lt.bencode(creator.generate()))


def run(torrent, folder, address, up_bytes, *peers):
    ip = address.rsplit(":", 1)[0]
    session = lt.session({
        "listen_interfaces": address, "outgoing_interfaces": ip,
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
    })
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
    parameters.save_path = folder
    # Not paused, and not managed by the queue, which would start it late.
    parameters.flags = lt.torrent_flags.update_subscribe | lt.torrent_flags.apply_ip_filter
    handle = session.add_torrent(parameters)
    if int(up_bytes):
        # Set on the torrent, because the session's limits spare private networks.
        handle.set_upload_limit(int(up_bytes))
    _serve(session, handle, [(peer.rsplit(":", 1)[0], int(peer.rsplit(":", 1)[1])) for peer in peers])


def _serve(session, handle, peers):
    finished = False
    while True:
        if not finished:
            connected = {peer.ip[0] for peer in handle.get_peer_info()}
            for peer in peers:
                if peer[0] not in connected:
                    handle.connect_peer(peer)
        finished = _wait(session, finished)
        if select.select([sys.stdin], [], [], 0)[0]:
            if sys.stdin.readline().strip() != "totals":
                return
            print(json.dumps({"uploaded_bytes": handle.status().total_payload_upload}), flush=True)


def _wait(session, finished):
    session.wait_for_alert(RECONNECT_INTERVAL_MS // 5 if finished else RECONNECT_INTERVAL_MS)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_finished_alert) and not finished:
            print("finished", flush=True)
            finished = True
        elif alert.category() & lt.alert.category_t.error_notification:
            print(alert.message(), file=sys.stderr, flush=True)
    return finished


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](*sys.argv[2:])
