//! Metainfo written by hand, for torrents that no honest tool writes.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// A bencoded value (BEP 3).
#[derive(Clone, Debug)]
pub enum Value {
    /// `i7e`
    Number(i64),
    /// `3:abc`
    Bytes(Vec<u8>),
    /// `l…e`
    List(Vec<Value>),
    /// `d…e`, keys in order.
    Map(BTreeMap<Vec<u8>, Value>),
}

impl Value {
    /// A byte string.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Value {
        Value::Bytes(bytes.as_ref().to_vec())
    }

    /// A dictionary.
    pub fn map<const N: usize>(entries: [(&[u8], Value); N]) -> Value {
        Value::Map(entries.into_iter().map(|(key, value)| (key.to_vec(), value)).collect())
    }

    /// The bencoded bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Number(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
            Value::Bytes(bytes) => write_bytes(out, bytes),
            Value::List(items) => {
                out.push(b'l');
                items.iter().for_each(|item| item.write(out));
                out.push(b'e');
            }
            Value::Map(entries) => {
                out.push(b'd');
                for (key, value) in entries {
                    write_bytes(out, key);
                    value.write(out);
                }
                out.push(b'e');
            }
        }
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

/// A v2 torrent (BEP 52) called `name` with one small file at `path`. Everything is right except
/// the names. If `path` is `name` alone, it is a torrent of a single file.
pub fn with_names(name: &[u8], path: &[&[u8]]) -> Vec<u8> {
    const DATA: &[u8] = b"hello";
    let leaf = Value::map([
        (b"length", Value::Number(DATA.len() as i64)),
        (b"pieces root", Value::bytes(Sha256::digest(DATA))),
    ]);
    let file = Value::map([(b"", leaf)]);
    let tree = path.iter().rev().fold(file, |below, component| Value::map([(component, below)]));
    let info = Value::map([
        (b"file tree", tree),
        (b"meta version", Value::Number(2)),
        (b"name", Value::bytes(name)),
        (b"piece length", Value::Number(16_384)),
    ]);
    Value::map([(b"info", info), (b"piece layers", Value::Map(BTreeMap::new()))]).encode()
}

/// A torrent of version 1 only.
pub fn version_1() -> Vec<u8> {
    let info = Value::map([
        (b"length", Value::Number(5)),
        (b"name", Value::bytes("old.bin")),
        (b"piece length", Value::Number(16_384)),
        (b"pieces", Value::bytes([7; 20])),
    ]);
    Value::map([(b"info", info)]).encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_are_written_in_order_of_their_keys() {
        let value = Value::map([(b"b", Value::List(vec![Value::Number(-1)])), (b"a", Value::bytes("xy"))]);
        assert_eq!(value.encode(), b"d1:a2:xy1:bli-1eee");
    }

    #[test]
    fn a_single_file_has_its_name_as_the_only_path() {
        let torrent = with_names(b"f", &[b"f"]);
        let start = b"d4:infod9:file treed1:fd0:d6:lengthi5e11:pieces root32:";
        assert_eq!(&torrent[..start.len()], start);
    }
}
