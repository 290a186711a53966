//! Finds where a file holds data. A partial file has its full length from the start, with holes
//! where nothing was written yet.

use std::{fs::File, io, ops::Range};

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};

/// Ranges looked for, at most. Beyond that, the rest of the file counts as one range of data.
const RANGES_MAX: usize = 65_536;

/// The ranges that hold data, in order. If the system does not tell, one range covers the whole
/// file.
pub(super) fn ranges(file: &File) -> io::Result<Vec<Range<u64>>> {
    let (mut ranges, mut at) = (Vec::new(), 0);
    loop {
        let begins = match seek(file, SeekFrom::Data(at)) {
            Ok(begins) => begins,
            // No data follows.
            Err(Errno::NXIO) => return Ok(ranges),
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) if at == 0 => {
                return Ok(std::iter::once(0..u64::MAX).collect());
            }
            Err(error) => return Err(error.into()),
        };
        if ranges.len() == RANGES_MAX {
            ranges.push(begins..u64::MAX);
            return Ok(ranges);
        }
        let ends = seek(file, SeekFrom::Hole(begins))?;
        ranges.push(begins..ends);
        at = ends;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn what_was_written_lies_in_the_ranges_and_a_large_hole_does_not() {
        const MIB: u64 = 1 << 20;
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 * MIB).unwrap();
        file.write_all_at(b"data", 10 * MIB).unwrap();
        file.write_all_at(b"data", 50 * MIB).unwrap();
        let ranges = ranges(&file).unwrap();
        for at in [10 * MIB, 50 * MIB] {
            assert!(ranges.iter().any(|range| range.contains(&at)), "{ranges:?}");
        }
        // A file system may report all of the file as data.
        let is_told = ranges.len() > 1;
        assert!(!is_told || !ranges.iter().any(|range| range.contains(&(30 * MIB))), "{ranges:?}");
    }
}
