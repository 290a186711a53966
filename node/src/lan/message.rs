//! The part of DNS messages that we need: one question, and one answer with a text record.
//!
//! Messages of other programs arrive on the same multicast group. Whatever they hold, reading them
//! ends, and yields nothing that is not in them.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use crate::events::LanSaid;
use libp2p::PeerId;
use nearcast_core::saturate::{to_u8, to_u16};

/// The largest message that fits an Ethernet frame, in bytes. A longer message is not ours.
pub(super) const MESSAGE_BYTES_MAX: usize = 1_472;

const SERVICE: [&[u8]; 3] = [b"_nearcast", b"_udp", b"local"];
/// How long receivers may keep an answer.
const TTL_SECONDS: u32 = 120;
/// Flags of a response, authoritative.
const RESPONSE: u16 = 0x8400;
const IS_RESPONSE: u16 = 0x8000;
const PTR: u16 = 12;
const TXT: u16 = 16;
const ANY: u16 = 255;
const INTERNET: u16 = 1;
/// The highest bit of a class: the record replaces what was known under its name.
const FLUSH: u16 = 0x8000;
/// Records read in one message, at most.
const RECORDS_MAX: usize = 32;
/// Pointers followed in one name, and bytes in a name (RFC 1035), at most.
const JUMPS_MAX: usize = 8;
const NAME_BYTES_MAX: usize = 255;

/// A message that concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A question: which peers are there?
    Question,
    /// An answer: a peer is there, or leaves.
    Answer(LanSaid),
}

/// Encodes the question which peers are there.
pub(super) fn question() -> Vec<u8> {
    let mut out = header(0, 1, 0, 0);
    put_name(&mut out, &SERVICE);
    put_u16(&mut out, PTR);
    put_u16(&mut out, INTERNET);
    out
}

/// Encodes the answer that a peer is there, or leaves.
pub(super) fn answer(said: &LanSaid) -> Vec<u8> {
    let id = said.peer.to_base58();
    let instance = [id.as_bytes(), SERVICE[0], SERVICE[1], SERVICE[2]];
    let ttl = if said.leaves { 0 } else { TTL_SECONDS };
    let mut out = header(RESPONSE, 0, 1, 1);
    put_record(&mut out, &SERVICE, PTR, INTERNET, ttl, |data| put_name(data, &instance));
    put_record(&mut out, &instance, TXT, INTERNET | FLUSH, ttl, |data| {
        for text in [format!("id={id}"), format!("tcp={}", said.tcp), format!("udp={}", said.udp)] {
            put_label(data, text.as_bytes());
        }
    });
    out
}

fn header(flags: u16, questions: u16, answers: u16, additional: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for number in [0, flags, questions, answers, 0, additional] {
        put_u16(&mut out, number);
    }
    out
}

fn put_u16(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_be_bytes());
}

fn put_label(out: &mut Vec<u8>, label: &[u8]) {
    // Our labels never exceed the 63 bytes that a label may have.
    out.push(to_u8(label.len()));
    out.extend(label);
}

fn put_name(out: &mut Vec<u8>, labels: &[&[u8]]) {
    labels.iter().for_each(|label| put_label(out, label));
    out.push(0);
}

fn put_record(
    out: &mut Vec<u8>,
    name: &[&[u8]],
    kind: u16,
    class: u16,
    ttl: u32,
    put_data: impl FnOnce(&mut Vec<u8>),
) {
    put_name(out, name);
    put_u16(out, kind);
    put_u16(out, class);
    out.extend(ttl.to_be_bytes());
    let mut data = Vec::new();
    put_data(&mut data);
    put_u16(out, to_u16(data.len()));
    out.extend(data);
}

/// Reads a message. `None`: it does not concern us, or makes no sense.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let mut reader = Reader { bytes, at: 0 };
    let (_, flags) = (reader.u16()?, reader.u16()?);
    let [questions, answers, authorities, additional] =
        [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?].map(usize::from);
    if flags & IS_RESPONSE == 0 {
        return reader.asks_for_us(questions).then_some(Message::Question);
    }
    for _ in 0..questions.min(RECORDS_MAX) {
        reader.name()?;
        reader.take(4)?;
    }
    let records = answers.saturating_add(authorities).saturating_add(additional);
    for _ in 0..records.min(RECORDS_MAX) {
        if let Some(said) = reader.record()? {
            return Some(Message::Answer(said));
        }
    }
    None
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// The labels of a name. A pointer may only lead back, so that no name is endless.
    fn name(&mut self) -> Option<Vec<&'a [u8]>> {
        let (mut labels, mut length) = (Vec::new(), 0_usize);
        let (mut at, mut jumps, mut after) = (self.at, 0_usize, None);
        loop {
            let first = *self.bytes.get(at)?;
            let behind = at.checked_add(1)?;
            match first {
                0 => break,
                1..=63 => {
                    let label = self.bytes.get(behind..)?.get(..usize::from(first))?;
                    length = length.saturating_add(label.len()).saturating_add(1);
                    if length > NAME_BYTES_MAX {
                        return None;
                    }
                    labels.push(label);
                    at = behind.checked_add(label.len())?;
                }
                0xc0..=0xff => {
                    let target = usize::from(first & 0x3f) << 8 | usize::from(*self.bytes.get(behind)?);
                    after.get_or_insert(behind.checked_add(1)?);
                    jumps = jumps.saturating_add(1);
                    if target >= at || jumps > JUMPS_MAX {
                        return None;
                    }
                    at = target;
                }
                _ => return None,
            }
        }
        self.at = after.unwrap_or(at.saturating_add(1));
        Some(labels)
    }

    fn asks_for_us(&mut self, questions: usize) -> bool {
        (0..questions.min(RECORDS_MAX)).any(|_| {
            let asked = self.name().and_then(|name| {
                let (kind, _) = (self.u16()?, self.u16()?);
                Some(is_service(&name) && matches!(kind, PTR | ANY))
            });
            asked.unwrap_or(false)
        })
    }

    /// Reads one record. Returns its content if it is the text record of a nearcast peer.
    fn record(&mut self) -> Option<Option<LanSaid>> {
        let name = self.name()?;
        let (kind, _class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = self.u16()?;
        let data = self.take(usize::from(length))?;
        let ours = kind == TXT && name.split_first().is_some_and(|(_, service)| is_service(service));
        Some(ours.then(|| said(data, ttl)).flatten())
    }
}

fn is_service(name: &[&[u8]]) -> bool {
    name.len() == SERVICE.len() && name.iter().zip(SERVICE).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// Reads `id=…`, `tcp=…` and `udp=…`. Other texts are from a later version and ignored.
fn said(data: &[u8], ttl: u32) -> Option<LanSaid> {
    let mut texts = Reader { bytes: data, at: 0 };
    let (mut peer, mut tcp, mut udp) = (None, 0, 0);
    while let Some(&[length]) = texts.take(1) {
        let text = std::str::from_utf8(texts.take(usize::from(length))?).ok()?;
        match text.split_once('=') {
            Some(("id", value)) => peer = value.parse::<PeerId>().ok(),
            Some(("tcp", value)) => tcp = value.parse().ok()?,
            Some(("udp", value)) => udp = value.parse().ok()?,
            _ => {}
        }
    }
    Some(LanSaid { peer: peer?, tcp, udp, leaves: ttl == 0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn somebody(leaves: bool) -> LanSaid {
        LanSaid { peer: PeerId::random(), tcp: 4_800, udp: 65_535, leaves }
    }

    #[test]
    fn what_is_said_is_understood_and_fits_a_frame() {
        assert_eq!(read(&question()), Some(Message::Question));
        for leaves in [false, true] {
            let said = somebody(leaves);
            let message = answer(&said);
            assert!(message.len() < 512, "{} bytes", message.len());
            assert_eq!(read(&message), Some(Message::Answer(said)));
        }
    }

    #[test]
    fn an_identity_of_any_kind_fits_a_label() {
        // Our peer ids have 52 characters; a label has room for 63.
        let id = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id();
        assert!(id.to_base58().len() <= 63);
    }

    #[test]
    fn others_questions_and_answers_are_none_of_ours() {
        let mut query = header(0, 1, 0, 0);
        put_name(&mut query, &[b"_p2p", b"_udp", b"local"]);
        query.extend([0, PTR as u8, 0, INTERNET as u8]);
        assert_eq!(read(&query), None);
        let mut other = header(RESPONSE, 0, 1, 0);
        let name: [&[u8]; 4] = [b"printer", b"_ipp", b"_tcp", b"local"];
        put_record(&mut other, &name, TXT, INTERNET, 120, |data| put_label(data, b"id=me"));
        assert_eq!(read(&other), None);
    }

    #[test]
    fn names_by_pointer_are_read_and_no_pointer_leads_in_circles() {
        let said = somebody(false);
        let id = said.peer.to_base58();
        let mut message = header(RESPONSE, 0, 2, 0);
        put_record(&mut message, &SERVICE, PTR, INTERNET, 120, |data| {
            put_label(data, id.as_bytes());
            data.extend([0xc0, 12]);
        });
        // The instance's name is in the data of the record before.
        let at = message.len() - 2 - 1 - id.len();
        message.extend([0xc0, at as u8]);
        for number in [TXT, INTERNET, 0, 120] {
            put_u16(&mut message, number);
        }
        let mut data = Vec::new();
        for text in [format!("id={id}"), "tcp=4800".to_owned(), "udp=65535".to_owned(), "x".to_owned()] {
            put_label(&mut data, text.as_bytes());
        }
        put_u16(&mut message, data.len() as u16);
        message.extend(data);
        assert_eq!(read(&message), Some(Message::Answer(said)));
        for circle in [[0xc0, 12], [0xc0, 13], [0xff, 0xff]] {
            let mut message = header(0, 1, 0, 0);
            message.extend(circle);
            message.extend([0, PTR as u8, 0, 1]);
            assert_eq!(read(&message), None);
        }
    }

    #[test]
    fn no_cut_and_no_changed_byte_is_trouble() {
        let message = answer(&somebody(false));
        for cut in 0..message.len() {
            assert_eq!(read(&message[..cut]), None, "cut at {cut}");
        }
        for at in 0..message.len() {
            for value in [0, 1, 63, 64, 0x80, 0xc0, 0xff] {
                let mut changed = message.clone();
                changed[at] = value;
                let _ = read(&changed);
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_by_is_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..1_500)) {
            let _ = read(&bytes);
            let mut announced = header(RESPONSE, 1, 3, 9);
            announced.extend(bytes);
            let _ = read(&announced);
        }
    }
}
