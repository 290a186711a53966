//! How far apart the ASes in use are: a byte for each pair.
//!
//! Invariant: what is kept takes at most [`ROUTES_BYTES_MAX`]. Up to [`ASES_KEPT_MAX`] ASes, every
//! row that was made stays. Of more ASes only the rows that were made last stay. Then each question
//! whose row is gone costs a search of the whole graph, which is some milliseconds for the whole
//! Internet.

use std::{
    collections::VecDeque,
    sync::{Mutex, OnceLock, PoisonError},
};

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::Atlas,
    tier::{Proximity, Tier},
};

/// ASes at most for which the bytes of all pairs are kept.
pub const ASES_KEPT_MAX: usize = 2_000;
/// Bytes at most that all rows take: those of [`ASES_KEPT_MAX`] ASes, 4 MB.
pub const ROUTES_BYTES_MAX: usize = ASES_KEPT_MAX * ASES_KEPT_MAX;

/// The way from one AS to another: its hops, and how near that makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route(u8);

/// What an adjacent AS may be to ours. The code of such a route is 1 and the place here.
const RELATIONS: [Relation; 4] = [Relation::Customer, Relation::Peer, Relation::Provider, Relation::Unknown];
/// Codes from here on are of two hops or more.
const DISTANT: u8 = 1 + RELATIONS.len() as u8;

impl Route {
    const SAME: Route = Route(0);
    const NONE: Route = Route(u8::MAX);

    fn adjacent(relation: Relation) -> Route {
        let place = RELATIONS.iter().position(|&known| known == relation);
        Route(1 + place.unwrap_or(RELATIONS.len() - 1) as u8)
    }

    /// A route over other ASes. More than 251 hops count as 251: no real route has them, and the
    /// nearness stops at 31.
    fn distant(hops: Option<u8>) -> Route {
        hops.map_or(Route::NONE, |hops| Route((hops.max(2) - 2).saturating_add(DISTANT).min(u8::MAX - 1)))
    }

    /// Links on the way; 0 inside an AS. `None`: there is no route.
    pub(super) fn hops(self) -> Option<u8> {
        match self {
            Route::SAME => Some(0),
            Route::NONE => None,
            Route(code) if code < DISTANT => Some(1),
            Route(code) => Some(code - DISTANT + 2),
        }
    }

    /// How near it makes two addresses that share no /24.
    pub(super) fn proximity(self) -> Proximity {
        match self {
            Route::SAME => Tier::SameAs.into(),
            Route(code) if code < DISTANT => Proximity::adjacent(RELATIONS[usize::from(code) - 1]),
            _ => Proximity::remote(self.hops()),
        }
    }
}

type Row = Box<[Route]>;

/// The routes between the ASes in use. An AS is its index among these.
pub(super) struct Routes {
    kept: Kept,
}

enum Kept {
    /// Every row that somebody asked for.
    All(Box<[OnceLock<Row>]>),
    /// The rows that were made last.
    Last(Mutex<Last>),
}

/// Some rows, a bounded number.
struct Last {
    rows: Box<[Option<Row>]>,
    /// The ASes whose rows are here, the oldest row first.
    order: VecDeque<usize>,
    rows_max: usize,
}

impl Routes {
    /// Routes between so many ASes. None is known yet: a row is made when it is asked for.
    pub(super) fn among(ases: usize) -> Routes {
        Routes::within(ases, ROUTES_BYTES_MAX)
    }

    fn within(ases: usize, bytes_max: usize) -> Routes {
        let kept = if ases.saturating_mul(ases) <= bytes_max {
            Kept::All((0..ases).map(|_| OnceLock::new()).collect())
        } else {
            let rows = (0..ases).map(|_| None).collect();
            let rows_max = (bytes_max / ases).max(1);
            Kept::Last(Mutex::new(Last { rows, order: VecDeque::new(), rows_max }))
        };
        Routes { kept }
    }

    /// The route from one of the `ases` to another, both by index. `ases` ascend, and are the same
    /// in every call.
    pub(super) fn route(&self, atlas: &Atlas, ases: &[Asn], from: usize, to: usize) -> Route {
        if from == to {
            return Route::SAME;
        }
        match &self.kept {
            Kept::All(rows) => rows[from].get_or_init(|| row(atlas, ases, from))[to],
            Kept::Last(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                last.row(from, || row(atlas, ases, from))[to]
            }
        }
    }
}

impl Last {
    fn row(&mut self, from: usize, make: impl FnOnce() -> Row) -> &Row {
        if self.rows[from].is_none() {
            if self.order.len() >= self.rows_max
                && let Some(oldest) = self.order.pop_front()
            {
                self.rows[oldest] = None;
            }
            self.order.push_back(from);
        }
        self.rows[from].get_or_insert_with(make)
    }
}

/// The routes from one AS to all.
fn row(atlas: &Atlas, ases: &[Asn], from: usize) -> Row {
    let view = atlas.view_from(ases[from]);
    let mut row: Row = ases.iter().map(|&to| Route::distant(view.hops(atlas, to))).collect();
    for (neighbour, relation) in atlas.neighbours(ases[from]) {
        if let Ok(at) = ases.binary_search(&neighbour) {
            row[at] = Route::adjacent(relation);
        }
    }
    row[from] = Route::SAME;
    row
}

#[cfg(test)]
mod tests {
    use nearcast_core::atlas::AtlasBuilder;

    use super::{super::generated, *};

    #[test]
    fn a_byte_tells_hops_and_nearness() {
        assert_eq!((Route::SAME.hops(), Route::SAME.proximity()), (Some(0), Tier::SameAs.into()));
        for relation in RELATIONS {
            let route = Route::adjacent(relation);
            assert_eq!((route.hops(), route.proximity()), (Some(1), Proximity::adjacent(relation)));
        }
        for hops in (2..=251).map(Some).chain([None]) {
            let route = Route::distant(hops);
            assert_eq!((route.hops(), route.proximity()), (hops, Proximity::remote(hops)));
        }
        assert_eq!(Route::distant(Some(254)).hops(), Some(251));
    }

    #[test]
    fn few_rows_answer_as_all_rows_do() {
        let atlas = generated(1, 60);
        let ases: Vec<Asn> = atlas.ases().collect();
        let (all, few) = (Routes::among(ases.len()), Routes::within(ases.len(), 3 * ases.len()));
        assert!(matches!(all.kept, Kept::All(_)) && matches!(few.kept, Kept::Last(_)));
        for (from, &ours) in ases.iter().enumerate() {
            for (to, &theirs) in ases.iter().enumerate() {
                let route = all.route(&atlas, &ases, from, to);
                assert_eq!(route.hops(), atlas.hops(ours, theirs));
                assert_eq!(few.route(&atlas, &ases, from, to), route);
                assert_eq!(few.route(&atlas, &ases, to, from).hops(), route.hops());
            }
        }
        let Kept::Last(last) = few.kept else { panic!("not all rows are kept") };
        let last = last.into_inner().unwrap();
        assert_eq!(last.rows.iter().flatten().count(), 3);
        assert_eq!(last.order.len(), 3);
    }

    #[test]
    fn who_has_no_route_is_furthest() {
        let mut builder = AtlasBuilder::new(1);
        builder.name(Asn(1), "island");
        builder.name(Asn(2), "another");
        let (atlas, ases) = (builder.build(), [Asn(1), Asn(2)]);
        let route = Routes::among(2).route(&atlas, &ases, 0, 1);
        assert_eq!((route.hops(), route.proximity()), (None, Proximity::remote(None)));
    }
}
