//! The routes of one prefix.

use super::sources::Slot;

/// One route: its source, and its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) slot: Slot,
    pub(super) path: u32,
    pub(super) path_id: u32,
}

/// All routes of a prefix. Most tables come from one router that reports its best route, so one
/// route must need no allocation. The box around the vector keeps this at 16 bytes, which count a
/// million times.
#[derive(Clone, Debug)]
pub(super) enum Routes {
    One(Held),
    #[expect(clippy::box_collection, reason = "a vector alone would make every prefix 8 bytes larger")]
    Many(Box<Vec<Held>>),
}

impl Routes {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Held> {
        match self {
            Routes::One(route) => std::slice::from_ref(route).iter(),
            Routes::Many(routes) => routes.iter(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Routes::Many(routes) if routes.is_empty())
    }

    /// Puts the route in place of the same source's earlier route, and returns that.
    pub(super) fn put(&mut self, route: Held) -> Option<Held> {
        let same = |held: &Held| (held.slot, held.path_id) == (route.slot, route.path_id);
        match self {
            Routes::One(held) if same(held) => Some(std::mem::replace(held, route)),
            Routes::One(held) => {
                *self = Routes::Many(Box::new(vec![*held, route]));
                None
            }
            Routes::Many(routes) => match routes.iter_mut().find(|held| same(held)) {
                Some(held) => Some(std::mem::replace(held, route)),
                None => {
                    routes.push(route);
                    None
                }
            },
        }
    }

    /// Takes out the route of this source.
    pub(super) fn take(&mut self, slot: Slot, path_id: u32) -> Option<Held> {
        let same = |held: &Held| (held.slot, held.path_id) == (slot, path_id);
        match self {
            Routes::One(held) if same(held) => {
                let gone = *held;
                *self = Routes::Many(Box::default());
                Some(gone)
            }
            Routes::One(_) => None,
            Routes::Many(routes) => {
                let at = routes.iter().position(same)?;
                Some(routes.swap_remove(at))
            }
        }
    }

    /// Keeps only the routes that `keep` accepts.
    pub(super) fn keep(&mut self, mut keep: impl FnMut(&Held) -> bool) {
        match self {
            Routes::One(route) => {
                if !keep(route) {
                    *self = Routes::Many(Box::default());
                }
            }
            Routes::Many(routes) => {
                routes.retain(keep);
                if let [only] = routes[..] {
                    *self = Routes::One(only);
                }
            }
        }
    }

    /// Heap memory beside the value itself, in bytes.
    pub(super) fn behind_bytes(&self) -> usize {
        match self {
            Routes::One(_) => 0,
            Routes::Many(routes) => {
                routes.capacity().saturating_mul(size_of::<Held>()).saturating_add(size_of::<Vec<Held>>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_with_its_routes_takes_sixteen_bytes() {
        assert_eq!(size_of::<Routes>(), 16);
    }
}
