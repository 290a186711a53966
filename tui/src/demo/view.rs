//! Draws the demonstration: a row for each peer, a row for all, and a headline.
//!
//! Drawing takes `&Model`, so it cannot change the model.

use std::time::Duration;

use nearcast_core::{stats::Traffic, tier::Tier};

use super::model::{Model, Peer, State};
use crate::{
    layout::{
        first_that_fits,
        line::{Line, Paint},
        table::{Cell, Column, Table},
    },
    units::{Bytes, Rate, Span, percent},
};

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Address,
    Network,
    Bar,
    Percent,
    Rate,
    Left,
    /// The share received from peers.
    FromPeers,
    Tier(Tier),
    /// Bytes from peers in the same network or nearer.
    Near,
    /// Bytes from all other peers.
    Far,
    Origin,
    Given,
}

impl Shown {
    /// The columns for address, percent, rate, time left and share from peers are never left out.
    fn column(self) -> Column {
        match self {
            Shown::Address => Column::words("peer", 9, 0),
            Shown::Network => Column::words("network", 7, 4),
            Shown::Bar => Column::words("progress", 8, 2),
            Shown::Percent => Column::numbers("", 4, 0),
            Shown::Rate => Column::numbers("rate", 9, 0),
            Shown::Left => Column::numbers("left", 5, 0),
            Shown::FromPeers => Column::numbers("peers", 5, 0),
            Shown::Tier(tier) => Column::numbers(tier.name(), 7, 3),
            Shown::Near => Column::numbers("near", 7, 3),
            Shown::Far => Column::numbers("far", 7, 3),
            Shown::Origin => Column::numbers("origin", 7, 1),
            Shown::Given => Column::numbers("given", 7, 5),
        }
    }
}

/// All lines, none wider than `room`.
pub(super) fn lines(model: &Model, room: usize) -> Vec<Line> {
    let mut lines = table(model, room).lines(room);
    lines.push(first_that_fits([Line::plain(model.headline()), Line::plain(short(model))], room));
    lines
}

/// The table with a column for each tier if that fits, else with the columns near and far.
fn table(model: &Model, room: usize) -> Table {
    let tiers: Vec<Shown> = model.tiers().into_iter().map(Shown::Tier).collect();
    let by_tier = filled(model, &tiers);
    if by_tier.fits_whole(room) { by_tier } else { filled(model, &[Shown::Near, Shown::Far]) }
}

fn filled(model: &Model, peers: &[Shown]) -> Table {
    use Shown::{Address, Bar, FromPeers, Given, Left, Network, Origin, Percent, Rate};
    let before = [Address, Network, Bar, Percent, Rate, Left, FromPeers];
    let shown: Vec<Shown> = before.into_iter().chain(peers.iter().copied()).chain([Origin, Given]).collect();
    let mut table = Table::new(shown.iter().map(|shown| shown.column()).collect::<Vec<_>>());
    for peer in model.peers() {
        table.row(paint(peer), shown.iter().map(|&shown| cell(shown, peer, model)).collect());
    }
    table.row(Paint::Strong, shown.iter().map(|&shown| sum(shown, model)).collect());
    table
}

/// The colour of a row. Words in the row say the same.
fn paint(peer: &Peer) -> Paint {
    match peer.state {
        State::Getting => Paint::Plain,
        State::Complete(_) | State::Checked(_) => Paint::Good,
        State::Bad => Paint::Bad,
    }
}

fn cell(shown: Shown, peer: &Peer, model: &Model) -> Cell {
    let text = match shown {
        Shown::Bar => return Cell::Bar(peer.have, model.bytes()),
        Shown::Address => peer.address.to_string(),
        Shown::Network => peer.network.name.to_owned(),
        Shown::Percent => format!("{}%", percent(peer.have, model.bytes())),
        Shown::Rate => match peer.state {
            State::Getting => Rate(peer.rate).to_string(),
            State::Complete(_) | State::Checked(_) => "done".to_owned(),
            State::Bad => "BAD".to_owned(),
        },
        Shown::Left => said(left(peer, model)),
        Shown::Given => Bytes(peer.uploaded).to_string(),
        _ => of(shown, &peer.received),
    };
    Cell::Text(text)
}

fn sum(shown: Shown, model: &Model) -> Cell {
    let getting = || model.peers().iter().filter(|peer| peer.state == State::Getting);
    let have: u64 = model.peers().iter().map(|peer| peer.have).sum();
    let all = model.bytes().saturating_mul(model.peers().len() as u64);
    let text = match shown {
        Shown::Bar => return Cell::Bar(have, all),
        Shown::Address => "all".to_owned(),
        Shown::Network => String::new(),
        Shown::Percent => format!("{}%", percent(have, all)),
        Shown::Rate => Rate(getting().map(|peer| peer.rate).sum()).to_string(),
        // The time until the last peer is complete. Shown only if it is known for every peer.
        Shown::Left => {
            let all: Option<Vec<Duration>> = getting().map(|peer| left(peer, model)).collect();
            said(all.and_then(|all| all.into_iter().max()))
        }
        Shown::Given => Bytes(model.peers().iter().map(|peer| peer.uploaded).sum()).to_string(),
        _ => of(shown, &model.received()),
    };
    Cell::Text(text)
}

/// Time until a peer is complete at its present rate. `None`: the peer is done, or receives
/// nothing.
fn left(peer: &Peer, model: &Model) -> Option<Duration> {
    let moves = peer.state == State::Getting && peer.rate >= 1.0;
    let bytes = model.bytes().saturating_sub(peer.have);
    moves.then(|| Duration::try_from_secs_f64(bytes as f64 / peer.rate).ok()).flatten()
}

fn said(left: Option<Duration>) -> String {
    left.map_or_else(|| "—".to_owned(), |left| Span(left).to_string())
}

fn of(shown: Shown, received: &Traffic) -> String {
    let near: u64 = received.by_tier[..=Tier::SameAs as usize].iter().sum();
    let bytes = match shown {
        Shown::Tier(tier) => received.by_tier[tier as usize],
        Shown::Near => near,
        Shown::Far => received.from_peers() - near,
        Shown::Origin => received.origin,
        Shown::FromPeers if received.total() > 0 => {
            return format!("{}%", percent(received.from_peers(), received.total()));
        }
        _ => return "—".to_owned(),
    };
    Bytes(bytes).to_string()
}

fn short(model: &Model) -> String {
    format!("{}/{} done, origin {:.2}x", model.complete(), model.peers().len(), model.origin_copies())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        demo::model::tests::six,
        layout::{room, tests::WIDTHS},
    };

    /// What a terminal of this width shows: the heading, a complete peer, a peer halfway, the sum
    /// and the headline.
    fn shown(columns: u16) -> [String; 5] {
        let lines = lines(&six(), room(columns));
        [0, 1, 2, 7, 8].map(|line| lines[line].text())
    }

    #[test]
    fn the_table_at_every_width() {
        let expected = [
            [
                "peer       network progress                                 rate  left peers same_as  remote  origin   given",
                "127.1.0.1  Harbour ██████████████████████████████ 100%      done     —   80% 50.0 MB 30.0 MB 20.0 MB     0 B",
                "127.2.0.1  Meadow  ███████████████░░░░░░░░░░░░░░░  50% 12.3 MB/s 4.1 s   40% 10.0 MB 10.0 MB 30.0 MB 7.00 MB",
                "all                ███████░░░░░░░░░░░░░░░░░░░░░░░  25% 12.3 MB/s     —   66% 60.0 MB 40.0 MB 50.0 MB 7.00 MB",
                "3.2 s, 1 of 6 complete, 0.50 copies from the origin, 66% from peers",
            ],
            [
                "peer       network progress                        rate  left peers same_as  remote  origin   given",
                "127.1.0.1  Harbour █████████████████████ 100%      done     —   80% 50.0 MB 30.0 MB 20.0 MB     0 B",
                "127.2.0.1  Meadow  ██████████░░░░░░░░░░░  50% 12.3 MB/s 4.1 s   40% 10.0 MB 10.0 MB 30.0 MB 7.00 MB",
                "all                █████░░░░░░░░░░░░░░░░  25% 12.3 MB/s     —   66% 60.0 MB 40.0 MB 50.0 MB 7.00 MB",
                "3.2 s, 1 of 6 complete, 0.50 copies from the origin, 66% from peers",
            ],
            [
                "peer       network progress            rate  left peers    near     far  origin",
                "127.1.0.1  Harbour █████████ 100%      done     —   80% 50.0 MB 30.0 MB 20.0 MB",
                "127.2.0.1  Meadow  ████░░░░░  50% 12.3 MB/s 4.1 s   40% 10.0 MB 10.0 MB 30.0 MB",
                "all                ██░░░░░░░  25% 12.3 MB/s     —   66% 60.0 MB 40.0 MB 50.0 MB",
                "3.2 s, 1 of 6 complete, 0.50 copies from the origin, 66% from peers",
            ],
            [
                "peer       progress                rate  left peers  origin",
                "127.1.0.1  █████████████ 100%      done     —   80% 20.0 MB",
                "127.2.0.1  ██████░░░░░░░  50% 12.3 MB/s 4.1 s   40% 30.0 MB",
                "all        ███░░░░░░░░░░  25% 12.3 MB/s     —   66% 50.0 MB",
                "1/6 done, origin 0.50x",
            ],
            [
                "peer                 rate  left peers",
                "127.1.0.1  100%      done     —   80%",
                "127.2.0.1   50% 12.3 MB/s 4.1 s   40%",
                "all         25% 12.3 MB/s     —   66%",
                "1/6 done, origin 0.50x",
            ],
        ];
        for (columns, expected) in WIDTHS.into_iter().zip(expected) {
            assert_eq!(shown(columns), expected, "{columns}");
        }
    }

    #[test]
    fn rate_time_left_and_where_from_are_there_at_every_width() {
        for columns in WIDTHS {
            let [heading, done, getting, sum, _] = shown(columns);
            for title in ["rate", "left", "peers"] {
                assert!(heading.contains(title), "{columns}: {heading}");
            }
            assert!(done.contains("127.1.0.1") && done.contains("done") && done.contains("80%"), "{done}");
            assert!(getting.contains("12.3 MB/s") && getting.contains("4.1 s"), "{getting}");
            assert!(sum.starts_with("all") && sum.contains("66%"), "{sum}");
        }
    }

    #[test]
    fn no_width_is_too_small_to_draw() {
        for room in 0..140 {
            assert!(lines(&six(), room).iter().all(|line| line.width() <= room), "{room}");
        }
    }

    #[test]
    fn when_all_are_done_is_not_said_while_somebody_gets_nothing() {
        assert_eq!(sum(Shown::Left, &six()), Cell::Text("—".to_owned()));
    }
}
