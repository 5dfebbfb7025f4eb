//! One request from the order to start it to the report of its answer: what a driver carries out over a socket.
//!
//! Knows which sockets and name servers are meant, and whom to tell; not what the bytes mean.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use discovery_core::{Request, RequestId, UnixTime};
use rustls::ClientConfig;

use crate::desk::Report;
use crate::exchange::{Exchange, Want};
use crate::setup::{ConnectTo, FetchFrom, System};

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
}

/// What every request needs.
pub(crate) struct Setting {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) name_servers: Vec<SocketAddr>,
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
    ) -> Option<Self> {
        let exchange = match &mut request {
            Request::Http(get) => {
                if let Some(hook) = &setting.fetch_from {
                    get.address = hook(get);
                }
                Exchange::http(get, Arc::clone(&setting.tls))
            }
            Request::Dns(question) => {
                let server = setting.name_servers.get(usize::from(question.server))?;
                Exchange::dns(question, *server, &mut setting.system.entropy.clone())
            }
        };
        let mut job = Self { exchange, report, setting: Arc::clone(setting), opening: None };
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
        self.take(count, |exchange, count| {
            let now = UnixTime::from_system_time(wall_clock());
            exchange.read(buffer.get(..count).unwrap_or_default(), Some(now));
        })
    }

    /// What was wanted did not work.
    pub fn failed(&mut self, error: io::ErrorKind) {
        self.exchange.failed(error);
        self.follow();
    }

    /// The answer goes to whoever waits for it. Close the socket first.
    pub fn finish(self) {
        self.report.answer(self.exchange.into_answer());
    }

    fn take<T>(&mut self, result: io::Result<T>, take: impl FnOnce(&mut Exchange, T)) -> bool {
        match result {
            Ok(value) => take(&mut self.exchange, value),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => self.exchange.failed(error.kind()),
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
