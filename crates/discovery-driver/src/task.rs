//! One request, from the order to start it to its answer, carried out over one socket at a time.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use discovery_core::{Answer, Request, RequestId, UnixTime};
use discovery_wire::{Exchange, NoEntropy, Transport, Want, is_from_network};

use crate::shared::{Settings, Shared};
use crate::spans::RequestSpan;

/// One request to carry out. Do what it [wants](Self::wants), say how it went, and begin again; when it wants to be finished,
/// [`finish`](Self::finish) it. Or answer its [`request`](Self::request) by other means, with [`answer`](Self::answer). If it
/// is dropped before that, the request fails with a local error, so that a panic or the end of a runtime leaves no caller
/// waiting.
///
/// Each `io::Result` is the operating system's own: what would block, or was interrupted, is wanted again.
pub struct RequestTask {
    request: Request,
    exchange: Exchange,
    report: Report,
    /// What is to be opened, at the address that the caller's hook gives.
    opening: Option<Want<'static>>,
    /// What was opened last, before the caller's hook.
    address: Option<SocketAddr>,
    span: RequestSpan,
}

/// Windows' code of "a datagram was longer than the buffer".
const WSAEMSGSIZE: i32 = 10_040;

/// The duty to answer one request: dropped without an answer, it answers with a local error.
pub(crate) struct Report {
    shared: Arc<Shared>,
    id: RequestId,
    due: bool,
}

impl RequestTask {
    /// None if there is no such name server: the request then has failed.
    pub(crate) fn new(
        mut request: Request,
        shared: &Arc<Shared>,
        name_servers: &[SocketAddr],
    ) -> Option<Self> {
        let report = Report { shared: Arc::clone(shared), id: request.id(), due: true };
        let settings = &shared.settings;
        let (exchange, address) = match &mut request {
            Request::Http(get) => {
                if let Some(hook) = &settings.fetch_from {
                    get.address = hook(get);
                }
                (Exchange::http(get, Arc::clone(&settings.tls)), get.address)
            }
            Request::Dns(question) => {
                let server = *name_servers.get(usize::from(question.server))?;
                let mut entropy = |bytes: &mut [u8]| -> Result<(), NoEntropy> {
                    settings.environment.fill_random(bytes)
                };
                (Exchange::dns(question, server, &mut entropy), server)
            }
        };
        let span = RequestSpan::new(&request, address);
        let mut task = Self { request, exchange, report, opening: None, address: None, span };
        task.follow();
        Some(task)
    }

    /// Its identifier: [`Action::Stop`](crate::Action::Stop) refers to it.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.report.id
    }

    /// The request, for clients that answer it with libraries of their own. The address of a GET is the one that
    /// [`fetch_from`](crate::Builder::fetch_from) gives. Its headers are gone once the socket is open.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The one thing to do next.
    #[must_use]
    pub fn wants(&self) -> Want<'_> {
        self.opening.unwrap_or_else(|| self.exchange.wants())
    }

    /// Says that the socket is open and connected, or why not.
    pub fn opened(&mut self, opened: io::Result<()>) {
        if let Request::Http(get) = &mut self.request {
            // The exchange has them, and many requests may be open.
            drop(std::mem::take(&mut get.headers));
        }
        self.take(opened, |exchange, ()| exchange.opened());
    }

    /// Says how many bytes have been sent. False if sending would have blocked: wait until the socket is writable.
    pub fn wrote(&mut self, count: io::Result<usize>) -> bool {
        self.take(count, Exchange::wrote)
    }

    /// Hands over the bytes that were received, at the beginning of the buffer. False if receiving would have blocked: wait
    /// until the socket is readable.
    pub fn read(&mut self, count: io::Result<usize>, buffer: &[u8]) -> bool {
        let count = count.or_else(|error| match error.raw_os_error() {
            // On Windows a datagram that is longer than the buffer is an error, and its beginning is in the buffer.
            Some(WSAEMSGSIZE) if cfg!(windows) => Ok(buffer.len()),
            _ => Err(error),
        });
        let wall_clock = self.settings().environment.wall_clock();
        self.take(count, |exchange, count| {
            let now = UnixTime::from_system_time(wall_clock);
            exchange.read(buffer.get(..count).unwrap_or_default(), Some(now));
        })
    }

    /// Says that what was wanted did not work.
    pub fn failed(&mut self, error: io::ErrorKind) {
        self.fail(&error.into());
        self.follow();
    }

    /// Answers the request with what came of the exchange. Close the socket first.
    pub fn finish(self) {
        let Self { exchange, report, mut span, .. } = self;
        let answer = exchange.into_answer();
        span.end(&answer);
        report.answer(answer);
    }

    /// Answers the request with something else than its exchange. An answer to another request changes nothing.
    pub fn answer(self, answer: Answer) {
        let Self { report, mut span, .. } = self;
        span.end(&answer);
        report.answer(answer);
    }

    /// Reports that the TLS handshake of a GET has completed. Only needed with [`answer`](Self::answer): the exchange does so
    /// by itself.
    pub fn connected(&self) {
        if let RequestId::Http(id) = self.report.id {
            // An input that comes too late is no news to a driver.
            let _ = self.report.shared.with(|resolver, now| resolver.handle_connected(id, now));
        }
    }

    /// The answer.
    #[cfg(test)]
    pub(crate) fn into_answer(self) -> Answer {
        self.exchange.into_answer()
    }

    fn settings(&self) -> &Settings {
        &self.report.shared.settings
    }

    /// Distinguishes a rejection by the network from a missing route: the operating system has the same errors for both.
    fn fail(&mut self, error: &io::Error) {
        let rejected = self.address.is_some_and(|address| {
            is_from_network(error, address) && {
                let place = connect_to(self.settings(), address, Transport::Udp);
                self.settings().environment.has_route(place)
            }
        });
        if rejected {
            self.exchange.rejected(error.kind());
        } else {
            self.exchange.failed(error.kind());
        }
    }

    fn take<T>(&mut self, result: io::Result<T>, take: impl FnOnce(&mut Exchange, T)) -> bool {
        match result {
            Ok(value) => take(&mut self.exchange, value),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => self.fail(&error),
        }
        if self.exchange.connected().is_some() {
            self.connected();
        }
        self.follow();
        true
    }

    /// Calls the hook, once for each socket.
    fn follow(&mut self) {
        self.opening = match self.exchange.wants() {
            Want::Open(transport, address) => {
                self.address = Some(address);
                Some(Want::Open(transport, connect_to(self.settings(), address, transport)))
            }
            Want::Write(_) | Want::Read | Want::Finish => None,
        };
    }
}

/// The address to connect to, after the caller's hook.
fn connect_to(settings: &Settings, address: SocketAddr, transport: Transport) -> SocketAddr {
    settings.connect_to.as_ref().map_or(address, |hook| hook(address, transport))
}

impl Report {
    fn answer(mut self, answer: Answer) {
        self.due = false;
        self.tell(answer);
    }

    fn tell(&self, answer: Answer) {
        let _ = self.shared.with(|resolver, now| resolver.handle_answer(answer, now));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.due {
            self.tell(Answer::local_failure(self.id));
        }
    }
}

impl fmt::Debug for RequestTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestTask").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}
