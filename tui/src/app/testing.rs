//! Screens for tests: downloads in every state, peers near and far, names that want to do harm.

use std::{collections::BTreeMap, sync::Arc};

use nearcast_core::{
    asn::Asn,
    id::ContentId,
    layout::Layout,
    magnet::Magnet,
    manifest::Manifest,
    stats::{Giver, Traffic},
    tier::Tier,
};
use nearcast_node::{
    DownloadLimits, Holding, Neighbour, Phase, Progress, Stall,
    imports::Imports,
    publish::{PublishOptions, publish},
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};

use super::{
    draw::draw,
    effect::Effect,
    entry::Entry,
    history::Second,
    message::{Message, News},
    model::{Model, Settings},
    theme::Theme,
    wish::Wish,
};
use crate::source::Named;

/// The content of this number.
pub(super) fn id(number: u8) -> ContentId {
    ContentId([number; 32])
}

/// A wish for the content of this number, by link.
pub(super) fn wish(number: u8, name: &str) -> Wish {
    let magnet = Magnet { name: Some(name.to_owned()), ..Magnet::new(id(number)) };
    Wish { named: Named::Link(magnet), folder: "/home/ann/films".into(), files: None }
}

/// A manifest with these files, of so many bytes each.
pub(super) fn manifest(name: &str, files: &[(&str, usize)]) -> Arc<Manifest> {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join(name);
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, vec![7; *bytes]).unwrap();
    }
    let never = std::sync::atomic::AtomicBool::new(false);
    let published = publish(&folder, &PublishOptions::default(), &|_, _| {}, &never).unwrap();
    Arc::new(published.manifest)
}

/// An empty screen of this size.
pub(super) fn empty(size: (u16, u16), theme: &str) -> Model {
    let settings = Settings {
        theme: Theme::named(theme).unwrap(),
        theme_chosen: false,
        colours: true,
        limits: DownloadLimits::default(),
        limits_chosen: false,
        folder: "/home/ann/films".to_owned(),
        is_kept: true,
        can_play: true,
    };
    Model::new(size, settings)
}

pub(super) fn neighbour(host: u8, tier: Tier, rate: f64, kind: &str) -> Neighbour {
    Neighbour {
        peer: "12D3KooW".to_owned(),
        address: format!("/ip4/127.{}.0.{host}/tcp/4820", tier as u8 + 1),
        tier,
        asn: (tier >= Tier::SameAs).then_some(Asn(64_500 + tier as u32)),
        rate_down: rate,
        origin: kind == "origin",
        web_seed: false,
        has: 0.75,
        received: 12_300_000,
        sent: 4_560_000,
    }
}

/// Traffic as in the middle of a download.
pub(super) fn traffic() -> Traffic {
    let mut received = Traffic::default();
    received.add(Giver::Peer(Tier::Prefix24), 30_000_000);
    received.add(Giver::Peer(Tier::SameAs), 25_000_000);
    received.add(Giver::Peer(Tier::AdjacentAs), 9_000_000);
    received.add(Giver::Peer(Tier::Remote), 2_000_000);
    received.add(Giver::Origin, 14_000_000);
    received.imported = 25_000_000;
    received
}

/// A progress in this phase.
pub(super) fn progress(phase: Phase, have: u64, total: u64) -> Progress {
    let rate = |rate| (phase == Phase::Downloading).then_some(rate);
    Progress {
        name: String::new(),
        bytes_total: total,
        bytes_have: have,
        rate_down: rate(12_300_000.0),
        rate_up: rate(1_050_000.0),
        received: if have > 0 { traffic() } else { Traffic::default() },
        imports: Some(Imports {
            by_as: BTreeMap::from([(Asn(64_504), 9_000_000), (Asn(64_506), 14_000_000)]),
        }),
        uploaded: if have > 0 { 4_560_000 } else { 0 },
        neighbours: match phase {
            Phase::Downloading => vec![
                neighbour(7, Tier::Prefix24, 5_100_000.0, "peer"),
                neighbour(8, Tier::SameAs, 4_000_000.0, "peer"),
                neighbour(9, Tier::AdjacentAs, 2_000_000.0, "peer"),
                neighbour(1, Tier::Remote, 1_200_000.0, "origin"),
            ],
            _ => Vec::new(),
        },
        phase,
        ..Progress::default()
    }
}

/// A screen with downloads in every state.
pub(super) fn busy(size: (u16, u16), theme: &str) -> Model {
    let mut model = empty(size, theme);
    let all = [
        ("The long way home (2160p)", progress(Phase::Downloading, 80_000_000, 134_217_728)),
        ("season", progress(Phase::Seeding, 200_000_000, 200_000_000)),
        ("debian-13.2.0-amd64-DVD-1.iso", progress(Phase::Stalled(Stall::Searching), 0, 3_990_000_000)),
        ("非常に長い名前の映画.mkv", progress(Phase::Checking, 0, 1_500_000_000)),
        ("lecture", progress(Phase::Downloading, 1_000, 40_000_000)),
        ("old photos", progress(Phase::Paused, 20_000_000, 40_000_000)),
        ("broken", progress(Phase::Checking, 0, 0)),
    ];
    for (number, (name, progress)) in (1..).zip(all) {
        model.downloads.add(wish(number, name)).unwrap();
        model.update(Message::News(News::Begun(id(number))));
        model.update(Message::News(News::Progress(vec![(id(number), progress)])));
    }
    model.update(Message::News(News::Up));
    model.update(press(' '));
    model.update(press(' '));
    let why = "/home/ann/films/broken exists and differs from the content".to_owned();
    model.update(Message::News(News::Failed(id(7), why)));
    let names = [(64_503, "Harbour"), (64_504, "Meadow"), (64_506, "Ridge")];
    let names = names.map(|(asn, name)| (Asn(asn), name.to_owned()));
    model.update(Message::News(News::Networks(names.into())));
    for at in 0..200_u32 {
        let wave = at % 40;
        let second = Second { peers: 200_000 * wave.min(40 - wave), servers: 30_000 * (at % 7) };
        model.history.push(second);
        model.downloads.get_mut(id(1)).unwrap().history.push(second);
    }
    let layout = Layout::new(1 << 18, [134_217_728]).unwrap();
    let cells = (0..512_u32).map(|at| if at < 200 { 255 } else { (at * 37 % 200) as u8 }).collect();
    let holding = Holding { cells, files: vec![layout.bytes() / 2] };
    model.update(Message::News(News::Holding(id(1), holding)));
    model.notice = None;
    model
}

/// A key.
pub(super) fn press(letter: char) -> Message {
    Message::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE))
}

/// A key that is no letter.
pub(super) fn key(code: KeyCode) -> Message {
    Message::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// Types letters.
pub(super) fn typed(model: &mut Model, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|letter| model.update(press(letter))).collect()
}

/// The lines of a frame.
pub(super) fn lines(model: &Model) -> Vec<String> {
    let terminal = drawn(model);
    let buffer = terminal.backend().buffer().clone();
    let width = usize::from(buffer.area.width);
    let row = |cells: &[ratatui::buffer::Cell]| {
        let (mut text, mut skip) = (String::new(), 0_usize);
        for cell in cells {
            if skip == 0 {
                text.push_str(cell.symbol());
                skip = crate::layout::width(cell.symbol()).max(1);
            }
            skip -= 1;
        }
        text.trim_end().to_owned()
    };
    if width == 0 { Vec::new() } else { buffer.content().chunks(width).map(row).collect() }
}

/// A terminal with a frame.
pub(super) fn drawn(model: &Model) -> Terminal<TestBackend> {
    let (columns, rows) = model.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(model, frame)).unwrap();
    terminal
}

/// The state that is shown of each download, in the order of the list.
pub(super) fn words(model: &Model) -> Vec<&'static str> {
    model.downloads.rows(0, 99).map(|entry: &Entry| entry.status().word()).collect()
}
