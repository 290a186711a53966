//! Splits a line into fields separated by tabs, blanks or commas, with or without quotes.
//!
//! The character after the first field decides the separator. A set of ASes, `{64500, 64501}`, is
//! one field.

/// The fields of a line. Empty fields exist between commas, but not between blanks.
pub(super) struct Fields<'a> {
    rest: &'a str,
    by_commas: bool,
    ended: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn of(line: &'a str) -> Fields<'a> {
        let rest = line.trim();
        let after_first = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').map_or("", |(_, after)| after),
            None => rest.find(|c: char| c == ',' || c.is_whitespace()).map_or("", |at| &rest[at..]),
        };
        Fields { rest, by_commas: after_first.trim_start().starts_with(','), ended: rest.is_empty() }
    }

    /// The end of the first field, if something follows it.
    fn end(&self) -> Option<usize> {
        let (mut in_quotes, mut in_set) = (false, false);
        let parts = |(_, c): &(usize, char)| {
            match c {
                '"' => in_quotes = !in_quotes,
                '{' if !in_quotes => in_set = true,
                '}' if !in_quotes => in_set = false,
                _ => {}
            }
            let part = if self.by_commas { *c == ',' } else { c.is_whitespace() };
            part && !in_quotes && !in_set
        };
        self.rest.char_indices().find(parts).map(|(at, _)| at)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.ended {
            return None;
        }
        let field = match self.end() {
            Some(at) => {
                let field = &self.rest[..at];
                let rest = &self.rest[at..];
                self.rest = if self.by_commas { &rest[1..] } else { rest.trim_start() };
                field
            }
            None => {
                self.ended = true;
                self.rest
            }
        };
        let field = field.trim();
        Some(field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field))
    }
}

/// The line without a trailing comment, which starts with # or ; after a blank.
pub(super) fn without_comment(line: &str) -> &str {
    let begins = |(at, c): &(usize, char)| {
        matches!(c, '#' | ';') && line[..*at].chars().next_back().is_none_or(char::is_whitespace)
    };
    let end = line.char_indices().find(begins).map_or(line.len(), |(at, _)| at);
    line[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_parted_by_what_follows_the_first() {
        for line in [
            "a\tb\tc d",
            "a b c d",
            " a   b\t c  ",
            "a,b,c",
            "a, b, c",
            "\"a\",\"b\",\"c, d\"",
            "\"a\" , b , c",
            "\"a\" \"b\" c",
            "a\t\t b c",
        ] {
            let fields: Vec<&str> = Fields::of(line).take(2).collect();
            assert_eq!(fields, ["a", "b"], "{line}");
        }
        assert_eq!(Fields::of("a\t{1, 2} c").collect::<Vec<_>>(), ["a", "{1, 2}", "c"]);
        assert_eq!(Fields::of("a,{1,2},c").collect::<Vec<_>>(), ["a", "{1,2}", "c"]);
        assert_eq!(Fields::of("a,,c").collect::<Vec<_>>(), ["a", "", "c"]);
        assert_eq!(Fields::of("alone").collect::<Vec<_>>(), ["alone"]);
        assert_eq!(Fields::of("  ").count(), 0);
        assert_eq!(Fields::of("a {1 2").count(), 2, "a set without an end is the last field");
    }

    #[test]
    fn a_comment_begins_behind_a_blank() {
        assert_eq!(without_comment("a b # c"), "a b");
        assert_eq!(without_comment("a b\t; c"), "a b");
        assert_eq!(without_comment("a C#"), "a C#");
        assert_eq!(without_comment("# all"), "");
    }
}
