//! One request from the order to start it to the report of its answer: what a driver carries out over a socket.
//!
//! Knows which sockets and name servers are meant, and whom to tell; not what the bytes mean.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use discovery_core::{Request, RequestId, UnixTime};
use discovery_wire::{Exchange, Transport, Want, is_from_network};
use rustls::ClientConfig;

use crate::desk::Report;
use crate::setup::{ConnectTo, FetchFrom, System};
use crate::spans::RequestSpan;

/// One request on its way. Do what it [wants](Self::wants), tell how it went, and begin again; when it wants to be finished,
/// [`finish`](Self::finish) it. Dropped before that, it is answered as a failure of our own side.
///
/// Each `io::Result` is the system's own: what would block, or was interrupted, is wanted again.
pub struct Job {
    exchange: Exchange,
    report: Report,
    setting: Arc<Setting>,
    /// What is to be opened, at the place that the caller's hook says.
    opening: Option<Want<'static>>,
    /// What was opened last, before the caller's hook.
    address: Option<SocketAddr>,
    span: RequestSpan,
}

/// Windows' code of "a datagram was longer than the buffer".
const WSAEMSGSIZE: i32 = 10_040;

/// What every request needs.
pub(crate) struct Setting {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) connect_to: Option<Box<ConnectTo>>,
    pub(crate) fetch_from: Option<Box<FetchFrom>>,
    pub(crate) system: System,
}

impl Job {
    /// None where no such name server is known: the report then tells so.
    pub(crate) fn new(
        mut request: Request,
        report: Report,
        setting: &Arc<Setting>,
        name_servers: &[SocketAddr],
    ) -> Option<Self> {
        let (exchange, span) = match &mut request {
            Request::Http(get) => {
                if let Some(hook) = &setting.fetch_from {
                    get.address = hook(get);
                }
                let (exchange, address) =
                    (Exchange::http(get, Arc::clone(&setting.tls)), get.address);
                (exchange, RequestSpan::new(&request, address))
            }
            Request::Dns(question) => {
                let server = name_servers.get(usize::from(question.server))?;
                let mut entropy = setting.system.entropy;
                let exchange = Exchange::dns(question, *server, &mut entropy);
                (exchange, RequestSpan::new(&request, server))
            }
        };
        let mut job = Self {
            exchange,
            report,
            setting: Arc::clone(setting),
            opening: None,
            address: None,
            span,
        };
        job.follow();
        Some(job)
    }

    /// Which request this is.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.exchange.id()
    }

    /// The one thing to do next.
    #[must_use]
    pub fn wants(&self) -> Want<'_> {
        self.opening.unwrap_or_else(|| self.exchange.wants())
    }

    /// The socket is open and connected, or not.
    pub fn opened(&mut self, opened: io::Result<()>) {
        self.take(opened, |exchange, ()| exchange.opened());
    }

    /// So many bytes have been sent, or none. False where that would have blocked: wait for the socket.
    pub fn wrote(&mut self, count: io::Result<usize>) -> bool {
        self.take(count, Exchange::wrote)
    }

    /// So many bytes have come, to the beginning of the buffer, or none. False where that would have blocked: wait for the socket.
    pub fn read(&mut self, count: io::Result<usize>, buffer: &[u8]) -> bool {
        let wall_clock = self.setting.system.wall_clock;
        let count = count.or_else(|error| match error.raw_os_error() {
            // On Windows a datagram that is longer than the buffer is an error, and its beginning is in the buffer.
            Some(WSAEMSGSIZE) if cfg!(windows) => Ok(buffer.len()),
            _ => Err(error),
        });
        self.take(count, |exchange, count| {
            let now = UnixTime::from_system_time(wall_clock());
            exchange.read(buffer.get(..count).unwrap_or_default(), Some(now));
        })
    }

    /// What was wanted did not work.
    pub fn failed(&mut self, error: io::ErrorKind) {
        self.fail(&error.into());
        self.follow();
    }

    /// Tells a rejection by the network from a lack of a route: the system has the same errors for both.
    fn fail(&mut self, error: &io::Error) {
        let rejected = self.address.is_some_and(|address| {
            is_from_network(error, address) && {
                let hook = self.setting.connect_to.as_ref();
                let place = hook.map_or(address, |hook| hook(address, Transport::Udp));
                (self.setting.system.reaches)(place)
            }
        });
        if rejected {
            self.exchange.rejected(error.kind());
        } else {
            self.exchange.failed(error.kind());
        }
    }

    /// The answer goes to whoever waits for it. Close the socket first.
    pub fn finish(mut self) {
        let answer = self.exchange.into_answer();
        self.span.end(&answer);
        self.report.answer(answer);
    }

    /// What came of it.
    #[cfg(test)]
    pub(crate) fn answer(self) -> discovery_core::Answer {
        self.exchange.into_answer()
    }

    fn take<T>(&mut self, result: io::Result<T>, take: impl FnOnce(&mut Exchange, T)) -> bool {
        match result {
            Ok(value) => take(&mut self.exchange, value),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => self.fail(&error),
        }
        if let Some(id) = self.exchange.connected() {
            self.report.connected(id);
        }
        self.follow();
        true
    }

    /// Asks the hook, once for each socket.
    fn follow(&mut self) {
        self.opening = match self.exchange.wants() {
            Want::Open(transport, address) => {
                self.address = Some(address);
                let place = self.setting.connect_to.as_ref().map(|hook| hook(address, transport));
                Some(Want::Open(transport, place.unwrap_or(address)))
            }
            Want::Write(_) | Want::Read | Want::Finish => None,
        };
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}
