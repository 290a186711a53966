//! The state of the fluid model, and one step of it.

use super::{
    Setting,
    cell::Cell,
    course::{ClassTotals, Course, Durations, Point, Totals},
    serving::{Population, Rate, Serving},
};

/// The peers of one content that stands for its class.
struct Content {
    /// By class of ASes, then by class of access links.
    cells: Vec<Cell>,
    /// What peers hold together, in bytes: what the origin sent a crowd that had no seed.
    copy: f64,
    totals: Totals,
    durations: Durations,
}

/// A run under way.
pub(super) struct Model<'a> {
    setting: &'a Setting,
    contents: Vec<Content>,
    /// Steps done.
    steps: u64,
    durations: Durations,
    /// What happened since the last point of the timeline.
    slice: Totals,
    timeline: Vec<Point>,
}

impl<'a> Model<'a> {
    pub(super) fn new(setting: &'a Setting) -> Model<'a> {
        let content = |_: &_| Content {
            cells: vec![Cell::default(); setting.ases.len() * setting.access.len()],
            copy: 0.0,
            totals: Totals::default(),
            durations: Durations::default(),
        };
        Model {
            setting,
            contents: setting.classes.iter().map(content).collect(),
            steps: 0,
            durations: Durations::default(),
            slice: Totals::default(),
            timeline: Vec::new(),
        }
    }

    /// Goes on by a step.
    pub(super) fn step(&mut self) {
        let setting = self.setting;
        let step = setting.step.as_secs_f64();
        let populations: Vec<Population> =
            self.contents.iter().map(|content| content.population(setting)).collect();
        let servings: Vec<Serving> = populations
            .iter()
            .map(|peers| {
                let effectiveness = setting.fit.crowd(peers.leechers.iter().sum()).effectiveness;
                Serving::new(peers, &setting.access, effectiveness, &setting.origin)
            })
            .collect();
        let wanted: f64 = servings
            .iter()
            .zip(&setting.classes)
            .map(|(serving, class)| serving.wanted * f64::from(class.contents))
            .sum();
        let able = setting.origin.up as f64;
        let share = if wanted > able { able / wanted } else { 1.0 };
        let before = self.steps as f64 * step;
        self.steps += 1;
        let now = self.steps as f64 * step;
        let come = setting.arrivals.between(before, now);
        for (at, class) in setting.classes.iter().enumerate() {
            let rates = servings[at].rates(share, &populations[at], &setting.access);
            let content = &mut self.contents[at];
            let times = f64::from(class.contents);
            let mut moved = content.serve(setting, &rates, now, |seconds, peers| {
                self.durations.add(seconds, peers * times);
            });
            content.keep(&populations[at], moved.origin, setting.bytes as f64);
            content.leave(setting, &mut moved);
            content.join(setting, come * class.share_each(), now, &mut moved);
            content.totals.add(&moved, 1.0);
            self.slice.add(&moved, times);
        }
        let slice = setting.slice.as_secs_f64();
        if (now / slice).floor() > (before / slice).floor() {
            self.note(now);
        }
    }

    /// Ends a slice of the timeline.
    fn note(&mut self, at: f64) {
        let mut point = Point { at, totals: std::mem::take(&mut self.slice), ..Point::default() };
        let mut held = 0.0;
        for (content, class) in self.contents.iter().zip(&self.setting.classes) {
            let times = f64::from(class.contents);
            point.leechers += times * content.cells.iter().map(|cell| cell.leechers).sum::<f64>();
            point.seeds += times * content.cells.iter().map(|cell| cell.seeds).sum::<f64>();
            held += times * content.held();
        }
        if point.leechers > 0.0 {
            point.progress = held / point.leechers / self.setting.bytes as f64;
        }
        self.timeline.push(point);
    }

    /// What the run yields so far.
    pub(super) fn course(self) -> Course {
        let mut course = Course { completion_seconds: self.durations.spread(), ..Course::default() };
        for (content, class) in self.contents.iter().zip(&self.setting.classes) {
            let times = f64::from(class.contents);
            let mut of_class = ClassTotals {
                seconds: content.durations.mean(),
                held: times * content.held(),
                ..ClassTotals::default()
            };
            of_class.totals.add(&content.totals, times);
            course.totals.add(&of_class.totals, 1.0);
            course.classes.push(of_class);
        }
        course.timeline = self.timeline;
        course
    }
}

impl Content {
    fn population(&self, setting: &Setting) -> Population {
        let kinds = setting.access.len();
        let mut peers =
            Population { leechers: vec![0.0; kinds], seeds: vec![0.0; kinds], holds_a_copy: false };
        for (at, cell) in self.cells.iter().enumerate() {
            peers.leechers[at % kinds] += cell.leechers;
            peers.seeds[at % kinds] += cell.seeds;
        }
        peers.holds_a_copy = self.copy >= setting.bytes as f64;
        peers
    }

    /// Moves bytes for a step that ends at `now`. Returns what was moved.
    fn serve(
        &mut self,
        setting: &Setting,
        rates: &[Rate],
        now: f64,
        mut done: impl FnMut(f64, f64),
    ) -> Totals {
        let step = setting.step.as_secs_f64();
        let bytes = setting.bytes as f64;
        let mut moved = Totals::default();
        let online: f64 = self.cells.iter().map(|cell| cell.leechers + cell.seeds).sum();
        let parts: Vec<(f64, f64)> = setting.fit.crowd(online).parts().collect();
        let durations = &mut self.durations;
        for (ases, cells) in setting.ases.iter().zip(self.cells.chunks_mut(rates.len())) {
            let online: f64 = cells.iter().map(|cell| cell.leechers + cell.seeds).sum();
            let outside = setting.fit.imports.share(online / f64::from(ases.ases));
            for (cell, rate) in cells.iter_mut().zip(rates) {
                let mut received = cell.leechers * rate.all * step;
                cell.serve(rate.all, step, now, bytes, |finished| {
                    received -= finished.peers * finished.excess;
                    moved.completed += finished.peers;
                    for &(times, share) in &parts {
                        durations.add(finished.seconds * times, finished.peers * share);
                        done(finished.seconds * times, finished.peers * share);
                    }
                });
                let of_origin = if rate.all > 0.0 { rate.origin / rate.all } else { 0.0 };
                moved.origin += received * of_origin;
                moved.peers += received * (1.0 - of_origin);
                // What the origin sends comes from outside, and is part of what is fitted.
                moved.imports += received * outside.max(of_origin);
            }
        }
        moved
    }

    /// Notes what peers hold together. With less than a peer in the mean nobody keeps anything; with
    /// a seed everything is there.
    fn keep(&mut self, peers: &Population, origin: f64, bytes: f64) {
        let seeds: f64 = peers.seeds.iter().sum();
        let all = seeds + peers.leechers.iter().sum::<f64>();
        if all < 1.0 {
            self.copy = 0.0;
        } else if seeds >= 1.0 {
            self.copy = bytes;
        } else {
            self.copy += origin;
        }
    }

    fn leave(&mut self, setting: &Setting, moved: &mut Totals) {
        let step = setting.step.as_secs_f64();
        let seeds_stay =
            if setting.seeding_seconds > 0.0 { (-step / setting.seeding_seconds).exp() } else { 0.0 };
        let leechers_stay = (-step * setting.abort).exp();
        for cell in &mut self.cells {
            let (lost, gone) = cell.leave(seeds_stay, leechers_stay);
            moved.lost += lost;
            moved.gave_up += gone;
        }
    }

    fn join(&mut self, setting: &Setting, peers: f64, now: f64, moved: &mut Totals) {
        for (ases, cells) in setting.ases.iter().zip(self.cells.chunks_mut(setting.access.len())) {
            for (cell, share) in cells.iter_mut().zip(&ases.access) {
                cell.join(peers * ases.share * share, now, setting.bytes as f64);
            }
        }
        moved.came += peers;
    }

    fn held(&self) -> f64 {
        self.cells.iter().map(Cell::held).sum()
    }
}
