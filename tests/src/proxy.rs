//! A small HTTP proxy that may demand credentials, and counts the requests that go through it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// The longest request head. Ours are shorter.
const HEAD_BYTES_MAX: u64 = 16 * 1024;
/// A client that is silent for this long is gone.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A proxy on its own port. Dropping it ends the accepting thread; the thread of a connection ends
/// with the connection.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// The `Proxy-Authorization` header that requests must have. `None`: no credentials.
    authorization: Option<String>,
    requests: AtomicU32,
    stop: AtomicBool,
}

impl Proxy {
    /// Starts a proxy on any port of `ip`. With `credentials` (`user:password`) it demands these.
    pub fn start(ip: &str, credentials: Option<&str>) -> Proxy {
        let listener = TcpListener::bind((ip, 0)).expect("a loopback address can be listened on");
        let address = listener.local_addr().expect("it listens");
        let shared = Arc::new(Shared {
            authorization: credentials.map(|text| format!("Basic {}", base64(text.as_bytes()))),
            requests: AtomicU32::new(0),
            stop: AtomicBool::new(false),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if shared.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    // A client that breaks off is no failure of the proxy.
                    std::thread::spawn(move || drop(serve(stream, &shared)));
                }
            })
        };
        Proxy { shared, address, accepting: Some(accepting) }
    }

    /// The URL of the proxy, with `user:password@` or nothing before the host.
    pub fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}{}", self.address)
    }

    /// Number of requests that went through.
    pub fn requests(&self) -> u32 {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread. If it has ended, there is nothing to wake.
        let _ = TcpStream::connect(self.address);
        let ended = self.accepting.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(ended.is_some_and(|end| end.is_ok()), "the proxy does not panic");
        }
    }
}

/// Serves one request, to the end of its connection.
fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_read_timeout(Some(IDLE_MAX))?;
    let mut reader = BufReader::new(client.try_clone()?);
    let head = head(&mut reader)?;
    let first = head.first().cloned().unwrap_or_default();
    let (method, target) = first.split_once(' ').unwrap_or_default();
    let target = target.split(' ').next().unwrap_or_default();
    let said = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.to_owned())
    });
    if shared.authorization.is_some() && said != shared.authorization {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(refusal.as_bytes());
    }
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let (host, request) = match method {
        "CONNECT" => (target.to_owned(), None),
        _ => {
            let rest = target.strip_prefix("http://").unwrap_or(target);
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let ours = |line: &&String| {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                !matches!(name.as_str(), "proxy-authorization" | "proxy-connection" | "connection")
            };
            let fields: String = head[1..].iter().filter(ours).map(|line| format!("{line}\r\n")).collect();
            (host.to_owned(), Some(format!("{method} {path} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n")))
        }
    };
    let mut server = TcpStream::connect(&host)?;
    match &request {
        Some(request) => server.write_all(request.as_bytes())?,
        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?,
    }
    let (mut up, mut from_server) = (server.try_clone()?, server.try_clone()?);
    let tunnel = request.is_none();
    let sending = std::thread::spawn(move || {
        if tunnel {
            // Either side may break off.
            let _ = std::io::copy(&mut reader, &mut up);
            let _ = up.shutdown(Shutdown::Write);
        }
    });
    if tunnel {
        std::io::copy(&mut from_server, &mut client)?;
    } else {
        answer(&mut from_server, &mut client)?;
    }
    let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    sending.join().expect("copying does not panic");
    Ok(())
}

/// Passes on one answer whose head has its length.
fn answer(server: &mut TcpStream, client: &mut TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(server);
    let lines = head(&mut reader)?;
    let bytes = lines.iter().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<u64>().ok());
    let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    client.write_all(format!("{text}Connection: close\r\n\r\n").as_bytes())?;
    std::io::copy(&mut reader.take(bytes.unwrap_or_default()), client)?;
    Ok(())
}

fn head(reader: &mut impl BufRead) -> std::io::Result<Vec<String>> {
    let (mut lines, mut head) = (Vec::new(), reader.take(HEAD_BYTES_MAX));
    loop {
        let mut line = String::new();
        head.read_line(&mut line)?;
        match line.trim_end() {
            "" => return Ok(lines),
            text => lines.push(text.to_owned()),
        }
    }
}

/// Base64 of RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0_u32, |number, at| number << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn credentials_are_written_as_the_header_has_them() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("me:secret", "bWU6c2VjcmV0")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
