//! An HTTP/1.1 server of files that is good, or bad in one way, and counts its requests.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Size of one write.
const CHUNK_BYTES: u64 = 64 * 1024;
/// The longest request head. Ours are shorter.
const HEAD_BYTES_MAX: u64 = 16 * 1024;
/// A client that is silent for this long is gone.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How the server behaves.
#[derive(Clone, Debug, Default)]
pub enum Manner {
    /// Answers range requests, and keeps connections open.
    #[default]
    Good,
    /// Ignores ranges: every answer is the whole file.
    WholeOnly,
    /// Like several machines behind one name: each answer has another ETag, so a client with
    /// `If-Range` gets the whole file.
    Changing,
    /// Like `Changing`, and after this many answers the file has changed.
    Replaced(u32),
    /// Sends at most this many bytes of a range, and says so in the header.
    Short(u64),
    /// Takes one request in this time. Others get 503, without `Retry-After`.
    Limited(Duration),
    /// Takes one request at a time. Others get 429.
    OneByOne,
    /// Declares a compressed encoding, but sends the bytes unchanged.
    Mislabelled,
    /// This many answers are 503 first, with `Retry-After: 1`.
    Busy(u32),
    /// This many answers of more than one byte end half-way.
    Truncated(u32),
    /// One byte of each answer is wrong.
    Corrupt,
    /// Redirects everything: this text is put before the path.
    Redirect(String),
    /// At most this rate. In bytes a second.
    Slow(u64),
    /// Sends one byte at a time, with this pause before each.
    Drip(Duration),
    /// Sends this many bytes in all, then holds until [`WebServer::let_go`].
    Held(u64),
}

/// What the server has seen of its clients.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Requests, whatever the answer.
    pub requests: u32,
    /// Bytes of files sent.
    pub bytes: u64,
    /// Requests with credentials.
    pub with_credentials: u32,
    /// Requests that accept only unencoded bytes.
    pub plain: u32,
    /// Requests that were refused because they came too soon.
    pub limited: u32,
    /// Answers refused or cut short because of the manner.
    refused: u32,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    manner: Manner,
    stop: AtomicBool,
    free: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    seen: Seen,
    connections: Vec<TcpStream>,
    /// When the last request was taken, if requests are limited.
    taken: Option<Instant>,
    /// Number of answers being sent.
    sending: u32,
    threads: Vec<JoinHandle<()>>,
}

/// A server on its own port. Dropping it ends every connection and thread.
#[derive(Debug)]
pub struct WebServer {
    shared: Arc<Shared>,
    address: String,
    accepting: Option<JoinHandle<()>>,
}

struct Request {
    path: String,
    headers: BTreeMap<String, String>,
}

impl WebServer {
    /// Serves the files below `root`, on any port of `ip`.
    pub fn start(root: &Path, ip: &str, manner: Manner) -> WebServer {
        let listener = TcpListener::bind((ip, 0)).expect("a loopback address can be listened on");
        let address = listener.local_addr().expect("it listens").to_string();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            manner,
            stop: AtomicBool::new(false),
            free: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &shared))
        };
        WebServer { shared, address, accepting: Some(accepting) }
    }

    /// The URL of a path below the root.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The counts so far.
    pub fn seen(&self) -> Seen {
        self.shared.lock().seen.clone()
    }

    /// Waits until the server has sent this many bytes of files.
    pub fn wait_bytes(&self, bytes: u64, limit: Duration) {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| state.seen.bytes < bytes);
        let (state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "it sent {} of {bytes} bytes", state.seen.bytes);
    }

    /// Sends the bytes that are held.
    pub fn let_go(&self) {
        self.shared.free.store(true, Ordering::Relaxed);
        let _state = self.shared.lock();
        self.shared.changed.notify_all();
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.let_go();
        // Wakes the accepting thread. If it has ended, there is nothing to wake.
        let _ = TcpStream::connect(&self.address);
        let accepted = self.accepting.take().map(JoinHandle::join);
        let (connections, threads) = {
            let mut state = self.shared.lock();
            (std::mem::take(&mut state.connections), std::mem::take(&mut state.threads))
        };
        for connection in connections {
            // The connection may have ended already.
            let _ = connection.shutdown(Shutdown::Both);
        }
        let ended = threads.into_iter().all(|thread| thread.join().is_ok());
        if !std::thread::panicking() {
            assert!(ended && accepted.is_some_and(|end| end.is_ok()), "the web server does not panic");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal and returns true, if there were fewer than `most`.
    fn refuses(&self, most: u32) -> bool {
        let seen = &mut self.lock().seen;
        let refuses = seen.refused < most;
        seen.refused += u32::from(refuses);
        refuses
    }

    /// Whether to refuse this request because it comes too soon.
    fn comes_too_soon(&self) -> bool {
        let mut state = self.lock();
        let soon = match self.manner {
            Manner::Limited(gap) => state.taken.is_some_and(|taken| taken.elapsed() < gap),
            Manner::OneByOne => state.sending > 0,
            _ => return false,
        };
        if soon {
            state.seen.limited += 1;
        } else {
            state.taken = Some(Instant::now());
        }
        soon
    }

    fn wait_turn(&self, bytes: u64) {
        match self.manner {
            Manner::Slow(rate) => {
                std::thread::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64));
            }
            Manner::Drip(pause) => std::thread::sleep(pause),
            Manner::Held(most) => {
                let held =
                    |state: &mut State| state.seen.bytes + bytes > most && !self.free.load(Ordering::Relaxed);
                let turn = self.changed.wait_while(self.lock(), held);
                drop(turn.unwrap_or_else(PoisonError::into_inner));
            }
            _ => {}
        }
    }

    fn note_sent(&self, bytes: u64) {
        self.lock().seen.bytes += bytes;
        self.changed.notify_all();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok(copy) = stream.try_clone() else { continue };
        let thread = {
            let shared = Arc::clone(shared);
            // A client that breaks off is no failure of the server.
            std::thread::spawn(move || drop(serve(stream, &shared)))
        };
        let mut state = shared.lock();
        state.connections.push(copy);
        state.threads.push(thread);
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(IDLE_MAX))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read(&mut reader)? {
        let number = {
            let seen = &mut shared.lock().seen;
            seen.requests += 1;
            seen.with_credentials += u32::from(request.headers.contains_key("authorization"));
            let encoding = request.headers.get("accept-encoding").map(String::as_str);
            seen.plain += u32::from(encoding == Some("identity"));
            seen.requests
        };
        if !answer(&mut stream, shared, &request, number)? {
            break;
        }
    }
    stream.shutdown(Shutdown::Both)
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let (mut lines, mut head) = (Vec::new(), reader.take(HEAD_BYTES_MAX));
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let pairs = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
    let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Ok(Some(Request { path, headers }))
}

/// Sends the answer. Returns false if the connection ends with it.
fn answer(stream: &mut TcpStream, shared: &Shared, request: &Request, number: u32) -> std::io::Result<bool> {
    match &shared.manner {
        Manner::Busy(most) if shared.refuses(*most) => {
            return refuse(stream, "503 Service Unavailable", "Retry-After: 1\r\n");
        }
        Manner::Redirect(to) if !request.path.starts_with("/moved/") => {
            return refuse(stream, "302 Found", &format!("Location: {to}{}\r\n", request.path));
        }
        Manner::Limited(_) if shared.comes_too_soon() => {
            return refuse(stream, "503 Service Unavailable", "");
        }
        Manner::OneByOne if shared.comes_too_soon() => return refuse(stream, "429 Too Many Requests", ""),
        _ => {}
    }
    let name = decode(request.path.trim_start_matches("/moved/").trim_start_matches('/'));
    let Ok(file) = File::open(shared.root.join(name)) else {
        return refuse(stream, "404 Not Found", "");
    };
    let length = file.metadata()?.len();
    let etag = match shared.manner {
        Manner::Changing | Manner::Replaced(_) => format!("\"{number}\""),
        _ => "\"1\"".to_owned(),
    };
    let same = request.headers.get("if-range").is_none_or(|asked| *asked == etag);
    let range = request.headers.get("range").and_then(|range| parse_range(range));
    let range = range.filter(|_| same && !matches!(shared.manner, Manner::WholeOnly));
    let (status, (first, end)) = match range {
        Some((first, last)) if first < length => {
            let most = if let Manner::Short(most) = shared.manner { most } else { u64::MAX };
            ("206 Partial Content", (first, length.min(last + 1).min(first.saturating_add(most))))
        }
        Some(_) => return refuse(stream, "416 Range Not Satisfiable", ""),
        None => ("200 OK", (0, length)),
    };
    let content_range = format!("Content-Range: bytes {first}-{}/{length}\r\n", end - 1);
    let content_range = if range.is_some() { content_range.as_str() } else { "" };
    let encoding =
        if matches!(shared.manner, Manner::Mislabelled) { "Content-Encoding: x-gzip\r\n" } else { "" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {etag}\r\n{encoding}{content_range}\r\n",
        end - first
    )?;
    let is_false = match shared.manner {
        Manner::Corrupt => true,
        Manner::Replaced(after) => number > after,
        _ => false,
    };
    shared.lock().sending += 1;
    let sent = send(stream, shared, &file, (first, end), is_false);
    shared.lock().sending -= 1;
    sent
}

fn send(
    stream: &mut TcpStream,
    shared: &Shared,
    file: &File,
    (first, end): (u64, u64),
    is_false: bool,
) -> std::io::Result<bool> {
    let cut = match shared.manner {
        Manner::Truncated(most) if end - first > 1 => shared.refuses(most),
        _ => false,
    };
    let stop = if cut { first + (end - first) / 2 } else { end };
    let (mut at, mut buffer) = (first, vec![0; CHUNK_BYTES as usize]);
    while at < stop {
        let most = if matches!(shared.manner, Manner::Drip(_)) { 1 } else { CHUNK_BYTES };
        let chunk = &mut buffer[..(stop - at).min(most) as usize];
        file.read_exact_at(chunk, at)?;
        if at == first && is_false {
            chunk[0] ^= 1;
        }
        shared.wait_turn(chunk.len() as u64);
        stream.write_all(chunk)?;
        at += chunk.len() as u64;
        shared.note_sent(chunk.len() as u64);
    }
    Ok(!cut)
}

fn refuse(stream: &mut TcpStream, status: &str, headers: &str) -> std::io::Result<bool> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}\r\n")?;
    Ok(true)
}

fn parse_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn decode(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).expect("a path is UTF-8")
}
