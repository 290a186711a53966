//! The admin listener, for the operator of a service: `/`, `/status.json`, `/livez`, `/readyz`,
//! `/healthz` and `/metrics`.
//!
//! Invariant: a client of this listener cannot hold a resource that others need. Connections are
//! few and short, and no request changes anything.

mod desk;
mod listener;

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use axum::{
    Router,
    extract::{RawQuery, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use nearcast_node::vital::Vital;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use self::{
    desk::Desk,
    listener::{Evictions, ShortListener},
};
use crate::{
    conditions::{Condition, Probes},
    metrics::Format,
    status::{self, Status},
};

/// The address of the admin listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminAt {
    /// No admin listener.
    Off,
    /// Listen on an address.
    At {
        /// The address.
        address: SocketAddr,
        /// The operator did not choose this address: the listener takes another port if this one is
        /// in use.
        may_move: bool,
    },
}

/// A future that collects the whole status; it takes a moment.
pub type Overview<'a> = Pin<Box<dyn Future<Output = Status> + Send + 'a>>;

/// How a service reports its state to the admin listener.
pub trait Vitals: Probes {
    /// All counters, in OpenMetrics text.
    ///
    /// # Errors
    /// If a metric has an invalid name.
    fn metrics(&self) -> Result<String, fmt::Error>;

    /// The status for people. It resolves even if the service hangs.
    fn overview(&self) -> Overview<'_>;
}

/// A running admin listener.
pub struct AdminListener {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Option<io::Result<()>>>,
    vital: Vital,
    connections: Evictions,
}

/// The admin listener cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for the admin: {source}; choose another with --admin IP:PORT, or --admin off"
)]
pub struct AdminError {
    address: SocketAddr,
    source: io::Error,
}

impl AdminListener {
    /// Listens on the configured address. `None`: the settings ask for no listener.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start(admin: AdminAt, vitals: Arc<dyn Vitals>) -> Result<Option<AdminListener>, AdminError> {
        let AdminAt::At { address, may_move } = admin else { return Ok(None) };
        let failed = |source| AdminError { address, source };
        let socket = match TcpListener::bind(address).await {
            Err(error) if may_move && error.kind() == io::ErrorKind::AddrInUse => {
                tracing::warn!("{address} is taken; the admin listener takes any free port");
                TcpListener::bind(SocketAddr::new(address.ip(), 0)).await
            }
            bound => bound,
        };
        let socket = socket.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let connections = Evictions::default();
        let listener = ShortListener::new(socket, connections.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, router(vitals, address.ip())).with_graceful_shutdown(async {
            // A dropped sender means stop, too.
            let _ = stopped.await;
        });
        let vital = Vital::default();
        let server = tokio::spawn(vital.guard("The admin listener", async move { serve.await }));
        Ok(Some(AdminListener { address, stop, server, vital, connections }))
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reports a failure of the server task.
    pub fn vital(&self) -> &Vital {
        &self.vital
    }

    /// Closes every connection and stops the server.
    pub async fn stop(self) {
        // The receiver is gone only if the server panicked.
        let _ = self.stop.send(());
        self.connections.evict_all();
        // The result is an error only if the server panicked, too: serving itself cannot fail.
        let _ = self.server.await;
    }
}

fn router(vitals: Arc<dyn Vitals>, bound: IpAddr) -> Router {
    let router = Router::new()
        .route("/", get(page))
        .route("/status.json", get(json))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/healthz", get(ready))
        .route("/metrics", get(scrape))
        .with_state(Arc::new(Desk::new(vitals)));
    // If the operator chose the address, the operator may give it host names, too.
    if bound.is_loopback() { router.layer(middleware::from_fn(refuse_strangers)) } else { router }
}

async fn page(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Response {
    let page = status::page(&*desk.status().await, query.as_deref());
    let told = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, status::CONTENT_SECURITY_POLICY.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (told, page).into_response()
}

async fn json(State(desk): State<Arc<Desk>>) -> Response {
    match status::json(&*desk.status().await) {
        Ok(text) => {
            let told = [
                (header::CONTENT_TYPE, "application/json"),
                (header::CACHE_CONTROL, "no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (told, text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn live(State(desk): State<Arc<Desk>>, query: RawQuery) -> Response {
    probe(&desk.vitals().live(), &query)
}

async fn ready(State(desk): State<Arc<Desk>>, query: RawQuery) -> Response {
    probe(&desk.vitals().ready(), &query)
}

fn probe(conditions: &[Condition], RawQuery(query): &RawQuery) -> Response {
    let good = conditions.iter().all(|condition| condition.holds);
    let verbose =
        query.as_deref().is_some_and(|query| query.split('&').any(|key| key.starts_with("verbose")));
    let mark = |condition: &Condition| if condition.holds { '+' } else { '-' };
    let told = conditions.iter().filter(|condition| verbose || !condition.holds);
    let mut text: String =
        told.map(|condition| format!("[{}]{}\n", mark(condition), condition.name)).collect();
    text.push_str(if good { "ok\n" } else { "failed\n" });
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

async fn scrape(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let format = Format::wanted(accept);
    match desk.vitals().metrics() {
        Ok(text) => {
            let told = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "Accept")];
            (told, format.of(text)).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Refuses requests of foreign web pages. A web page can make its host name resolve to 127.0.0.1
/// and would then read what only this machine may read. The browser gives it away: it sends that
/// name as `Host`, and the page's `Origin`.
async fn refuse_strangers(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    if request.headers().contains_key(header::ORIGIN) || !host.is_none_or(is_ours) {
        return (StatusCode::FORBIDDEN, "ask by IP address or as localhost\n").into_response();
    }
    next.run(request).await
}

fn is_ours(host: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        // An IPv6 address contains colons; with a port it stands in brackets.
        Some((name, port)) if is_port(port) && (name.ends_with(']') || !name.contains(':')) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok() || bare.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests;
