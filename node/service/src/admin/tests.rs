//! Tests of the answers, of who gets them, and of closing slow connections.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::*;
use crate::reloaded::Reloaded;

/// A service that is alive, and ready or not.
#[derive(Default)]
struct Starting;

impl Probes for Starting {
    fn live(&self) -> Vec<Condition> {
        vec![Condition { name: "loop", holds: true }]
    }

    fn ready(&self) -> Vec<Condition> {
        let parts = [("loop", true), ("listening", false), ("catalogue", false), ("root", true)];
        parts.map(|(name, holds)| Condition { name, holds }).to_vec()
    }
}

impl Vitals for Starting {
    fn metrics(&self) -> Result<String, fmt::Error> {
        Ok("# HELP a_bytes A.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total 7\n# EOF\n"
            .to_owned())
    }

    fn overview(&self) -> Overview<'_> {
        Box::pin(async { Status::of("nearcast-test", "1.2.3", self, &Reloaded::default()) })
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

async fn listener(vitals: &Arc<Starting>) -> AdminListener {
    let at = AdminAt::At { address: "127.0.0.1:0".parse().unwrap(), may_move: false };
    AdminListener::start(at, vitals.clone()).await.unwrap().unwrap()
}

/// Sends the request text unchanged, and reads until the server closes.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")).await
}

#[tokio::test]
async fn a_service_that_is_starting_is_alive_and_not_ready() {
    let health = Arc::new(Starting);
    let admin = listener(&health).await;
    let at = admin.address();
    assert!(get(at, "/livez", "Host: localhost\r\n").await.starts_with("HTTP/1.1 200"));
    for path in ["/readyz", "/healthz"] {
        let answer = get(at, path, "Host: localhost\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("[-]listening") && !answer.contains("[+]"), "{answer}");
    }
    let answer = get(at, "/readyz?verbose", "Host: localhost\r\n").await;
    assert!(answer.contains("[+]loop\n[-]listening\n[-]catalogue\n[+]root\n"), "{answer}");
    let plain = get(at, "/metrics", "Host: localhost\r\n").await;
    assert!(
        plain.contains("text/plain; version=0.0.4") && plain.to_lowercase().contains("vary: accept"),
        "{plain}"
    );
    assert!(
        plain.ends_with("\r\n\r\n# HELP a_bytes_total A.\n# TYPE a_bytes_total counter\na_bytes_total 7\n"),
        "{plain}"
    );
    let accept = "Host: localhost\r\nAccept: text/plain;q=0.2\r\nAccept: application/openmetrics-text;version=1.0.0\r\n";
    let open = get(at, "/metrics", accept).await;
    assert!(
        open.contains("application/openmetrics-text; version=1.0.0") && open.ends_with("# EOF\n"),
        "{open}"
    );
    assert!(get(at, "/elsewhere", "Host: localhost\r\n").await.starts_with("HTTP/1.1 404"));
    assert!(ask(at, "POST /livez HTTP/1.0\r\n\r\n").await.contains(" 405 "));
    admin.stop().await;
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn requests_under_a_foreign_name_or_from_a_page_are_refused() {
    let admin = listener(&Arc::new(Starting)).await;
    let port = admin.address().port();
    for (headers, good) in [
        (format!("Host: 127.0.0.1:{port}\r\n"), true),
        (format!("Host: LOCALHOST:{port}\r\n"), true),
        ("Host: [::1]:80\r\n".to_owned(), true),
        ("Host: [::1]\r\n".to_owned(), true),
        (format!("Host: rebound.example:{port}\r\n"), false),
        ("Host: localhost.example\r\n".to_owned(), false),
        ("Host: 127.0.0.1.example\r\n".to_owned(), false),
        ("Host: localhost\r\nOrigin: http://page.example\r\n".to_owned(), false),
    ] {
        let answer = get(admin.address(), "/livez", &headers).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200"), good, "{headers} {answer}");
        assert_eq!(answer.starts_with("HTTP/1.1 403"), !good, "{headers} {answer}");
    }
    admin.stop().await;
}

#[tokio::test]
async fn the_status_is_a_page_and_json_that_browsers_hold_in() {
    let admin = listener(&Arc::new(Starting)).await;
    let at = admin.address();
    let answer = get(at, "/", "Host: localhost\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    for told in [
        "HTTP/1.1 200",
        "content-type: text/html; charset=utf-8",
        "cache-control: no-store",
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(head.contains(told), "{told}\n{head}");
    }
    assert!(body.contains("nearcast-test") && body.contains("Does not hold: listening, catalogue"), "{body}");
    let answer = get(at, "/status.json", "Host: localhost\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json") && head.contains("nosniff"), "{head}");
    let status: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&status["live"], &status["ready"]), (&true.into(), &false.into()));
    assert_eq!(status["conditions"][1], serde_json::json!({ "name": "listening", "holds": false }));
    for path in ["/", "/status.json"] {
        let foreign = get(at, path, "Host: rebound.example\r\n").await;
        assert!(foreign.starts_with("HTTP/1.1 403") && !foreign.contains("nearcast"), "{foreign}");
        let page = get(at, path, "Host: localhost\r\nOrigin: null\r\n").await;
        assert!(page.starts_with("HTTP/1.1 403"), "{page}");
        assert!(ask(at, &format!("POST {path} HTTP/1.0\r\n\r\n")).await.contains(" 405 "), "{path}");
    }
    admin.stop().await;
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_others_out() {
    let admin = listener(&Arc::new(Starting)).await;
    let mut silent = Vec::new();
    for _ in 0..3 * listener::CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(admin.address()).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: ").await.unwrap();
        silent.push(stream);
    }
    assert!(get(admin.address(), "/livez", "Host: localhost\r\n").await.starts_with("HTTP/1.1 200"));
    let mut first = silent.swap_remove(0);
    let mut byte = [0];
    let cut = timeout(PATIENCE, first.read(&mut byte)).await.unwrap();
    assert!(matches!(cut, Ok(0) | Err(_)), "the oldest makes room");
    timeout(PATIENCE, admin.stop()).await.unwrap();
}

#[tokio::test]
async fn the_default_port_gives_way_and_a_named_one_does_not() {
    let health = Arc::new(Starting);
    let first = listener(&health).await;
    let at = |may_move| AdminAt::At { address: first.address(), may_move };
    let second = AdminListener::start(at(true), health.clone()).await.unwrap().unwrap();
    assert_ne!(second.address(), first.address());
    let Err(error) = AdminListener::start(at(false), health.clone()).await else { panic!("two on one port") };
    assert!(error.to_string().contains("--admin"), "{error}");
    assert!(AdminListener::start(AdminAt::Off, health).await.unwrap().is_none());
    second.stop().await;
    first.stop().await;
}
