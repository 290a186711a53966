//! The file name of a content's `.torrent`.

use nearcast_core::paths::{NAME_BYTES_MAX, stand_in};

/// `NAME.torrent`. If that is too long, the name is made from the stand-in of `name`, which no
/// other name has.
pub fn torrent_name(name: &str) -> String {
    let beside = format!("{name}.torrent");
    match beside.len() <= NAME_BYTES_MAX {
        true => beside,
        false => format!("{}.torrent", stand_in(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_torrent_of_its_own_that_a_disk_holds() {
        assert_eq!(torrent_name("film.mkv"), "film.mkv.torrent");
        assert_eq!(torrent_name(&"n".repeat(247)).len(), NAME_BYTES_MAX);
        let (one, two) = (torrent_name(&"ä".repeat(127)), torrent_name(&("ä".repeat(126) + "x")));
        for name in [&one, &two] {
            assert!(name.len() <= NAME_BYTES_MAX && name.ends_with(".torrent"), "{name}");
        }
        assert_ne!(one, two);
    }
}
