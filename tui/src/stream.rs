//! Files of a download over HTTP, for a player on this machine, while they come.
//!
//! Only what is verified is sent: a request waits for what is not here yet, and moves its reader, so
//! that this comes next. A web page of somebody else cannot read along: it does not know the token in
//! the path, and its browser tells its name in `Host`.
//!
//! Invariant: a player that reads slowly holds a run, a chunk and the buffers of its socket, and no
//! more.

mod guests;
pub(crate) mod media;
mod range;

use std::{
    io::{self, SeekFrom},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use nearcast_node::{Download, FileReader, reader::Pace};
use tokio::{
    io::{AsyncReadExt, AsyncSeekExt},
    net::TcpSocket,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};

use self::{
    guests::{Door, Known},
    media::{in_url, media_type, playlist},
    range::{Part, part},
};

/// Answers that are read at the same time. Players have two or three open.
const ANSWERS_MAX: usize = 32;
/// Bytes that are handed to a connection at once.
const CHUNK_BYTES_MAX: usize = 64 << 10;
/// What a connection may buffer in the kernel, in bytes. The kernel doubles it.
const SOCKET_BYTES_MAX: u32 = 512 << 10;
/// Connections that wait to be taken.
const BACKLOG: u32 = 64;
/// The name of the list of files.
const LIST: &str = "list.m3u";

/// A file that is served.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// Its place in the manifest.
    pub(crate) index: usize,
    /// The last part of its path. It comes from strangers.
    pub(crate) name: String,
    pub(crate) length: u64,
}

/// How serving went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// From the start of the program to the first byte that a player was given.
    pub(crate) first_byte: Option<Duration>,
    /// From a request to its first byte: the longest of them.
    pub(crate) slowest_seek: Duration,
    /// Requests for the bytes of files.
    pub(crate) requests: u64,
    pub(crate) stalls: u64,
    pub(crate) stalled: Duration,
    pub(crate) bytes: u64,
}

/// What serves a download.
pub(crate) struct Server {
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

struct Desk {
    download: Arc<Download>,
    files: Vec<Served>,
    token: String,
    address: SocketAddr,
    /// How fast files are shown, in bytes a second. `None`: not known.
    rate: Option<u64>,
    started: Instant,
    answers: Arc<Semaphore>,
    figures: Mutex<Figures>,
}

impl Server {
    /// Serves files on a free port of this machine. `started` is when the program began.
    ///
    /// # Errors
    /// If no port can be had, or the system has no random numbers.
    pub(crate) fn start(
        download: Arc<Download>,
        files: Vec<Served>,
        rate: Option<u64>,
        started: Instant,
    ) -> io::Result<Server> {
        let socket = TcpSocket::new_v4()?;
        socket.set_send_buffer_size(SOCKET_BYTES_MAX)?;
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
        let socket = socket.listen(BACKLOG)?;
        let random = || getrandom::u64().map_err(io::Error::other);
        let desk = Arc::new(Desk {
            download,
            files,
            token: format!("{:016x}{:016x}", random()?, random()?),
            address: socket.local_addr()?,
            rate,
            started,
            answers: Arc::new(Semaphore::new(ANSWERS_MAX)),
            figures: Mutex::default(),
        });
        let router = Router::new()
            .route("/{token}/{file}", get(list))
            .route("/{token}/{file}/{name}", get(file))
            .fallback(refused)
            .with_state(desk.clone())
            .into_make_service_with_connect_info::<Known>();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(Door::new(socket), router).await {
                tracing::warn!(%error, "players are no longer served");
            }
        });
        Ok(Server { desk, task })
    }

    /// What a player opens: the file, or a list if there are several.
    pub(crate) fn url(&self) -> String {
        match self.desk.files.as_slice() {
            [only] => self.desk.url_of(0, only),
            _ => format!("http://{}/{}/{LIST}", self.desk.address, self.desk.token),
        }
    }

    /// How serving went so far.
    pub(crate) fn figures(&self) -> Figures {
        *self.desk.figures()
    }

    /// Serves no more.
    pub(crate) async fn stop(mut self) -> Figures {
        self.task.abort();
        // An error says that it was aborted.
        let _ = (&mut self.task).await;
        self.figures()
    }
}

impl Desk {
    fn url_of(&self, at: usize, file: &Served) -> String {
        format!("http://{}/{}/{at}/{}", self.address, self.token, in_url(&file.name))
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        // No code under the lock can leave the figures in a bad state.
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request comes from whom we told the URL, and asks us by our address.
    fn admits(&self, token: &str, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let port = self.address.port();
        let is_ours =
            host == self.address.to_string() || host.eq_ignore_ascii_case(&format!("localhost:{port}"));
        is_ours && !headers.contains_key(header::ORIGIN) && is_same(token, &self.token)
    }

    /// What the content of a file is called, as long as it is the same.
    fn tag(&self, file: &Served) -> String {
        format!("\"{}-{}\"", self.download.content(), file.index)
    }
}

/// Compares in a time that tells nothing of where two texts differ.
fn is_same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && differences == 0
}

async fn refused() -> Response {
    (StatusCode::FORBIDDEN, "this is not for you\n").into_response()
}

/// The list of files.
async fn list(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(guest): ConnectInfo<Known>,
    Path((token, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if !desk.admits(&token, &headers) {
        return refused().await;
    }
    guest.set();
    if name != LIST {
        return StatusCode::NOT_FOUND.into_response();
    }
    let named = |(at, file): (usize, &Served)| (file.name.clone(), desk.url_of(at, file));
    let files: Vec<(String, String)> = desk.files.iter().enumerate().map(named).collect();
    let told = [
        (header::CONTENT_TYPE, "audio/x-mpegurl; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (told, playlist(&files)).into_response()
}

/// A file, or a part of it.
async fn file(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(guest): ConnectInfo<Known>,
    Path((token, at, _)): Path<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if !desk.admits(&token, &headers) {
        return refused().await;
    }
    guest.set();
    let Some(file) = at.parse::<usize>().ok().and_then(|at| desk.files.get(at)).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let tag = desk.tag(&file);
    // A part of another version would not fit.
    let fits = text(header::IF_RANGE).is_none_or(|wanted| wanted == tag);
    let part = part(text(header::RANGE).filter(|_| fits), file.length);
    let (status, first, count) = match part {
        Part::Whole => (StatusCode::OK, 0, file.length),
        Part::Of(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Part::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    let mut tell = |name: HeaderName, value: &str| {
        // These are made of digits and names from the tables here.
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(name, value);
        }
    };
    tell(header::ACCEPT_RANGES, "bytes");
    tell(header::ETAG, &tag);
    tell(header::CONTENT_TYPE, media_type(&file.name));
    tell(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    tell(header::CONTENT_LENGTH, &count.to_string());
    match part {
        Part::Of(first, last) => {
            tell(header::CONTENT_RANGE, &format!("bytes {first}-{last}/{}", file.length))
        }
        Part::Beyond => tell(header::CONTENT_RANGE, &format!("bytes */{}", file.length)),
        Part::Whole => {}
    }
    if method == Method::GET && count > 0 {
        let Ok(permit) = desk.answers.clone().try_acquire_owned() else {
            return (StatusCode::SERVICE_UNAVAILABLE, "too many are reading\n").into_response();
        };
        match Reading::open(desk, &file, (first, count), permit).await {
            Ok(reading) => *answer.body_mut() = reading.into_body(),
            Err(error) => return (StatusCode::GONE, format!("{error}\n")).into_response(),
        }
    }
    answer
}

/// One answer that is being read.
struct Reading {
    desk: Arc<Desk>,
    reader: FileReader,
    left: u64,
    seen: Pace,
    _permit: OwnedSemaphorePermit,
}

impl Reading {
    async fn open(
        desk: Arc<Desk>,
        file: &Served,
        (first, count): (u64, u64),
        permit: OwnedSemaphorePermit,
    ) -> io::Result<Reading> {
        let mut reader = desk.download.reader(file.index).await.map_err(io::Error::other)?;
        if let Some(rate) = desk.rate {
            reader.set_rate(rate);
        }
        reader.seek(SeekFrom::Start(first)).await?;
        desk.figures().requests += 1;
        Ok(Reading { desk, reader, left: count, seen: Pace::default(), _permit: permit })
    }

    fn into_body(self) -> Body {
        Body::from_stream(futures::stream::unfold(Some(self), |reading| async move {
            let mut reading = reading?;
            match reading.next().await {
                Ok(bytes) if bytes.is_empty() => None,
                Ok(bytes) => Some((Ok(bytes), Some(reading))),
                // Ends the connection: the player sees that something is missing.
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// The next bytes. None at the end.
    async fn next(&mut self) -> io::Result<Bytes> {
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK_BYTES_MAX);
        let mut chunk = vec![0; size];
        let count = match size {
            0 => 0,
            _ => self.reader.read(&mut chunk).await?,
        };
        if count == 0 && self.left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        chunk.truncate(count);
        self.left -= count as u64;
        self.note(count);
        Ok(chunk.into())
    }

    fn note(&mut self, count: usize) {
        let (pace, before) = (self.reader.pace(), self.seen);
        self.seen = pace;
        let mut figures = self.desk.figures();
        figures.bytes += count as u64;
        if count > 0 {
            figures.first_byte.get_or_insert_with(|| self.desk.started.elapsed());
        }
        figures.slowest_seek = figures.slowest_seek.max(pace.first.unwrap_or_default());
        figures.stalls += u64::from(pace.stalls.saturating_sub(before.stalls));
        figures.stalled += pace.stalled.saturating_sub(before.stalled);
    }
}
