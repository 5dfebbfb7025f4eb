//! A TLS server whose connections behave, or misbehave, as an [`Act`] says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use discovery_lab::Authority;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What a server does with its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Answers every request on HTTP/1.1 connections that stay open.
    Serve,
    /// The same over HTTP/2.
    ServeHttp2,
    /// Accepts connections and sends nothing, not even TLS.
    SilentFromTheStart,
    /// Closes each connection at once.
    CloseFromTheStart,
    /// Completes TLS and closes.
    CloseAfterTls,
    /// Reads a request and sends nothing.
    SilentAfterRequest,
    /// Reads a request and closes.
    CloseAfterRequest,
    /// Writes these bytes in response to each request, then closes.
    Raw(&'static str),
    /// Answers one request, announces that the connection stays open, and closes it.
    CloseAfterResponse,
    /// Answers TLS with ALPN `h2` and then sends nonsense.
    BrokenHttp2,
    /// Sends response headers without an end.
    EndlessHead,
    /// Serves, but for faults: of seven connections one is closed at once, one after TLS, and one after its third request, unanswered;
    /// every tenth response is followed by a close, and every thirteenth has status 421.
    Faulty,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    pub(crate) open: watch::Sender<usize>,
    pub(crate) most_open: AtomicUsize,
    /// The paths of all requests.
    pub(crate) paths: Mutex<Vec<String>>,
}

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    pub(crate) act: Arc<Mutex<Act>>,
    tls: Arc<Mutex<TlsAcceptor>>,
    task: tokio::task::JoinHandle<()>,
}

impl Site {
    pub(crate) async fn start(authority: &Authority, name: &str, act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(listener, authority, name, act)
    }

    pub(crate) fn start_on(
        listener: TcpListener,
        authority: &Authority,
        name: &str,
        act: Act,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let act = Arc::new(Mutex::new(act));
        let tls = Arc::new(Mutex::new(acceptor(authority, name, *act.lock().unwrap())));
        let (counted, acts, acceptors) = (Arc::clone(&seen), Arc::clone(&act), Arc::clone(&tls));
        let site: Arc<str> = name.into();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let tls = acceptors.lock().unwrap().clone();
                let act = *acts.lock().unwrap();
                let number = counted.connections.fetch_add(1, Ordering::Relaxed);
                counted.open.send_modify(|open| *open += 1);
                counted.most_open.fetch_max(*counted.open.borrow(), Ordering::Relaxed);
                let (counted, site) = (Arc::clone(&counted), Arc::clone(&site));
                connections.spawn(async move {
                    let _ = serve(stream, tls, (act, number), &counted, &site, address).await;
                    counted.open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, seen, act, tls, task }
    }

    /// The certificate of further connections.
    pub(crate) fn set_certificate(&self, authority: &Authority, name: &str) {
        *self.tls.lock().unwrap() = acceptor(authority, name, *self.act.lock().unwrap());
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::Relaxed)
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        self.seen.open.subscribe().wait_for(|open| *open == 0).await.unwrap();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(authority: &Authority, name: &str, act: Act) -> TlsAcceptor {
    let mut config = authority.tls_server(name).unwrap();
    let is_http2 = matches!(act, Act::ServeHttp2 | Act::BrokenHttp2);
    config.alpn_protocols = vec![if is_http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    stream: TcpStream,
    tls: TlsAcceptor,
    (act, number): (Act, usize),
    seen: &Arc<Seen>,
    site: &Arc<str>,
    address: SocketAddr,
) -> std::io::Result<()> {
    match act {
        Act::SilentFromTheStart => return until_closed(stream).await,
        Act::CloseFromTheStart => return Ok(()),
        Act::Faulty if number % 7 == 3 => return Ok(()),
        _ => {}
    }
    let mut stream = tls.accept(stream).await?;
    match act {
        Act::CloseAfterTls => return stream.shutdown().await,
        Act::Faulty if number % 7 == 4 => return stream.shutdown().await,
        Act::BrokenHttp2 => {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
            return until_closed(stream).await;
        }
        Act::ServeHttp2 => {
            let (seen, site) = (Arc::clone(seen), Arc::clone(site));
            let answer = hyper::service::service_fn(move |request: http::Request<_>| {
                let _: &hyper::body::Incoming = request.body();
                seen.requests.fetch_add(1, Ordering::Relaxed);
                let host = request.uri().authority().map_or("", |it| it.as_str()).to_owned();
                let body = format!("{site} {address} {host} {}", request.uri().path());
                async move {
                    let body = Full::new(Bytes::from(body));
                    Ok::<_, Infallible>(http::Response::new(body))
                }
            });
            let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer);
            return served.await.map_err(std::io::Error::other);
        }
        _ => {}
    }
    let mut served = 0;
    while let Some(head) = read_head(&mut stream).await? {
        let request = seen.requests.fetch_add(1, Ordering::Relaxed);
        served += 1;
        let line = |start: &str| {
            head.lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix(start).map(str::to_owned))
        };
        let host = line("host: ").unwrap_or_default();
        let path = head.split(' ').nth(1).unwrap_or_default();
        seen.paths.lock().unwrap().push(path.to_owned());
        let is_faulty = act == Act::Faulty;
        match act {
            Act::Faulty if number % 7 == 5 && served == 3 => return Ok(()),
            Act::SilentAfterRequest => return until_closed(stream).await,
            Act::CloseAfterRequest => return Ok(()),
            Act::Raw(bytes) => {
                stream.write_all(bytes.as_bytes()).await?;
                return stream.shutdown().await;
            }
            Act::EndlessHead => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                loop {
                    stream
                        .write_all(b"x-more: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")
                        .await?;
                }
            }
            _ => {}
        }
        let body = format!("{site} {address} {host} {path}");
        let length = body.len();
        let status = if is_faulty && request % 13 == 12 { 421 } else { 200 };
        let response = format!(
            "HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(response.as_bytes()).await?;
        stream.flush().await?;
        if act == Act::CloseAfterResponse || is_faulty && request % 10 == 9 {
            return stream.shutdown().await;
        }
    }
    Ok(())
}

async fn until_closed(mut stream: impl tokio::io::AsyncRead + Unpin) -> std::io::Result<()> {
    let mut sink = [0; 256];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

/// The head of a request; its body, if any, must not need reading. `None` at the end of the stream.
async fn read_head(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}
