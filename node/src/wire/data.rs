//! `/nearcast/data/1`. The asker opens the stream and writes the info hash, then requests. The
//! other side answers in any order. Headers have a fixed size, big-endian, so that nothing is
//! parsed byte by byte.

use std::io;

use nearcast_core::{id::Hash, message::Refusal, untrusted::Untrusted};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Hashes in a proof, at most: a piece of 256 MiB has 2^10 runs.
const PROOF_HASHES_MAX: u8 = 10;

const REQUEST: u8 = 1;
const CANCEL: u8 = 2;
const REQUEST_EXACT: u8 = 3;
const RUN: u8 = 1;
const REFUSED: u8 = 2;

/// Header that an asker writes: kind, request id, run: 9 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Asks for a run.
    Request {
        /// The asker's number for this request.
        id: u32,
        /// The run's number, not yet checked against the content.
        run: Untrusted<u32>,
        /// Send this run and no other. Even an origin may not send another run in its place.
        exact: bool,
    },
    /// Cancels a request.
    Cancel {
        /// The asker's number for the request.
        id: u32,
    },
}

impl Ask {
    pub(crate) const BYTES: usize = 9;

    pub(crate) fn encode(self) -> [u8; Ask::BYTES] {
        let (kind, id, run) = match self {
            Ask::Request { id, run, exact: false } => (REQUEST, id, run),
            Ask::Request { id, run, exact: true } => (REQUEST_EXACT, id, run),
            Ask::Cancel { id } => (CANCEL, id, 0.into()),
        };
        let mut bytes = [0; Ask::BYTES];
        bytes[0] = kind;
        bytes[1..5].copy_from_slice(&id.to_be_bytes());
        bytes[5..9].copy_from_slice(&run.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: [u8; Ask::BYTES]) -> io::Result<Ask> {
        let (id, run) = (be32(&bytes[1..5]), be32(&bytes[5..9]).into());
        match bytes[0] {
            REQUEST => Ok(Ask::Request { id, run, exact: false }),
            REQUEST_EXACT => Ok(Ask::Request { id, run, exact: true }),
            CANCEL => Ok(Ask::Cancel { id }),
            _ => Err(malformed("a request of unknown kind")),
        }
    }
}

/// Header of an answer: kind, request id, run, hashes in the proof, length: 14 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A run follows: first its proof, then its bytes.
    Run {
        /// The asker's number for the request.
        id: u32,
        /// The run that follows. An origin may send another run than was asked for.
        run: Untrusted<u32>,
        /// Number of hashes in the proof.
        proof_hashes: u8,
        /// Length of the run, in bytes.
        bytes: Untrusted<u32>,
    },
    /// The run does not come.
    Refused {
        /// The asker's number for the request.
        id: u32,
        /// Why the run does not come.
        why: Refusal,
    },
}

impl Answer {
    pub(crate) const BYTES: usize = 14;

    pub(crate) fn encode(self) -> [u8; Answer::BYTES] {
        let (kind, id, run, proof_hashes, length) = match self {
            Answer::Run { id, run, proof_hashes, bytes } => (RUN, id, run, proof_hashes, bytes),
            Answer::Refused { id, why } => (REFUSED, id, refusal_number(why).into(), 0, 0.into()),
        };
        let mut bytes = [0; Answer::BYTES];
        bytes[0] = kind;
        bytes[1..5].copy_from_slice(&id.to_be_bytes());
        bytes[5..9].copy_from_slice(&run.to_be_bytes());
        bytes[9] = proof_hashes;
        bytes[10..14].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: [u8; Answer::BYTES]) -> io::Result<Answer> {
        let (id, number, proof_hashes, length) =
            (be32(&bytes[1..5]), be32(&bytes[5..9]), bytes[9], be32(&bytes[10..14]));
        match bytes[0] {
            RUN if proof_hashes > PROOF_HASHES_MAX => Err(malformed("a proof longer than any can be")),
            RUN => Ok(Answer::Run { id, run: number.into(), proof_hashes, bytes: length.into() }),
            REFUSED => Ok(Answer::Refused { id, why: refusal(number) }),
            _ => Err(malformed("an answer of unknown kind")),
        }
    }
}

fn refusal_number(why: Refusal) -> u32 {
    match why {
        Refusal::Choked => 1,
        Refusal::Missing => 2,
        Refusal::Busy => 3,
        Refusal::Elsewhere => 4,
    }
}

/// A reason from a later version counts as "busy": the asker asks again later.
fn refusal(number: u32) -> Refusal {
    match number {
        1 => Refusal::Choked,
        2 => Refusal::Missing,
        4 => Refusal::Elsewhere,
        _ => Refusal::Busy,
    }
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads a proof of this many hashes.
pub(crate) async fn read_proof(stream: &mut (impl AsyncRead + Unpin), hashes: u8) -> io::Result<Vec<Hash>> {
    let mut proof = vec![Hash::default(); usize::from(hashes)];
    for hash in &mut proof {
        stream.read_exact(hash).await?;
    }
    Ok(proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_out_as_they_went_in() {
        let request = |exact| Ask::Request { id: 7, run: u32::MAX.into(), exact };
        for ask in [request(false), request(true), Ask::Cancel { id: u32::MAX }] {
            assert_eq!(Ask::decode(ask.encode()).unwrap(), ask);
        }
        let answers = [
            Answer::Run { id: 1, run: 2.into(), proof_hashes: 10, bytes: 262_144.into() },
            Answer::Refused { id: 3, why: Refusal::Elsewhere },
        ];
        for answer in answers {
            assert_eq!(Answer::decode(answer.encode()).unwrap(), answer);
        }
    }

    #[test]
    fn unknown_kinds_and_impossible_proofs_are_refused() {
        assert!(Ask::decode([9; Ask::BYTES]).is_err());
        assert!(Answer::decode([9; Answer::BYTES]).is_err());
        let mut long = Answer::Run { id: 0, run: 0.into(), proof_hashes: 10, bytes: 1.into() }.encode();
        long[9] = 11;
        assert!(Answer::decode(long).is_err());
    }
}
