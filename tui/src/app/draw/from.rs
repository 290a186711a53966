//! Where from: who gave how much, now and in total, and what that saved the origin.

use std::collections::BTreeMap;

use nearcast_core::{asn::Asn, stats::Traffic, tier::Tier};
use ratatui::layout::Rect;

use super::{
    pen::Pen,
    rows::{self, Cell},
};
use crate::{
    app::{
        chart,
        columns::{Column, Way, fit},
        entry::Entry,
        history::{History, Second},
        model::Model,
        plan::Plan,
        theme::Role,
    },
    report::peers::kind,
    units::{Bytes, Rate, percent},
};

/// From here on the graphs stand at the right.
const SIDE_BY_SIDE: u16 = 100;
/// The fewest rows of a graph that shows something.
const GRAPH_ROWS_MIN: u16 = 2;
/// The most rows that still add something.
const GRAPH_ROWS_MAX: u16 = 8;
/// The most ASes in the list of imports.
const ASES_MAX: usize = 8;

/// What is shown: of all downloads, or of one.
struct Subject<'a> {
    title: String,
    received: Traffic,
    /// Bytes a second now, by the names of the givers.
    now: BTreeMap<&'static str, f64>,
    /// Bytes wanted of what has received something.
    wanted: u64,
    imports: Option<BTreeMap<Asn, u64>>,
    history: &'a History,
}

impl<'a> Subject<'a> {
    fn of(model: &'a Model) -> Subject<'a> {
        let one = model.downloads.chosen().filter(|_| model.focus.one);
        match one {
            Some(entry) => Subject::sum(&entry.name, [entry].into_iter(), &entry.history),
            None => Subject::sum("all downloads", model.downloads.all(), &model.history),
        }
    }

    fn sum(title: &str, entries: impl Iterator<Item = &'a Entry>, history: &'a History) -> Subject<'a> {
        let title = title.to_owned();
        let mut subject = Subject {
            title,
            received: Traffic::default(),
            now: BTreeMap::new(),
            wanted: 0,
            imports: None,
            history,
        };
        for entry in entries {
            let progress = &entry.progress;
            subject.received += progress.received;
            if progress.received.total() > 0 {
                subject.wanted = subject.wanted.saturating_add(entry.total());
            }
            for peer in &progress.neighbours {
                *subject.now.entry(kind(peer)).or_default() += peer.rate_down;
            }
            for (asn, bytes) in progress.imports.iter().flat_map(|imports| &imports.by_as) {
                *subject.imports.get_or_insert_default().entry(*asn).or_default() += bytes;
            }
            if progress.imports.is_some() {
                subject.imports.get_or_insert_default();
            }
        }
        subject
    }

    /// The givers that gave something or give something, the nearest first, with their bytes.
    fn givers(&self) -> Vec<(&'static str, u64, Role)> {
        let tiers = Tier::ALL.map(|tier| (tier.name(), self.received.by_tier[tier as usize], Role::Peers));
        let servers = [
            ("web_seed", self.received.web_seed, Role::Origin),
            ("origin", self.received.origin, Role::Origin),
        ];
        let gives = |name: &str| self.now.get(name).is_some_and(|rate| *rate >= 1.0);
        tiers.into_iter().chain(servers).filter(|(name, bytes, _)| *bytes > 0 || gives(name)).collect()
    }

    /// What peers saved the origin, as a sentence.
    fn saving(&self) -> String {
        let servers = self.received.origin.saturating_add(self.received.web_seed);
        match self.received.total() {
            0 => "Nothing has come yet in this run.".to_owned(),
            total => format!(
                "{}% came from peers: servers sent {} of {}, {:.2} of a copy.",
                percent(self.received.from_peers(), total),
                Bytes(servers),
                Bytes(total),
                servers as f64 / self.wanted.max(1) as f64,
            ),
        }
    }
}

pub(super) fn draw(pen: &mut Pen<'_>, model: &Model, plan: &Plan) {
    let body = plan.body;
    let area = Rect::new(1, body.y, body.width.saturating_sub(2), body.height);
    let subject = Subject::of(model);
    let other = if model.focus.one { "o: all" } else { "o: the chosen one" };
    pen.write(
        area.x,
        area.y,
        area.width.saturating_sub(other.len() as u16 + 2),
        &subject.title,
        Role::Strong,
    );
    pen.write_right(area.x, area.y, area.width, other, Role::Dim);
    pen.write(area.x, area.y + 1, area.width, &subject.saving(), Role::Text);
    let rest = Rect { y: area.y + 3, height: area.height.saturating_sub(3), ..area };
    if area.width + 2 >= SIDE_BY_SIDE {
        let half = area.width / 2;
        let left = Rect { width: half - 2, ..rest };
        let right = Rect { x: area.x + half, width: area.width - half, ..rest };
        let used = draw_givers(pen, &subject, left);
        draw_imports(pen, &subject, below(left, used + 1), &model.networks);
        draw_graphs(pen, &subject, right);
    } else {
        let used = draw_givers(pen, &subject, rest);
        let rest = below(rest, used + 1);
        let used = draw_imports(pen, &subject, rest, &model.networks);
        draw_graphs(pen, &subject, below(rest, used + 1));
    }
}

/// What is left of an area below some rows.
fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

#[derive(Clone, Copy)]
enum OfGiver {
    Name,
    Now,
    Bar,
    Share,
    Total,
}

const GIVERS: [Column<OfGiver>; 5] = [
    Column { shows: OfGiver::Name, title: "from", width: 11, way: Way::Left, rank: 0 },
    Column { shows: OfGiver::Now, title: "now", width: 9, way: Way::Right, rank: 0 },
    Column { shows: OfGiver::Total, title: "in total", width: 8, way: Way::Right, rank: 0 },
    Column { shows: OfGiver::Share, title: "", width: 4, way: Way::Right, rank: 0 },
    Column { shows: OfGiver::Bar, title: "", width: 4, way: Way::Stretch, rank: 1 },
];

/// Returns the rows that it took.
fn draw_givers(pen: &mut Pen<'_>, subject: &Subject<'_>, area: Rect) -> u16 {
    let givers = subject.givers();
    if area.height == 0 || givers.is_empty() {
        return 0;
    }
    let columns = fit(&GIVERS, area.width);
    let none = pen.glyphs().none;
    rows::heading(pen, area, &columns);
    let total = subject.received.total();
    for (y, (name, bytes, role)) in (area.y + 1..area.bottom()).zip(&givers) {
        let now = subject.now.get(name).copied().filter(|rate| *rate >= 1.0);
        rows::row(pen, area.x, y, &columns, |shows| match shows {
            OfGiver::Name => Cell::Text(*role, (*name).to_owned()),
            OfGiver::Now => now.map_or_else(|| Cell::dim(none), |rate| Cell::text(Rate(rate).to_string())),
            OfGiver::Bar => Cell::Bar(*role, *bytes, total),
            OfGiver::Share if total == 0 => Cell::dim(none),
            OfGiver::Share => Cell::text(format!("{}%", percent(*bytes, total))),
            OfGiver::Total => Cell::text(Bytes(*bytes).to_string()),
        });
    }
    (givers.len() as u16 + 1).min(area.height)
}

#[derive(Clone, Copy)]
enum OfAs {
    Asn,
    Name,
    Bytes,
    Share,
}

const ASES: [Column<OfAs>; 4] = [
    Column { shows: OfAs::Asn, title: "imported from", width: 13, way: Way::Left, rank: 0 },
    Column { shows: OfAs::Name, title: "network", width: 8, way: Way::Stretch, rank: 1 },
    Column { shows: OfAs::Bytes, title: "in total", width: 8, way: Way::Right, rank: 0 },
    Column { shows: OfAs::Share, title: "", width: 4, way: Way::Right, rank: 2 },
];

/// Returns the rows that it took.
fn draw_imports(
    pen: &mut Pen<'_>,
    subject: &Subject<'_>,
    area: Rect,
    networks: &BTreeMap<Asn, String>,
) -> u16 {
    if area.height == 0 {
        return 0;
    }
    let Some(imports) = &subject.imports else {
        let why = "Imports are not known: no atlas says in which network we are.";
        pen.write(area.x, area.y, area.width, why, Role::Dim);
        return 1;
    };
    let mut by_bytes: Vec<(Asn, u64)> = imports.iter().map(|(asn, bytes)| (*asn, *bytes)).collect();
    by_bytes.sort_by_key(|(asn, bytes)| (u64::MAX - bytes, *asn));
    let columns = fit(&ASES, area.width);
    let none = pen.glyphs().none;
    rows::heading(pen, area, &columns);
    if by_bytes.is_empty() {
        pen.write(area.x, area.y + 1, area.width, "nothing yet", Role::Dim);
        return 2.min(area.height);
    }
    let total = subject.received.total();
    by_bytes.truncate(ASES_MAX);
    for (y, (asn, bytes)) in (area.y + 1..area.bottom()).zip(&by_bytes) {
        rows::row(pen, area.x, y, &columns, |shows| match shows {
            OfAs::Asn => Cell::text(asn.to_string()),
            OfAs::Name => networks.get(asn).map_or_else(|| Cell::dim(none), Cell::text),
            OfAs::Bytes => Cell::text(Bytes(*bytes).to_string()),
            OfAs::Share => Cell::text(format!("{}%", percent(*bytes, total.max(1)))),
        });
    }
    (by_bytes.len() as u16 + 1).min(area.height)
}

type Of = fn(&Second) -> u32;

/// One graph for peers and one for servers, with the same value at both upper edges. Where there is
/// little room: one for all.
fn draw_graphs(pen: &mut Pen<'_>, subject: &Subject<'_>, area: Rect) {
    let both: [(&str, Of, Role); 2] = [
        ("from peers", |second| second.peers, Role::Peers),
        ("from servers", |second| second.servers, Role::Origin),
    ];
    let all: [(&str, Of, Role); 1] =
        [("", |second| second.peers.saturating_add(second.servers), Role::Peers)];
    let graphs: &[(&str, Of, Role)] = if area.height < 2 * (GRAPH_ROWS_MIN + 1) { &all } else { &both };
    let rows = (area.height / graphs.len() as u16).saturating_sub(1).min(GRAPH_ROWS_MAX);
    if rows < GRAPH_ROWS_MIN {
        return;
    }
    let count = chart::samples_shown(usize::from(area.width), pen.glyphs());
    let samples: Vec<Vec<f64>> = graphs.iter().map(|(_, of, _)| subject.history.newest(count, of)).collect();
    let top = chart::round_up(samples.iter().flatten().copied().fold(0.0, f64::max));
    let each = graphs.iter().zip(&samples).zip(0..);
    for (((name, _, role), samples), nth) in each {
        let place = Rect { y: area.y + nth * (rows + 1), height: rows + 1, ..area };
        draw_graph(pen, (name, *role), samples, top, place);
    }
}

/// A title with mean, peak and the value at the upper edge, and the graph below it.
fn draw_graph(pen: &mut Pen<'_>, (name, role): (&str, Role), samples: &[f64], top: f64, area: Rect) {
    let mean = samples.iter().sum::<f64>() / samples.len().max(1) as f64;
    let most = samples.iter().copied().fold(0.0, f64::max);
    let numbers = format!("mean {}, most {}", Rate(mean), Rate(most));
    let title = if name.is_empty() { numbers } else { format!("{name}: {numbers}") };
    let edge = format!("{} high", Rate(top));
    pen.write(area.x, area.y, area.width, &title, Role::Dim);
    if title.len() + edge.len() + 2 <= usize::from(area.width) {
        pen.write_right(area.x, area.y, area.width, &edge, Role::Dim);
    }
    let rows = usize::from(area.height.saturating_sub(1));
    let drawn = chart::graph(samples, top, usize::from(area.width), rows, pen.glyphs());
    for (y, line) in (area.y + 1..).zip(drawn) {
        pen.write(area.x, y, area.width, &line, role);
    }
}
