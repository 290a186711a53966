//! One download: numbers, the map of its runs, its peers and its files.

use std::collections::BTreeMap;

use nearcast_core::asn::Asn;
use nearcast_node::Neighbour;
use ratatui::layout::Rect;

use super::{
    downloads::mark,
    pen::Pen,
    rows::{self, Cell},
};
use crate::{
    app::{
        chart,
        columns::{Column, Way, fit},
        entry::{Entry, Status},
        model::Model,
        plan::Plan,
        theme::{Glyphs, Role},
        words::clean,
    },
    report::peers::{kind, who},
    units::{Bytes, Rate, Span, counted, percent},
};

/// From here on peers and files stand side by side.
const SIDE_BY_SIDE: u16 = 120;
/// The most rows of the map.
const MAP_ROWS_MAX: u16 = 4;

pub(super) fn draw(pen: &mut Pen<'_>, model: &Model, plan: &Plan) {
    let body = plan.body;
    let area = Rect::new(1, body.y, body.width.saturating_sub(2), body.height);
    let Some(entry) = model.downloads.chosen() else {
        pen.write(2, body.y + 1, area.width, "No download is chosen: 1 shows the list.", Role::Text);
        return;
    };
    let other = match (area.width + 2 >= SIDE_BY_SIDE, model.focus.files) {
        (true, true) => "o: scroll peers",
        (true, false) => "o: scroll files",
        (false, true) => "o: peers",
        (false, false) => "o: files",
    };
    pen.write_right(area.x, area.y + 3, area.width, other, Role::Dim);
    let y = draw_head(pen, entry, area);
    let y = draw_map(pen, entry, Rect { y, height: area.bottom().saturating_sub(y), ..area });
    let rest = Rect { y, height: area.bottom().saturating_sub(y), ..area };
    if area.width + 2 >= SIDE_BY_SIDE {
        let half = area.width * 3 / 5;
        let left = Rect { width: half - 2, ..rest };
        let right = Rect { x: area.x + half, width: area.width - half, ..rest };
        let top = |files: bool| if model.focus.files == files { model.focus.top } else { 0 };
        draw_peers(pen, entry, left, top(false), &model.networks);
        draw_files(pen, entry, right, top(true));
    } else if model.focus.files {
        draw_files(pen, entry, rest, model.focus.top);
    } else {
        draw_peers(pen, entry, rest, model.focus.top, &model.networks);
    }
}

/// Name, bar and numbers. Returns the next free row.
fn draw_head(pen: &mut Pen<'_>, entry: &Entry, area: Rect) -> u16 {
    let (x, y, width) = (area.x, area.y, area.width);
    let status = entry.status();
    let word = format!("{} {}", mark(status, pen.glyphs()), status.word());
    let room = width.saturating_sub(word.chars().count() as u16 + 2);
    pen.write(x, y, room, &entry.name, Role::Strong);
    pen.write_right(x, y, width, &word, status.role());
    let (have, total) = (entry.have(), entry.total());
    let sizes = match total {
        0 => "size not known yet".to_owned(),
        _ => format!("{}%  {} of {}", percent(have, total), Bytes(have), Bytes(total)),
    };
    let taken = sizes.chars().count() as u16 + 2;
    pen.bar(x, y + 1, width.saturating_sub(taken), (have, total), Role::Peers);
    pen.write_right(x, y + 1, width, &sizes, Role::Text);
    pen.write(x, y + 2, width, &numbers(entry, pen.glyphs(), width), Role::Text);
    y + 4
}

/// Rates, time left and sums, as many as fit.
fn numbers(entry: &Entry, glyphs: &Glyphs, width: u16) -> String {
    let [down, up] = glyphs.arrows;
    let progress = &entry.progress;
    let parts = [
        entry.down().map(|rate| format!("{down} {}", Rate(rate))),
        entry.left().map(|left| format!("{} left", Span(left))),
        entry.peers_share().map(|(part, total)| format!("{}% from peers", percent(part, total))),
        entry.up().map(|rate| format!("{up} {}", Rate(rate))),
        (progress.uploaded > 0).then(|| format!("{} given", Bytes(progress.uploaded))),
        (progress.bytes_resumed > 0).then(|| format!("{} were here", Bytes(progress.bytes_resumed))),
        (progress.wasted > 0).then(|| format!("{} wasted", Bytes(progress.wasted))),
        (progress.banned > 0).then(|| format!("{} banned", counted(progress.banned, "peer"))),
    ];
    let mut text = String::new();
    for part in parts.into_iter().flatten() {
        let gap = if text.is_empty() { "" } else { "   " };
        if text.chars().count() + gap.len() + part.chars().count() <= usize::from(width) {
            text = text + gap + &part;
        }
    }
    text
}

/// The map of runs. Returns the next free row.
fn draw_map(pen: &mut Pen<'_>, entry: &Entry, area: Rect) -> u16 {
    let rows = (area.height / 5).min(MAP_ROWS_MAX);
    let Some(holding) = entry.holding.as_ref().filter(|holding| rows > 0 && !holding.cells.is_empty()) else {
        return area.y;
    };
    let glyphs = pen.glyphs();
    let columns = usize::from(area.width);
    let cells = regrouped(&holding.cells, columns * usize::from(rows));
    for (y, row) in (area.y..).zip(cells.chunks(columns.max(1))) {
        let text: String = row.iter().map(|&share| chart::map_cell(share, glyphs)).collect();
        pen.write(area.x, y, area.width, &text, Role::Peers);
    }
    area.y + rows + 1
}

/// Shares of `wanted` equal parts, made of shares of smaller or larger parts.
fn regrouped(cells: &[u8], wanted: usize) -> Vec<u8> {
    let part = |at: usize| {
        let from = at * cells.len() / wanted;
        let group = &cells[from..((at + 1) * cells.len() / wanted).max(from + 1)];
        let sum: usize = group.iter().map(|&share| usize::from(share)).sum();
        match sum / group.len() {
            _ if sum == 0 => 0,
            255 => 255,
            mean => mean.clamp(1, 254) as u8,
        }
    };
    if cells.is_empty() { Vec::new() } else { (0..wanted).map(part).collect() }
}

#[derive(Clone, Copy)]
enum OfPeer {
    Who,
    Tier,
    Asn,
    Network,
    Down,
    Has,
    Gave,
    Got,
}

const PEERS: [Column<OfPeer>; 8] = [
    Column { shows: OfPeer::Who, title: "peer", width: 15, way: Way::Stretch, rank: 0 },
    Column { shows: OfPeer::Tier, title: "tier", width: 11, way: Way::Left, rank: 0 },
    Column { shows: OfPeer::Asn, title: "AS", width: 12, way: Way::Left, rank: 4 },
    Column { shows: OfPeer::Network, title: "network", width: 10, way: Way::Left, rank: 2 },
    Column { shows: OfPeer::Down, title: "down", width: 9, way: Way::Right, rank: 0 },
    Column { shows: OfPeer::Has, title: "has", width: 4, way: Way::Right, rank: 5 },
    Column { shows: OfPeer::Gave, title: "gave", width: 7, way: Way::Right, rank: 3 },
    Column { shows: OfPeer::Got, title: "got", width: 7, way: Way::Right, rank: 6 },
];

fn draw_peers(pen: &mut Pen<'_>, entry: &Entry, area: Rect, top: usize, networks: &BTreeMap<Asn, String>) {
    let peers = &entry.progress.neighbours;
    let columns = fit(&PEERS, area.width);
    if area.height == 0 {
        return;
    }
    rows::heading(pen, area, &columns);
    tell_which(pen, area, 0, ("peer", top, peers.len()));
    if peers.is_empty() {
        pen.write(area.x, area.y + 1, area.width, "nobody is connected", Role::Dim);
    }
    for (y, peer) in (area.y + 1..area.bottom()).zip(peers.iter().skip(top)) {
        let none = pen.glyphs().none;
        rows::row(pen, area.x, y, &columns, |shows| of_peer(shows, peer, networks, none));
    }
}

fn of_peer(shows: OfPeer, peer: &Neighbour, networks: &BTreeMap<Asn, String>, none: char) -> Cell {
    let is_server = peer.origin || peer.web_seed;
    match shows {
        OfPeer::Who => Cell::text(clean(&who(&peer.address))),
        OfPeer::Tier => Cell::Text(if is_server { Role::Origin } else { Role::Text }, kind(peer).to_owned()),
        OfPeer::Asn => peer.asn.map_or_else(|| Cell::dim(none), |asn| Cell::text(asn.to_string())),
        OfPeer::Network => match peer.asn.and_then(|asn| networks.get(&asn)) {
            Some(name) => Cell::text(name),
            None => Cell::dim(none),
        },
        OfPeer::Down if peer.rate_down < 1.0 => Cell::dim(none),
        OfPeer::Down => Cell::text(Rate(peer.rate_down).to_string()),
        OfPeer::Has => Cell::text(format!("{}%", (peer.has * 100.0) as u8)),
        OfPeer::Gave => Cell::text(Bytes(peer.received).to_string()),
        OfPeer::Got => Cell::text(Bytes(peer.sent).to_string()),
    }
}

#[derive(Clone, Copy)]
enum OfFile {
    Mark,
    Path,
    Percent,
    Size,
}

const FILES: [Column<OfFile>; 4] = [
    Column { shows: OfFile::Mark, title: "", width: 1, way: Way::Left, rank: 0 },
    Column { shows: OfFile::Path, title: "file", width: 12, way: Way::Stretch, rank: 0 },
    Column { shows: OfFile::Percent, title: "here", width: 4, way: Way::Right, rank: 0 },
    Column { shows: OfFile::Size, title: "size", width: 7, way: Way::Right, rank: 1 },
];

fn draw_files(pen: &mut Pen<'_>, entry: &Entry, area: Rect, top: usize) {
    if area.height == 0 {
        return;
    }
    let columns = fit(&FILES, area.width);
    rows::heading(pen, area, &columns);
    let Some(manifest) = &entry.manifest else {
        pen.write(area.x, area.y + 1, area.width, "the list of files is not here yet", Role::Dim);
        return;
    };
    let files = manifest.files();
    let x = columns.get(1).map_or(0, |column| column.x);
    tell_which(pen, area, x, ("file", top, files.len()));
    let glyphs = pen.glyphs();
    let done = glyphs.states[Status::Done as usize];
    for (y, (at, file)) in (area.y + 1..area.bottom()).zip(files.iter().enumerate().skip(top)) {
        let wanted = entry.wants(at as u32);
        let have = entry.holding.as_ref().and_then(|holding| holding.files.get(at)).copied();
        let role = if wanted { Role::Text } else { Role::Dim };
        rows::row(pen, area.x, y, &columns, |shows| match shows {
            OfFile::Mark if have == Some(file.length) => Cell::Text(Role::Good, done.to_string()),
            OfFile::Mark => Cell::text(" "),
            OfFile::Path => Cell::Text(role, clean(file.path.as_str())),
            OfFile::Percent if !wanted => Cell::dim(glyphs.none),
            OfFile::Percent => match have {
                Some(have) => Cell::text(format!("{}%", percent(have, file.length))),
                None => Cell::dim(glyphs.none),
            },
            OfFile::Size => Cell::Text(role, Bytes(file.length).to_string()),
        });
    }
}

/// Says in the heading which rows are shown, if not all are. `x`: where the names begin.
fn tell_which(pen: &mut Pen<'_>, area: Rect, x: u16, (thing, top, count): (&str, usize, usize)) {
    let room = usize::from(area.height.saturating_sub(1));
    if top > 0 || count > room {
        let (first, last) = ((top + 1).min(count), (top + room).min(count));
        pen.write(area.x + x, area.y, area.width, &format!("{thing} {first}-{last} of {count}"), Role::Dim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_any_size_says_all_only_for_all() {
        assert_eq!(regrouped(&[255, 255, 0, 0, 255, 254], 3), [255, 0, 254]);
        assert_eq!(regrouped(&[255, 0], 4), [255, 255, 0, 0]);
        assert_eq!(regrouped(&[0, 1], 1), [1], "something is not nothing");
        assert!(regrouped(&[], 5).is_empty());
        assert!(regrouped(&[1], 0).is_empty());
    }
}
