//! Graphs, bars and maps, as text.

use super::theme::Glyphs;

/// The dots of one braille cell: two columns of four, from the top. Bits of U+2800 (Unicode, Braille
/// Patterns).
const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
/// Where braille begins.
const BRAILLE: u32 = 0x2800;

/// A bar of `columns` columns. Its last column is full only when everything is there, and its first
/// one as soon as there is something.
pub(crate) fn bar(part: u64, total: u64, columns: usize, glyphs: &Glyphs) -> (String, String) {
    let full = match (part, total) {
        (0, _) | (_, 0) => 0,
        (part, total) if part >= total => columns,
        (part, total) => {
            let full = u128::from(part) * columns as u128 / u128::from(total);
            (full as usize).max(1).min(columns.saturating_sub(1))
        }
    };
    let [done, rest] = glyphs.bar;
    (done.to_string().repeat(full), rest.to_string().repeat(columns - full))
}

/// The area below a line through `samples`, the newest at the right edge. `top`: the value at the
/// upper edge. Rows from the top.
pub(crate) fn graph(samples: &[f64], top: f64, columns: usize, rows: usize, glyphs: &Glyphs) -> Vec<String> {
    match glyphs.braille {
        true => braille(samples, top, columns, rows),
        false => blocks(samples, top, columns, rows),
    }
}

/// How many samples a graph of this width shows.
pub(crate) fn samples_shown(columns: usize, glyphs: &Glyphs) -> usize {
    columns * if glyphs.braille { 2 } else { 1 }
}

/// The height of each sample in dots. Something is never shown as nothing.
fn heights(samples: &[f64], top: f64, count: usize, dots: usize) -> Vec<usize> {
    let newest = &samples[samples.len().saturating_sub(count)..];
    let height = |value: &f64| match *value {
        value if value > 0.0 && top > 0.0 => ((value / top * dots as f64).round() as usize).clamp(1, dots),
        _ => 0,
    };
    let empty = std::iter::repeat_n(0, count - newest.len());
    empty.chain(newest.iter().map(height)).collect()
}

fn braille(samples: &[f64], top: f64, columns: usize, rows: usize) -> Vec<String> {
    let heights = heights(samples, top, columns * 2, rows * 4);
    let cell = |row: usize, column: usize| {
        let mut bits = 0;
        for (side, dots) in DOTS.iter().enumerate() {
            let height = heights[column * 2 + side];
            for (dot, bit) in dots.iter().enumerate() {
                let from_below = (rows - row) * 4 - dot;
                bits |= if height >= from_below { *bit } else { 0 };
            }
        }
        if bits == 0 { ' ' } else { char::from_u32(BRAILLE + bits).unwrap_or(' ') }
    };
    (0..rows).map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect()
}

fn blocks(samples: &[f64], top: f64, columns: usize, rows: usize) -> Vec<String> {
    let heights = heights(samples, top, columns, rows * 2);
    let cell = |row: usize, height: usize| match height.saturating_sub((rows - row - 1) * 2) {
        0 => ' ',
        1 => '.',
        _ => ':',
    };
    (0..rows).map(|row| heights.iter().map(|&height| cell(row, height)).collect()).collect()
}

/// The glyph for a part of the map of which this share is here, 0 to 255. The first is for nothing
/// and the last for everything only.
pub(crate) fn map_cell(share: u8, glyphs: &Glyphs) -> char {
    match share {
        0 => glyphs.map[0],
        255 => glyphs.map[4],
        share => glyphs.map[1 + usize::from(share) * 3 / 256],
    }
}

/// A number for the upper edge of a graph that is at least `value`: 1, 2 or 5 times a power of ten.
pub(crate) fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 1.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::theme::Theme;

    fn glyphs(name: &str) -> &'static Glyphs {
        Theme::named(name).unwrap().glyphs
    }

    #[test]
    fn a_bar_shows_the_first_byte_and_is_full_with_the_last() {
        let drawn = |part, total| {
            let (done, rest) = bar(part, total, 4, glyphs("ascii"));
            done + &rest
        };
        assert_eq!(drawn(0, 100), "----");
        assert_eq!(drawn(1, 100), "=---");
        assert_eq!(drawn(50, 100), "==--");
        assert_eq!(drawn(99, 100), "===-");
        assert_eq!(drawn(100, 100), "====");
        assert_eq!(drawn(5, 0), "----");
        for columns in 0..3 {
            let (done, rest) = bar(1, 2, columns, glyphs("mono"));
            assert_eq!(done.chars().count() + rest.chars().count(), columns);
        }
    }

    #[test]
    fn graphs_stand_at_the_right_edge_and_show_what_is_small() {
        assert_eq!(graph(&[1.0, 4.0], 4.0, 2, 1, glyphs("dark")), [" ⣸"]);
        assert_eq!(graph(&[0.0, 0.001], 4.0, 1, 1, glyphs("dark")), ["⢀"]);
        assert_eq!(graph(&[1.0, 2.0, 4.0], 4.0, 4, 2, glyphs("ascii")), ["   :", " .::"]);
        assert_eq!(graph(&[], 0.0, 3, 2, glyphs("dark")), ["   ", "   "]);
        assert_eq!(graph(&[8.0, f64::NAN], 4.0, 1, 1, glyphs("dark")), ["⡇"], "never above the edge");
    }

    #[test]
    fn a_part_of_the_map_is_full_only_with_all_its_runs() {
        let cells: String =
            [0, 1, 100, 200, 254, 255].map(|share| map_cell(share, glyphs("ascii"))).iter().collect();
        assert_eq!(cells, ".-+**#");
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, edge) in
            [(0.0, 1.0), (3.0, 5.0), (1_000.0, 1_000.0), (1_200_000.0, 2_000_000.0), (f64::NAN, 1.0)]
        {
            assert_eq!(round_up(value), edge, "{value}");
        }
    }
}
