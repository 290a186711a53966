//! Draws the demonstration: a row a peer, a row for all, a line that says what it means.
//!
//! Drawing takes `&self` and `&Model`: it cannot change what it shows.

use nearcast_core::{stats::Traffic, tier::Tier};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Cell, Paragraph, Row, Table},
};

use super::model::{Model, Peer, State};
use crate::units::{Bytes, Rate, percent};

/// Narrower than this, one line says everything.
const TABLE_WIDTH_MIN: u16 = 40;
const GAP: u16 = 1;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Address,
    Network,
    Bar(u16),
    Percent,
    Tier(Tier),
    /// Same network or nearer.
    Near,
    /// Everything else that is a peer.
    Far,
    Origin,
    Rate,
    Given,
}

impl Column {
    fn width(self) -> u16 {
        match self {
            Column::Address => 10,
            Column::Network => 7,
            Column::Bar(width) => width,
            Column::Percent => 4,
            Column::Tier(tier) => (tier.name().len() as u16).max(8),
            Column::Near | Column::Far | Column::Origin | Column::Given => 8,
            Column::Rate => 10,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Column::Address => "peer",
            Column::Network => "network",
            Column::Bar(_) => "progress",
            Column::Percent => "",
            Column::Tier(tier) => tier.name(),
            Column::Near => "near",
            Column::Far => "far",
            Column::Origin => "origin",
            Column::Rate => "rate",
            Column::Given => "given",
        }
    }

    fn is_number(self) -> bool {
        !matches!(self, Column::Address | Column::Network | Column::Bar(_))
    }
}

/// How the table is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    colour: bool,
}

impl View {
    /// In colour, or with weights only.
    pub(super) fn new(colour: bool) -> View {
        View { colour }
    }

    /// Lines it needs: a title, a row a peer, the sum and the headline.
    pub(super) fn height(peers: usize) -> u16 {
        u16::try_from(peers).unwrap_or(u16::MAX).saturating_add(3)
    }

    /// Draws everything into the frame, whatever its size.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, model: &Model) {
        let area = frame.area();
        if area.width < TABLE_WIDTH_MIN || area.height < 3 {
            frame.render_widget(Paragraph::new(short(model)), area);
            return;
        }
        let [table, headline] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(area);
        self.draw_table(frame, model, table);
        frame.render_widget(Paragraph::new(headline_for(model, area.width)), headline);
    }

    fn draw_table(&self, frame: &mut Frame<'_>, model: &Model, area: Rect) {
        let columns = columns(model, area.width);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let title = columns.iter().map(|column| aligned(*column, column.title().to_owned()));
        let peers = model.peers().iter().map(|peer| {
            let cells = columns.iter().map(|column| aligned(*column, cell(*column, peer, model)));
            Row::new(cells).style(self.style(peer))
        });
        let all = columns.iter().map(|column| aligned(*column, sum(*column, model)));
        let rows = peers.chain([Row::new(all).style(bold)]);
        let widths = columns.iter().map(|column| Constraint::Length(column.width()));
        let table = Table::new(rows, widths).header(Row::new(title).style(bold)).column_spacing(GAP);
        frame.render_widget(table, area);
    }

    /// Never colour alone: what is done says 100% as well.
    fn style(&self, peer: &Peer) -> Style {
        match peer.state {
            _ if !self.colour => Style::new(),
            State::Getting => Style::new(),
            State::Complete(_) | State::Checked(_) => Style::new().fg(Color::Green),
            State::Bad => Style::new().fg(Color::Red),
        }
    }
}

/// The richest set of columns that fits.
fn columns(model: &Model, width: u16) -> Vec<Column> {
    use Column::{Address, Bar, Far, Given, Near, Network, Origin, Percent, Rate};
    let tiers = |bar| {
        let tiers = model.tiers().into_iter().map(Column::Tier);
        let before = [Address, Network, Bar(bar), Percent].into_iter();
        before.chain(tiers).chain([Origin, Rate, Given]).collect::<Vec<_>>()
    };
    let sets = [
        tiers(30),
        tiers(10),
        vec![Address, Network, Bar(10), Percent, Near, Far, Origin, Rate],
        vec![Address, Bar(8), Percent, Near, Far, Origin],
        vec![Address, Percent, Near, Far, Origin],
        vec![Address, Percent, Origin],
    ];
    let fits = |set: &Vec<Column>| {
        let gaps = (set.len() as u16 - 1) * GAP;
        set.iter().map(|column| column.width()).sum::<u16>() + gaps <= width
    };
    sets.into_iter().find(fits).unwrap_or_default()
}

fn cell(column: Column, peer: &Peer, model: &Model) -> String {
    match column {
        Column::Address => peer.address.to_string(),
        Column::Network => peer.network.name.to_owned(),
        Column::Bar(width) => bar(peer.have, model.bytes(), width),
        Column::Percent => format!("{}%", percent(peer.have, model.bytes())),
        Column::Rate => match peer.state {
            State::Getting => Rate(peer.rate).to_string(),
            State::Complete(_) | State::Checked(_) => "done".to_owned(),
            State::Bad => "BAD".to_owned(),
        },
        Column::Given => Bytes(peer.uploaded).to_string(),
        _ => bytes_of(column, &peer.received),
    }
}

fn sum(column: Column, model: &Model) -> String {
    let have: u64 = model.peers().iter().map(|peer| peer.have).sum();
    let all = model.bytes().saturating_mul(model.peers().len() as u64);
    match column {
        Column::Address => "all".to_owned(),
        Column::Network => String::new(),
        Column::Bar(width) => bar(have, all, width),
        Column::Percent => format!("{}%", percent(have, all)),
        Column::Rate => {
            let getting = model.peers().iter().filter(|peer| peer.state == State::Getting);
            Rate(getting.map(|peer| peer.rate).sum()).to_string()
        }
        Column::Given => Bytes(model.peers().iter().map(|peer| peer.uploaded).sum()).to_string(),
        _ => bytes_of(column, &model.received()),
    }
}

fn bytes_of(column: Column, received: &Traffic) -> String {
    let near: u64 = received.by_tier[..=Tier::SameAs as usize].iter().sum();
    let bytes = match column {
        Column::Tier(tier) => received.by_tier[tier as usize],
        Column::Near => near,
        Column::Far => received.from_peers() - near,
        Column::Origin => received.origin,
        _ => return String::new(),
    };
    Bytes(bytes).to_string()
}

fn aligned(column: Column, text: String) -> Cell<'static> {
    let line = Line::from(text);
    Cell::from(if column.is_number() { line.right_aligned() } else { line })
}

/// Full blocks for what is there; the last one only when everything is.
fn bar(have: u64, total: u64, width: u16) -> String {
    let full = usize::from(percent(have, total)) * usize::from(width) / 100;
    let rest = usize::from(width) - full;
    format!("{}{}", "█".repeat(full), "░".repeat(rest))
}

fn headline_for(model: &Model, width: u16) -> String {
    let headline = model.headline();
    if headline.chars().count() <= usize::from(width) { headline } else { short(model) }
}

fn short(model: &Model) -> String {
    format!("{}/{} done, origin {:.2}x", model.complete(), model.peers().len(), model.origin_copies())
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::demo::model::tests::six;

    /// What a terminal of this size shows, a string a line.
    fn shown(width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| View::new(true).draw(frame, &six())).unwrap();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content().chunks(usize::from(width));
        lines
            .map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>())
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    #[test]
    fn a_wide_terminal_shows_tiers_rates_and_gifts() {
        let lines = shown(120, View::height(6));
        let words = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(0), "peer network progress same_as remote origin rate given");
        let full = "█".repeat(30);
        assert_eq!(words(1), format!("127.1.0.1 Harbour {full} 100% 50.0 MB 30.0 MB 20.0 MB done 0 B"));
        assert!(words(2).ends_with("50% 10.0 MB 10.0 MB 30.0 MB 12.3 MB/s 7.00 MB"));
        assert!(words(7).starts_with("all"), "{lines:#?}");
        assert!(words(7).ends_with("25% 60.0 MB 40.0 MB 50.0 MB 12.3 MB/s 7.00 MB"));
        assert!(words(8).contains("0.50 copies from the origin, 66% from peers"));
    }

    #[test]
    fn eighty_columns_show_networks_tiers_and_rates() {
        let lines = shown(80, View::height(6));
        for title in ["network", "progress", "origin", "rate"] {
            assert!(lines[0].contains(title), "{lines:#?}");
        }
        assert!(lines[2].contains("12.3 MB/s"));
        assert!(lines[8].contains("copies from the origin"));
    }

    #[test]
    fn sixty_columns_show_near_far_and_origin_beside_a_bar() {
        let lines = shown(60, View::height(6));
        for title in ["progress", "near", "far", "origin"] {
            assert!(lines[0].contains(title), "{lines:#?}");
        }
        assert!(lines[2].contains("████░░░░"), "{lines:#?}");
    }

    #[test]
    fn forty_columns_keep_the_share_of_the_origin() {
        let lines = shown(40, View::height(6));
        assert!(lines[0].contains("origin"), "{lines:#?}");
        assert!(lines[1].contains("127.1.0.1") && lines[1].contains("100%"));
        assert!(lines[8].contains("origin 0.50x"));
    }

    #[test]
    fn no_size_is_too_small_to_draw() {
        for width in (1..=130).step_by(3) {
            for height in [1, 2, 3, 5, 12] {
                let lines = shown(width, height);
                assert_eq!(lines.len(), usize::from(height));
            }
        }
        assert_eq!(shown(30, 4)[0], "1/6 done, origin 0.50x");
    }
}
