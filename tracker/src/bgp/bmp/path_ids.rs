//! Path ids in front of prefixes (RFC 7911) that the router did not announce when the peer came up. GoBGP up to 4.7 sends such for
//! its best routes (RFC 9069), and nothing but the bytes themselves tells.
//!
//! Invariant: what can be read as it was announced is read so, unless the same peer has shown otherwise before. So nobody who keeps
//! to what was announced is misunderstood.

use super::peers::Family;

/// How the prefixes of an update can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Without ids.
    Plain,
    /// With ids, and only so.
    WithIds,
    /// Both ways.
    Either,
    /// In no way.
    Neither,
}

/// Marker, length and kind in front of a message of BGP (RFC 4271, section 4.1).
const HEADER_BYTES: usize = 19;
const UPDATE: u8 = 2;
const MP_REACH: u8 = 14;
const MP_UNREACH: u8 = 15;
const UNICAST: u8 = 1;
const EXTENDED_LENGTH: u8 = 0x10;

/// How this family's prefixes in an update can be read; [`Form::Plain`] if it has none, or is no update.
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
        // Bits behind the length mean nothing (RFC 4271, section 4.3), though hardly anybody sets them.
        (false, false) if all(fits) => Form::Plain,
        (false, false) => Form::Neither,
    }
}

/// Lists of prefixes of one family, as they are in the update.
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

/// Two bytes of length, so many bytes, and the rest.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// Kind and value of the attribute in front, and the rest.
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

/// What follows family and sub-family, if they are these (RFC 4760).
fn of_family(value: &[u8], family: Family) -> Option<&[u8]> {
    let (&[high, low, sub], rest) = value.split_first_chunk()?;
    let number = if family == Family::V4 { 1 } else { 2 };
    (u16::from_be_bytes([high, low]) == number && sub == UNICAST).then_some(rest)
}

/// The prefixes behind the next hop and a reserved byte.
fn reached(value: &[u8], family: Family) -> Option<&[u8]> {
    let (&length, rest) = of_family(value, family)?.split_first()?;
    rest.get(usize::from(length).saturating_add(1)..)
}

/// One prefix of a list: its bits, its bytes, and what follows.
fn prefix(list: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&bits, rest) = list.split_first()?;
    let (bytes, rest) = rest.split_at_checked(usize::from(bits).div_ceil(8))?;
    Some((bits, bytes, rest))
}

/// Whether no bit behind the length is set.
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

/// Small ids begin with zeros, and a zero is a default route: nobody tells that twice at once.
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

    /// An update of IPv4 prefixes, withdrawn and announced.
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
            // A default route, alone and in front of another.
            (&[0], Form::Plain),
            (&[0, 24, 8, 8, 8], Form::Plain),
            (&[0, 0, 0, 1, 16, 45, 70], Form::WithIds),
            (&[0, 0, 0, 1, 16, 45, 70, 0, 0, 1, 7, 24, 8, 8, 8], Form::WithIds),
            (&[0, 0, 0, 0, 0], Form::WithIds),
            // A length that no prefix has, however it is read.
            (&[99, 1, 2], Form::Neither),
            (&[0, 0, 0, 1, 40, 1, 2, 3, 4, 5], Form::Neither),
            // Cut off.
            (&[24, 8, 8], Form::Neither),
            // Bits behind the length.
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
        // Origin; then what is reached: IPv6 unicast, a next hop of 16 bytes, an id, a /32; then what is not, with a long length.
        message.extend([0x40, 1, 1, 0]);
        message.extend([0x80, MP_REACH, 14, 0, 2, UNICAST, 0, 0, 0, 0, 0, 1, 32, 0x2a, 1, 7, 8]);
        message.extend([0x90, MP_UNREACH, 0, 11, 0, 2, UNICAST, 0, 0, 0, 2, 24, 0x2a, 1, 9]);
        assert_eq!(form(&message, Family::V6), Form::WithIds);
        assert_eq!(form(&message, Family::V4), Form::Plain);
        for cut in 0..message.len() {
            // Whatever is missing, an answer there is.
            form(&message[..cut], Family::V6);
        }
    }
}
