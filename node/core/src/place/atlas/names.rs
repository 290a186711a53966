//! The names of ASes: one text, and where each name begins in it.

/// Names, by the index of the AS in the atlas's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    text: Box<str>,
    /// Where each name begins, and one entry at the end. Empty if there are no names at all.
    offsets: Box<[u32]>,
}

impl Names {
    /// The names of all ASes in order; an empty text is no name. `None`: they do not fit into 4
    /// GiB.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Option<Names> {
        let (mut text, mut offsets) = (String::new(), vec![0]);
        for name in names {
            text.push_str(name);
            offsets.push(u32::try_from(text.len()).ok()?);
        }
        Some(Names { text: text.into(), offsets: offsets.into() })
    }

    /// The name of an AS, if it has one.
    pub(super) fn get(&self, at: usize) -> Option<&str> {
        let &[from, to] = self.offsets.get(at..)?.first_chunk()?;
        self.text.get(from as usize..to as usize).filter(|name| !name.is_empty())
    }

    /// Number of ASes that have a name.
    pub(super) fn count(&self) -> usize {
        self.offsets.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.text.len().saturating_add(size_of_val(&*self.offsets))
    }
}
