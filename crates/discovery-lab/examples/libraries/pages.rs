//! Answers GETs with reqwest: one address, one request, no redirects.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::SystemTime;

use discovery_core::{HttpError, HttpGet, HttpResponse, TlsName, UnixTime};
use discovery_driver::{Environment, System};
use discovery_wire::Transport;
use reqwest::header::HOST;
use reqwest::{Client, Response, StatusCode, Url, redirect, retry};

use super::common::Settings;

/// Fetches from the address that the machine has chosen, and translates the result.
pub(crate) async fn get(settings: &Settings, get: &HttpGet) -> Result<HttpResponse, HttpError> {
    let place = (settings.fetch_from)(get);
    let address = (settings.connect_to)(place, Transport::Tcp);
    let (mut url, authority) = url(get)?;
    match &get.tls_name {
        // reqwest connects to an address in a URL, whatever else it is told.
        TlsName::Ip(_) if address != get.address => return Err(HttpError::Local),
        TlsName::Ip(_) => {}
        // A port in the URL would take precedence over the port of the address.
        TlsName::Dns(_) => url.set_port(None).map_err(|()| HttpError::Local)?,
    }
    // One client for each request, because the address belongs to the request and not to the host name.
    let client = Client::builder()
        .tls_backend_preconfigured(settings.tls.as_ref().clone())
        .resolve(url.host_str().unwrap_or_default(), address)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .http1_only()
        .build()
        .map_err(|_| HttpError::Local)?;
    let request = client.get(url).headers(get.headers.clone()).header(HOST, authority);
    let sent = request.send().await.map_err(|error| failure(&error));
    let mut response = sent.map_err(|error| {
        // If there is a route all the same, the network has rejected the connection.
        let reaches = || System::default().has_route((settings.connect_to)(place, Transport::Udp));
        if error == HttpError::NoRoute && reaches() { HttpError::Rejected } else { error }
    })?;
    let received = Some(UnixTime::from_system_time(SystemTime::now()));
    let (status, headers) = (response.status(), response.headers().clone());
    let body = match status {
        StatusCode::OK => body(&mut response, get.max_body).await?,
        _ => Vec::new(),
    };
    let mut response = HttpResponse::new(status, headers, body);
    response.received = received;
    Ok(response)
}

/// The URL as reqwest writes it, and the authority as written. If the host differs (`0x7f.1` becomes an unchecked address),
/// this library cannot be used.
fn url(get: &HttpGet) -> Result<(Url, String), HttpError> {
    let url = Url::parse(&get.url.to_string()).map_err(|_| HttpError::Local)?;
    let authority = get.url.authority().ok_or(HttpError::Local)?;
    let same = url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(authority.host()));
    if same { Ok((url, authority.to_string())) } else { Err(HttpError::Local) }
}

/// The body, up to one byte over the limit.
async fn body(response: &mut Response, max: usize) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > max {
            body.truncate(max.saturating_add(1));
            break;
        }
    }
    Ok(body)
}

/// Translates an error by its innermost known cause.
fn failure(error: &reqwest::Error) -> HttpError {
    let mut kind = if error.is_connect() { HttpError::Tls } else { HttpError::Reset };
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            kind = discovery_wire::tls_error(error);
        } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
            kind = if error.is_parse() { HttpError::Protocol } else { kind };
        }
        let io = error.downcast_ref::<io::Error>();
        kind = io.map_or(kind, |error| system(error.kind(), kind));
        // The inner error of an I/O error is not its source.
        let inside = io.and_then(io::Error::get_ref).map(|error| error as &(dyn Error + 'static));
        cause = inside.or_else(|| error.source());
    }
    kind
}

fn system(error: ErrorKind, otherwise: HttpError) -> HttpError {
    match error {
        ErrorKind::ConnectionRefused => HttpError::Refused,
        ErrorKind::TimedOut => HttpError::Timeout,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => HttpError::Reset,
        ErrorKind::NetworkUnreachable
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => HttpError::NoRoute,
        // The next error to examine.
        ErrorKind::InvalidData | ErrorKind::Other => otherwise,
        _ => HttpError::Local,
    }
}
