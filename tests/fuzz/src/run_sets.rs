//! Have-maps, and the layouts whose runs they count: arithmetic on numbers that strangers choose.

use std::collections::BTreeSet;

use nearcast_core::{layout::Layout, run_set::RunSet};

/// A piece size, up to four file lengths, and then a bitmap.
pub(crate) fn run(bytes: &[u8]) {
    let Some((&[piece, files], rest)) = bytes.split_first_chunk() else { return };
    let (numbers, bits) = rest.as_chunks::<8>();
    let files = usize::from(files % 5).min(numbers.len());
    let lengths = numbers[..files].iter().map(|bytes| u64::from_le_bytes(*bytes));
    let Ok(layout) = Layout::new(1u64.checked_shl(u32::from(piece)).unwrap_or(0), lengths) else { return };
    check(&layout);
    let map = [numbers[files..].as_flattened(), bits].concat();
    set(&layout, &map);
}

fn check(layout: &Layout) {
    let runs = (0..layout.runs().min(64)).chain(layout.runs().checked_sub(1));
    for run in runs.filter_map(|run| layout.run_index(run)) {
        let span = layout.run(run);
        assert!(span.bytes > 0 && span.bytes <= layout.run_bytes());
        assert!(span.offset + u64::from(span.bytes) <= layout.file_bytes(span.file));
        assert!(layout.piece_runs(span.piece).contains(&run.get()));
        assert!(layout.file_runs(span.file).contains(&run.get()));
    }
    assert!(layout.run_index(layout.runs()).is_none());
    assert!(layout.piece_index(layout.pieces()).is_none());
}

/// A have-map does what a set of numbers does.
fn set(layout: &Layout, map: &[u8]) {
    let runs = layout.runs();
    let map = match (map.len() * 8) as u64 >= u64::from(runs) {
        true => &map[..runs.div_ceil(8) as usize],
        false => {
            return assert!(RunSet::from_bytes(runs, map).is_err() || map.len() == runs.div_ceil(8) as usize);
        }
    };
    let Ok(mut set) = RunSet::from_bytes(runs, map) else { return };
    assert_eq!(set.to_bytes(), map);
    let mut model: BTreeSet<u32> = set.iter().map(|run| run.get()).collect();
    assert_eq!(set.count() as usize, model.len());
    assert_eq!((set.is_empty(), set.is_full()), (model.is_empty(), model.len() == runs as usize));
    for (at, byte) in map.iter().enumerate().take(64) {
        let number = (at as u32).wrapping_mul(31).wrapping_add(u32::from(*byte)) % runs.max(1);
        let Some(run) = layout.run_index(number) else { continue };
        let changed = match byte % 2 {
            0 => (set.insert(run), model.insert(number)),
            _ => (set.remove(run), model.remove(&number)),
        };
        assert_eq!(changed.0, changed.1);
        assert_eq!(set.contains(run), model.contains(&number));
    }
    assert!(set.iter().map(|run| run.get()).eq(model));
    assert_eq!(set.count_beyond(&RunSet::empty(runs)), set.count());
    assert!(!set.has_beyond(&RunSet::full(runs)));
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let lengths = [100u64 << 14, 5, 1 << 20].map(u64::to_le_bytes);
    let one = [&[14, 1][..], &lengths[0], &[0x5a; 13]].concat();
    let three = [&[18, 3][..], lengths.as_flattened(), &[0xff; 3]].concat();
    vec![one, three, [&[28, 1][..], &(1u64 << 45).to_le_bytes(), &[1; 9]].concat()]
}
