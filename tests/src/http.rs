//! A minimal HTTP client for admin listeners.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Time limit for an answer. A local listener answers sooner.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer: its status and its whole text.
#[derive(Debug)]
pub struct Answer {
    /// The status code, such as 200.
    pub status: u16,
    /// Headers and body.
    pub text: String,
}

/// Asks for `path` at `http://IP:PORT`. `None`: nothing answers there.
pub fn try_get(url: &str, path: &str) -> Option<Answer> {
    let address = url.strip_prefix("http://").expect("an admin's address is a URL");
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout that is not zero");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, text })
}

/// Like [`try_get`], but panics without an answer.
pub fn get(url: &str, path: &str) -> Answer {
    try_get(url, path).unwrap_or_else(|| panic!("nobody answers at {url}{path}"))
}

impl Answer {
    /// The value of a metric. The name may include labels.
    pub fn metric(&self, name: &str) -> f64 {
        let value = self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let number = value.and_then(|value| value.parse().ok());
        number.unwrap_or_else(|| panic!("no metric {name} in\n{}", self.text))
    }
}
