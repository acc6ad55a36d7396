//! `/metrics` and `/health` over HTTP: one short request a connection, one answer, and the end. That is all that a scraper or a health check
//! wants, and leaves nothing to be held open.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::inquiry::Inquiry;
use super::{RunError, metrics};

/// Connections at a time. Further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 8;

/// Bytes of a request's head at most.
const HEAD_MAX: usize = 4_096;

/// Lines of a request's head at most.
const HEADERS_MAX: usize = 32;

/// How long a client may take for its request, and for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The shards are asked no more often than this, however often somebody wants to know.
const FRESH: Duration = Duration::from_secs(1);

/// Opens the port.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    #[expect(clippy::disallowed_methods, reason = "the driver opens the sockets")]
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| RunError::Metrics { address, source })
}

/// What has been written last, and when.
type Latest = RefCell<Option<(Instant, Rc<str>)>>;

/// Answers requests for ever.
pub(super) async fn serve(listener: TcpListener, inquiry: Inquiry) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let latest = Rc::new(Latest::default());
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, most likely: others have to close some.
            #[expect(clippy::disallowed_methods, reason = "the driver waits")]
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (inquiry, latest) = (inquiry.clone(), Rc::clone(&latest));
        tokio::task::spawn_local(async move {
            // Who has gone does not wait for an answer.
            let _ = converse(stream, &inquiry, &latest).await;
            drop(place);
        });
    }
}

async fn converse(mut stream: TcpStream, inquiry: &Inquiry, latest: &Latest) -> io::Result<()> {
    let (method, path) = in_time(read_request(&mut stream)).await??;
    let (status, content_type, body) = match (method, &*path) {
        (Method::Other, _) => ("405 Method Not Allowed", "text/plain", Rc::from("only GET is answered here\n")),
        (_, "/metrics") => match metrics_text(inquiry, latest).await {
            Some(text) => ("200 OK", metrics::CONTENT_TYPE, text),
            None => ("503 Service Unavailable", "text/plain", Rc::from("a shard does not answer\n")),
        },
        (_, "/health") => {
            let health = inquiry.health(super::inquiry::PATIENCE).await;
            let status = if health.is_healthy() { "200 OK" } else { "503 Service Unavailable" };
            (status, "application/json", Rc::from(format!("{}\n", json!(health))))
        }
        _ => ("404 Not Found", "text/plain", Rc::from("/metrics and /health are here\n")),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n"
    );
    let body = if method == Method::Head { "" } else { &*body };
    in_time(async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.shutdown().await
    })
    .await?
}

async fn metrics_text(inquiry: &Inquiry, latest: &Latest) -> Option<Rc<str>> {
    #[expect(clippy::disallowed_methods, reason = "the driver reads the clock")]
    let now = Instant::now();
    if let Some((since, text)) = &*latest.borrow()
        && now.duration_since(*since) < FRESH
    {
        return Some(Rc::clone(text));
    }
    let text: Rc<str> = in_time(inquiry.snapshot()).await.ok()?.text().into();
    latest.replace(Some((now, Rc::clone(&text))));
    Some(text)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Method {
    Get,
    Head,
    Other,
}

/// Method and path of the request. What else it says does not matter here.
async fn read_request(stream: &mut TcpStream) -> io::Result<(Method, String)> {
    let mut head = Vec::new();
    let mut limited = stream.take(HEAD_MAX as u64);
    loop {
        if limited.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if let Some(request) = parse(&head)? {
            return Ok(request);
        }
    }
}

/// `None` until the head is complete.
fn parse(head: &[u8]) -> io::Result<Option<(Method, String)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(head).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    if status.is_partial() {
        return Ok(None);
    }
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let path = request.path.and_then(|path| path.split('?').next()).unwrap_or_default();
    Ok(Some((method, path.to_owned())))
}

async fn in_time<T>(work: impl Future<Output = T>) -> io::Result<T> {
    #[expect(clippy::disallowed_methods, reason = "the driver waits for the socket")]
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.map_err(|_| io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_its_method_and_its_path() {
        let parsed = |head: &str| parse(head.as_bytes()).map_err(|error| error.kind());
        let get = |path: &str| Ok(Some((Method::Get, path.to_owned())));
        assert_eq!(parsed("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), get("/metrics"));
        assert_eq!(parsed("GET /health?verbose HTTP/1.0\r\n\r\n"), get("/health"));
        assert_eq!(parsed("POST / HTTP/1.1\r\n\r\n").unwrap().unwrap().0, Method::Other);
        assert_eq!(parsed("GET /metrics HTTP/1.1\r\nHost: a\r\n"), Ok(None));
        assert_eq!(parsed("\u{1} nonsense"), Err(io::ErrorKind::InvalidData));
        let lines = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(parsed(&lines(HEADERS_MAX)), get("/"));
        assert_eq!(parsed(&lines(HEADERS_MAX + 1)), Err(io::ErrorKind::InvalidData));
    }
}
