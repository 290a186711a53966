//! Path ids in front of prefixes (RFC 7911) that the router did not announce when the peer came up.
//! GoBGP up to 4.7 sends them for its best routes (RFC 9069). Only the bytes themselves show it.
//!
//! Invariant: an update that can be read as announced is read so, unless the same peer has sent
//! unannounced ids before. So a router that keeps to what it announced is never misread.

use super::peers::Family;

/// How the prefixes of an update can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Without ids.
    Plain,
    /// Only with ids.
    WithIds,
    /// Both ways.
    Either,
    /// In neither way.
    Neither,
}

/// Marker, length and kind in front of a BGP message (RFC 4271, section 4.1). In bytes.
const HEADER_BYTES: usize = 19;
const UPDATE: u8 = 2;
const MP_REACH: u8 = 14;
const MP_UNREACH: u8 = 15;
const UNICAST: u8 = 1;
const EXTENDED_LENGTH: u8 = 0x10;

/// How the prefixes of this family in an update can be read. [`Form::Plain`] if there are none, or
/// if the message is not an update.
pub(super) fn form(message: &[u8], family: Family) -> Form {
    let Some(lists) = lists(message, family) else { return Form::Plain };
    if lists.iter().all(|list| list.is_empty()) {
        return Form::Plain;
    }
    let bits_max = if family == Family::V4 { 32 } else { 128 };
    let all = |read: fn(&[u8], u8) -> bool| lists.iter().all(|list| read(list, bits_max));
    match (all(is_plain), all(has_ids)) {
        (true, false) => Form::Plain,
        (true, true) => Form::Either,
        (false, true) => Form::WithIds,
        // Bits after the prefix length mean nothing (RFC 4271, section 4.3), though hardly any
        // router sets them.
        (false, false) if all(fits) => Form::Plain,
        (false, false) => Form::Neither,
    }
}

/// The prefix lists of one family in the update.
fn lists(message: &[u8], family: Family) -> Option<Vec<&[u8]>> {
    if message.get(HEADER_BYTES.saturating_sub(1)) != Some(&UPDATE) {
        return None;
    }
    let (withdrawn, rest) = sized(message.get(HEADER_BYTES..)?)?;
    let (mut attributes, announced) = sized(rest)?;
    let mut lists = if family == Family::V4 { vec![withdrawn, announced] } else { Vec::new() };
    while let Some((kind, value, rest)) = attribute(attributes) {
        let list = match kind {
            MP_REACH => reached(value, family),
            MP_UNREACH => of_family(value, family),
            _ => None,
        };
        lists.extend(list);
        attributes = rest;
    }
    Some(lists)
}

/// Splits off a two-byte length and that many bytes; also returns the rest.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// The kind and value of the first attribute, and the rest.
fn attribute(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[flags, kind], rest) = bytes.split_first_chunk()?;
    let (value, rest) = if flags & EXTENDED_LENGTH != 0 {
        sized(rest)?
    } else {
        let (&length, rest) = rest.split_first()?;
        rest.split_at_checked(length.into())?
    };
    Some((kind, value, rest))
}

/// The bytes after the family and sub-family, if these match (RFC 4760).
fn of_family(value: &[u8], family: Family) -> Option<&[u8]> {
    let (&[high, low, sub], rest) = value.split_first_chunk()?;
    let number = if family == Family::V4 { 1 } else { 2 };
    (u16::from_be_bytes([high, low]) == number && sub == UNICAST).then_some(rest)
}

/// The prefixes after the next hop and a reserved byte.
fn reached(value: &[u8], family: Family) -> Option<&[u8]> {
    let (&length, rest) = of_family(value, family)?.split_first()?;
    rest.get(usize::from(length).saturating_add(1)..)
}

/// The first prefix of a list: its length in bits, its bytes, and the rest.
fn prefix(list: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&bits, rest) = list.split_first()?;
    let (bytes, rest) = rest.split_at_checked(usize::from(bits).div_ceil(8))?;
    Some((bits, bytes, rest))
}

/// Whether all bits after the prefix length are zero.
fn is_clean(bits: u8, bytes: &[u8]) -> bool {
    let used = bits & 7;
    used == 0 || bytes.last().is_none_or(|last| last & 0xff_u8.checked_shr(used.into()).unwrap_or(0) == 0)
}

fn fits(mut list: &[u8], bits_max: u8) -> bool {
    while let Some((bits, _, rest)) = prefix(list) {
        if bits > bits_max {
            return false;
        }
        list = rest;
    }
    list.is_empty()
}

/// Whether the list reads well without ids. Small ids begin with zero bytes, and a zero byte reads
/// as a default route, which nobody sends twice in one list.
fn is_plain(mut list: &[u8], bits_max: u8) -> bool {
    let mut defaults = 0_u8;
    while let Some((bits, bytes, rest)) = prefix(list) {
        defaults = defaults.saturating_add((bits == 0).into());
        if bits > bits_max || defaults > 1 || !is_clean(bits, bytes) {
            return false;
        }
        list = rest;
    }
    list.is_empty()
}

fn has_ids(mut list: &[u8], bits_max: u8) -> bool {
    while !list.is_empty() {
        let Some((bits, bytes, rest)) = list.get(4..).and_then(prefix) else { return false };
        if bits > bits_max || !is_clean(bits, bytes) {
            return false;
        }
        list = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An update with IPv4 prefixes, withdrawn and announced.
    fn update(withdrawn: &[u8], announced: &[u8]) -> Vec<u8> {
        let mut message = vec![0xff; HEADER_BYTES - 1];
        message.push(UPDATE);
        message.extend((withdrawn.len() as u16).to_be_bytes());
        message.extend(withdrawn);
        message.extend([0, 0]);
        message.extend(announced);
        message
    }

    #[test]
    fn what_can_be_read_plainly_is_and_what_cannot_has_ids() {
        for (list, expected) in [
            (&[][..], Form::Plain),
            (&[24, 8, 8, 8], Form::Plain),
            (&[16, 45, 70, 24, 8, 8, 8], Form::Plain),
            // A default route, alone and before another prefix.
            (&[0], Form::Plain),
            (&[0, 24, 8, 8, 8], Form::Plain),
            (&[0, 0, 0, 1, 16, 45, 70], Form::WithIds),
            (&[0, 0, 0, 1, 16, 45, 70, 0, 0, 1, 7, 24, 8, 8, 8], Form::WithIds),
            (&[0, 0, 0, 0, 0], Form::WithIds),
            // A length that no prefix has, whichever way it is read.
            (&[99, 1, 2], Form::Neither),
            (&[0, 0, 0, 1, 40, 1, 2, 3, 4, 5], Form::Neither),
            // Truncated.
            (&[24, 8, 8], Form::Neither),
            // Bits after the prefix length.
            (&[20, 8, 8, 8], Form::Plain),
            // Large ids that could be prefixes, and prefixes that could be ids.
            (&[1, 0, 8, 9, 8, 10], Form::Either),
            (&[8, 10, 8, 11, 8, 12], Form::Either),
        ] {
            assert_eq!(form(&update(&[], list), Family::V4), expected, "{list:?}");
            assert_eq!(form(&update(list, &[]), Family::V4), expected, "{list:?}");
            assert_eq!(
                form(&update(list, list), Family::V6),
                Form::Plain,
                "of the other family there is none"
            );
        }
    }

    #[test]
    fn both_lists_of_a_message_are_written_alike() {
        assert_eq!(form(&update(&[0, 0, 0, 1, 8, 9], &[24, 8, 8, 8]), Family::V4), Form::Neither);
    }

    #[test]
    fn other_families_are_found_in_their_attributes() {
        let mut message = vec![0xff; HEADER_BYTES - 1];
        message.push(UPDATE);
        message.extend([0, 0, 0, 36]);
        // Origin; then the reachable prefixes: IPv6 unicast, a next hop of 16 bytes, an id, a /32;
        // then the unreachable ones, with an extended length.
        message.extend([0x40, 1, 1, 0]);
        message.extend([0x80, MP_REACH, 14, 0, 2, UNICAST, 0, 0, 0, 0, 0, 1, 32, 0x2a, 1, 7, 8]);
        message.extend([0x90, MP_UNREACH, 0, 11, 0, 2, UNICAST, 0, 0, 0, 2, 24, 0x2a, 1, 9]);
        assert_eq!(form(&message, Family::V6), Form::WithIds);
        assert_eq!(form(&message, Family::V4), Form::Plain);
        for cut in 0..message.len() {
            // There is an answer for every truncation.
            form(&message[..cut], Family::V6);
        }
    }
}
