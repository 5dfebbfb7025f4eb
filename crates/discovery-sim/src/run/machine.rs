//! The verbs of a machine, and inputs as data.
//!
//! Knows nothing of worlds.

use std::net::SocketAddr;

use discovery_core::{
    Answer, Deadline, Disposition, Event, Export, Feedback, HttpId, Instant, RequestId, Resolution,
    Resolver, Routes, ServerName, Ticket, UnixMillis,
};

/// One input of a machine, with the moment it comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A name is asked for. A machine for one name was made with it, and takes this as the news of its ticket.
    Resolve(ServerName, Instant),
    /// An answer.
    Answer(Answer, Instant),
    /// TLS is up for a GET.
    Connected(HttpId, Instant),
    /// Time has passed.
    Timeout(Instant),
    /// A ticket is abandoned.
    Abandon(Ticket, Instant),
    /// The families that have a route.
    Routes(Routes, Instant),
    /// How many name servers there are.
    NameServers(u8, Instant),
    /// What is remembered of a name is dropped; a machine for one name remembers nothing.
    Forget(ServerName, Instant),
    /// A caller tells of a place that a name led to; a machine for one name knows no callers.
    Report(ServerName, SocketAddr, Feedback, Instant),
    /// What another machine has learnt comes in, at that time of the wall clock; a machine for one name remembers nothing.
    Import(Export, UnixMillis, Instant),
}

impl Input {
    /// The same, coming in at another moment: only what a reply may be is moved.
    pub(super) fn told_at(self, now: Instant) -> Self {
        match self {
            Self::Answer(answer, _) => Self::Answer(answer, now),
            Self::Connected(id, _) => Self::Connected(id, now),
            Self::Resolve(..)
            | Self::Timeout(_)
            | Self::Abandon(..)
            | Self::Routes(..)
            | Self::NameServers(..)
            | Self::Forget(..)
            | Self::Report(..)
            | Self::Import(..) => self,
        }
    }

    /// The request that it is a reply to, or part of one; None: it is none.
    pub fn replies_to(&self) -> Option<RequestId> {
        match self {
            Self::Answer(answer, _) => Some(answer.id()),
            Self::Connected(id, _) => Some(RequestId::Http(*id)),
            Self::Resolve(..)
            | Self::Timeout(_)
            | Self::Abandon(..)
            | Self::Routes(..)
            | Self::NameServers(..)
            | Self::Forget(..)
            | Self::Report(..)
            | Self::Import(..) => None,
        }
    }

    /// When it comes in.
    pub fn at(&self) -> Instant {
        match self {
            Self::Resolve(_, at)
            | Self::Answer(_, at)
            | Self::Connected(_, at)
            | Self::Timeout(at)
            | Self::Abandon(_, at)
            | Self::Routes(_, at)
            | Self::NameServers(_, at)
            | Self::Forget(_, at)
            | Self::Import(.., at)
            | Self::Report(.., at) => *at,
        }
    }
}

/// The common interface of a resolution and a resolver.
pub trait Machine {
    /// Asks for a name; a machine for one name returns its ticket.
    fn resolve(&mut self, name: &ServerName, now: Instant) -> Ticket;
    /// Gives an answer.
    fn handle_answer(&mut self, answer: Answer, now: Instant) -> Disposition;
    /// Tells that TLS is up.
    fn handle_connected(&mut self, id: HttpId, now: Instant) -> Disposition;
    /// Tells that time has passed.
    fn handle_timeout(&mut self, now: Instant);
    /// Gives a ticket up.
    fn abandon(&mut self, ticket: Ticket, now: Instant) -> Disposition;
    /// Tells which families have a route.
    fn set_routes(&mut self, routes: Routes, now: Instant);
    /// Tells how many name servers there are.
    fn set_name_servers(&mut self, count: u8, now: Instant);
    /// Drops what is remembered of a name; a machine that remembers nothing takes the time.
    fn forget(&mut self, name: &ServerName, now: Instant) {
        let _ = name;
        self.handle_timeout(now);
    }
    /// Tells of a place that a name led to; a machine that remembers nothing takes the time.
    fn report(
        &mut self,
        name: &ServerName,
        place: SocketAddr,
        said: Feedback,
        now: Instant,
    ) -> Disposition {
        let _ = (name, place, said);
        self.handle_timeout(now);
        Disposition::Unknown
    }
    /// Takes in what another machine has learnt; a machine that remembers nothing takes the time.
    fn import(&mut self, export: &Export, wall: UnixMillis, now: Instant) {
        let _ = (export, wall);
        self.handle_timeout(now);
    }
    /// Takes the next event.
    fn poll(&mut self) -> Option<Event>;
    /// When to call `handle_timeout`.
    fn poll_timeout(&self) -> Option<Deadline>;

    /// Gives an input; returns the ticket of a name that is asked for.
    fn apply(&mut self, input: &Input) -> Option<Ticket> {
        match input {
            Input::Resolve(name, now) => return Some(self.resolve(name, *now)),
            Input::Answer(answer, now) => drop(self.handle_answer(answer.clone(), *now)),
            Input::Connected(id, now) => drop(self.handle_connected(*id, *now)),
            Input::Timeout(now) => self.handle_timeout(*now),
            Input::Abandon(ticket, now) => drop(self.abandon(*ticket, *now)),
            Input::Routes(routes, now) => self.set_routes(*routes, *now),
            Input::NameServers(count, now) => self.set_name_servers(*count, *now),
            Input::Forget(name, now) => self.forget(name, *now),
            Input::Report(name, place, said, now) => {
                let _: Disposition = self.report(name, *place, *said, *now);
            }
            Input::Import(export, wall, now) => self.import(export, *wall, *now),
        }
        None
    }
}

macro_rules! same_verbs {
    () => {
        fn handle_answer(&mut self, answer: Answer, now: Instant) -> Disposition {
            self.handle_answer(answer, now)
        }

        fn handle_connected(&mut self, id: HttpId, now: Instant) -> Disposition {
            self.handle_connected(id, now)
        }

        fn handle_timeout(&mut self, now: Instant) {
            self.handle_timeout(now);
        }

        fn abandon(&mut self, ticket: Ticket, now: Instant) -> Disposition {
            self.abandon(ticket, now)
        }

        fn set_routes(&mut self, routes: Routes, now: Instant) {
            self.set_routes(routes, now);
        }

        fn set_name_servers(&mut self, count: u8, now: Instant) {
            self.set_name_servers(count, now);
        }

        fn poll(&mut self) -> Option<Event> {
            self.poll()
        }

        fn poll_timeout(&self) -> Option<Deadline> {
            self.poll_timeout()
        }
    };
}

impl Machine for Resolution {
    fn resolve(&mut self, _: &ServerName, _: Instant) -> Ticket {
        self.ticket()
    }

    same_verbs!();
}

impl Machine for Resolver {
    fn resolve(&mut self, name: &ServerName, now: Instant) -> Ticket {
        self.resolve(name, now)
    }

    fn forget(&mut self, name: &ServerName, now: Instant) {
        self.forget(name, now);
    }

    fn report(
        &mut self,
        name: &ServerName,
        place: SocketAddr,
        said: Feedback,
        now: Instant,
    ) -> Disposition {
        self.report(name, place, said, now)
    }

    fn import(&mut self, export: &Export, wall: UnixMillis, now: Instant) {
        let _ = self.import(export.clone(), now, wall);
    }

    same_verbs!();
}
