//! The faults of one request, at any state of a path.
//!
//! Knows nothing of machines: a fault is what their driver does, or fails to do.

use std::collections::BTreeSet;
use std::fmt;

use discovery_core::{
    Answer, DnsError, DnsReply, HttpError, HttpResponse, Question, Request, RequestId,
};
use http::{HeaderMap, StatusCode};

use crate::run::question;

/// One thing that goes wrong. Answers that come twice, or after their request has ended, are no faults of a way: they must change
/// nothing, which is tried in every state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer never comes.
    Lost,
    /// Another answer comes: an error, or something that is not so.
    Wrong(Answer),
    /// The driver can't ask, or asks no longer.
    GivenUp(Answer),
}

impl Fault {
    /// All that can go wrong with a request.
    pub(super) fn of(request: &Request) -> Vec<Self> {
        let wrong = match request {
            Request::Dns(dns) => {
                let nothing = DnsReply::not_found(true, None);
                [Err(DnsError::ServerFailure), Ok(nothing)].map(|said| Answer::Dns(dns.id, said))
            }
            Request::Http(get) => {
                let response = HttpResponse::new(
                    StatusCode::OK,
                    HeaderMap::new(),
                    br#"{"m.server":"192.0.2.66"}"#.to_vec(),
                );
                [Err(HttpError::Reset), Ok(response)].map(|said| Answer::Http(get.id, said))
            }
        };
        let mut faults = vec![Self::Lost];
        faults.extend(wrong.map(Self::Wrong));
        faults.push(Self::GivenUp(Answer::local_failure(request.id())));
        faults
    }

    /// The question of which the world is not to be believed any more.
    pub(super) fn lies_about(&self, request: &Request) -> Option<Question> {
        match self {
            Self::Wrong(Answer::Dns(_, Ok(_)) | Answer::Http(_, Ok(_))) => question(request),
            Self::Wrong(_) | Self::Lost | Self::GivenUp(_) => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("lost"),
            Self::GivenUp(_) => f.write_str("given up by the driver"),
            Self::Wrong(Answer::Dns(_, Ok(_))) => f.write_str("answered with NXDOMAIN"),
            Self::Wrong(Answer::Http(_, Ok(_))) => f.write_str("answered with another document"),
            Self::Wrong(Answer::Dns(_, Err(error))) => write!(f, "answered with {error:?}"),
            Self::Wrong(Answer::Http(_, Err(error))) => write!(f, "answered with {error:?}"),
        }
    }
}

/// The content of a request, for the printed path.
pub(super) fn asked(request: &Request) -> String {
    match request {
        Request::Dns(dns) => {
            format!("{} {} (attempt {} at server {})", dns.name, dns.kind, dns.attempt, dns.server)
        }
        Request::Http(get) => format!("GET {} at {}", get.url, get.address),
    }
}

/// The faults so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Gone {
    /// Faults.
    pub(super) count: usize,
    /// Questions of which something untrue was said.
    pub(super) lied: BTreeSet<Question>,
    /// Requests that are never answered.
    pub(super) lost: BTreeSet<RequestId>,
}

impl Gone {
    pub(super) fn wrong(&mut self, request: &Request, fault: &Fault) {
        self.count = self.count.saturating_add(1);
        self.lied.extend(fault.lies_about(request));
        if *fault == Fault::Lost {
            self.lost.insert(request.id());
        }
    }
}
