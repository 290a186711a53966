//! The list of a download's peers for people: address, tier, AS, and rates both ways. The key `p`
//! and SIGUSR1 both show it; JSON events use the same words for the tiers.

use nearcast_core::paths::printable;
use nearcast_node::progress::{Neighbour, Progress};

use super::giving::Giving;
use crate::{
    layout::{
        INDENT, cut,
        line::Paint,
        table::{Cell, Column, Table},
        width,
    },
    units::{Bytes, Rate, counted},
};

/// Columns enough for the whole table, for use without a terminal.
pub(crate) const WHOLE: usize = 160;
/// The most columns of an address.
const WHO_COLUMNS_MAX: usize = 40;
/// Number of last letters of a peer id that are shown, to tell peers apart.
const ID_LETTERS: usize = 8;

const COLUMNS: [Column; 9] = [
    Column::words("peer", 9, 0),
    Column::words("tier", 8, 0),
    Column::words("AS", 7, 2),
    Column::numbers("down", 9, 0),
    Column::numbers("up", 9, 1),
    Column::numbers("has", 4, 3),
    Column::numbers("gave", 7, 4),
    Column::numbers("got", 7, 5),
    Column::words("id", ID_LETTERS, 6),
];

/// A row for each peer, nearest first.
pub(crate) fn table(progress: &Progress, giving: &Giving) -> Table {
    let mut table = Table::new(COLUMNS);
    for peer in &progress.neighbours {
        table.row(Paint::Plain, cells(peer, giving.rate(peer)).map(Cell::Text).into());
    }
    table
}

/// A heading line for the download, and the table below it.
pub(crate) fn lines(label: &str, progress: &Progress, giving: &Giving, room: usize) -> Vec<String> {
    let heading = format!("{label}: {}", counted(progress.neighbours.len() as u32, "peer"));
    let table = table(progress, giving).lines(room.saturating_sub(width(INDENT)));
    let rows = table.iter().map(|line| format!("{INDENT}{}", line.text()));
    std::iter::once(heading).chain(rows.filter(|_| !progress.neighbours.is_empty())).collect()
}

fn cells(peer: &Neighbour, up: f64) -> [String; 9] {
    let asn = peer.asn.map_or_else(|| "—".to_owned(), |asn| asn.to_string());
    let from = peer.peer.char_indices().rev().nth(ID_LETTERS - 1).map_or(0, |(at, _)| at);
    [
        cut(&who(&peer.address), WHO_COLUMNS_MAX),
        kind(peer).to_owned(),
        asn,
        Rate(peer.rate_down).to_string(),
        Rate(up).to_string(),
        format!("{}%", (peer.has * 100.0) as u8),
        Bytes(peer.received).to_string(),
        Bytes(peer.sent).to_string(),
        if peer.web_seed { String::new() } else { printable(&peer.peer[from..]) },
    ]
}

/// `127.1.0.2:4800` for an address over TCP. Other transports get a word after it. Any other text
/// stays as it is.
pub(crate) fn who(address: &str) -> String {
    let parts: Vec<&str> = address.split('/').collect();
    let short = match parts[..] {
        ["", "ip4", ip, transport, port, ..] => Some((ip.to_owned(), transport, port)),
        ["", "ip6", ip, transport, port, ..] => Some((format!("[{ip}]"), transport, port)),
        _ => None,
    };
    printable(&match short {
        Some((ip, "tcp", port)) => format!("{ip}:{port}"),
        Some((ip, _, port)) => format!("{ip}:{port} QUIC"),
        None => address.to_owned(),
    })
}

/// The tier, or `origin` or `web_seed` for such peers.
pub(crate) fn kind(peer: &Neighbour) -> &'static str {
    match peer {
        Neighbour { web_seed: true, .. } => "web_seed",
        Neighbour { origin: true, .. } => "origin",
        Neighbour { tier, .. } => tier.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        layout::{room, tests::WIDTHS},
        report::text::tests::halfway,
    };

    fn shown(columns: u16) -> Vec<String> {
        lines("film", &halfway(), &Giving::default(), room(columns))
    }

    #[test]
    fn each_peer_has_a_line_with_who_tier_as_and_rates() {
        assert_eq!(
            shown(120),
            [
                "film: 3 peers",
                "  peer        tier     AS           down        up  has    gave     got id",
                "  127.1.0.2:1 prefix24 AS64500 1.00 MB/s     0 B/s  50%     0 B     0 B 12D3",
                "  127.1.0.2:1 remote   AS64500 1.00 MB/s     0 B/s  50%     0 B     0 B 12D3",
                "  127.1.0.2:1 origin   AS64500 1.00 MB/s     0 B/s  50%     0 B     0 B 12D3",
            ]
        );
    }

    #[test]
    fn the_list_fits_at_every_width_and_keeps_the_rate() {
        for columns in WIDTHS {
            for line in shown(columns) {
                assert!(width(&line) < usize::from(columns), "{columns}: {line}");
            }
            assert!(shown(columns)[2].contains("127.1.0.2:1 prefix24"), "{columns}");
            assert!(shown(columns)[2].contains("1.00 MB/s"), "{columns}");
        }
        assert_eq!(shown(40)[1], "  peer        tier          down");
    }

    #[test]
    fn addresses_are_short_where_they_can_be() {
        assert_eq!(who("/ip4/10.0.0.1/tcp/4800/p2p/12D3"), "10.0.0.1:4800");
        assert_eq!(who("/ip6/2001:db8::1/udp/4800/quic-v1"), "[2001:db8::1]:4800 QUIC");
        assert_eq!(who("http://cdn.example/films/"), "http://cdn.example/films/");
        assert_eq!(who(""), "");
    }

    #[test]
    fn an_address_cannot_command_the_terminal() {
        let mut progress = halfway();
        progress.neighbours[0].address = "http://\u{1b}[2J".to_owned();
        assert!(!lines("film", &progress, &Giving::default(), 79).concat().contains('\u{1b}'));
    }
}
