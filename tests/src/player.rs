//! A plain HTTP/1.1 client: what a player asks of `nearcast play`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Time limit for an answer to begin, or to go on.
const TIMEOUT: Duration = Duration::from_secs(120);
/// More than any answer here has.
const BODY_BYTES_MAX: u64 = 1 << 30;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status code, such as 206.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header, by its name in small letters. Empty: it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// The host and port of a URL, and the path at it.
pub fn parts(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url} is no http:// URL"));
    let slash = rest.find('/').unwrap_or_else(|| panic!("{url} has no path"));
    rest.split_at(slash)
}

/// Asks for a URL. `headers` are lines; if one of them is `Host`, no other is sent.
pub fn ask(method: &str, url: &str, headers: &[String]) -> Reply {
    let (address, path) = parts(url);
    let mut stream = TcpStream::connect(address).expect("somebody listens there");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout that is not zero");
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|line| line.starts_with("Host:")) {
        request += &format!("Host: {address}\r\n");
    }
    for line in headers {
        request += &format!("{line}\r\n");
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).expect("it takes a request");
    read(method, BufReader::new(stream))
}

fn read(method: &str, mut stream: BufReader<TcpStream>) -> Reply {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
    };
    let first = line();
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in {first}"));
    let mut headers = Vec::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut reply = Reply { status, headers, body: Vec::new() };
    let length: Option<u64> = reply.header("content-length").parse().ok();
    if method != "HEAD" {
        let most = length.unwrap_or(BODY_BYTES_MAX);
        stream.take(most).read_to_end(&mut reply.body).expect("the body comes");
    }
    reply
}

/// Asks for the bytes from `first` to `last`, both included.
pub fn range(url: &str, first: u64, last: u64) -> Reply {
    ask("GET", url, &[format!("Range: bytes={first}-{last}")])
}
