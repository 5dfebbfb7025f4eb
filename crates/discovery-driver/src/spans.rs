//! Spans of lookups and requests for `tracing`; without that feature they do nothing.
//!
//! No span is created or changed while the resolver is locked, because a subscriber may call it. A request's span has no parent:
//! lookups share it.

use discovery_core::{Answer, Outcome, Request, ServerName};

/// The span of a lookup: `lookup` with the fields `name`, `hit` (whether the result was known already), `outcome` and, if it was
/// resolved, `step`: the step that decided.
pub(crate) struct LookupSpan {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    #[cfg(feature = "tracing")]
    ended: bool,
}

/// The span of a request: `request` with the fields `kind`, `question`, `place` (the address of the name server or web server),
/// `attempt` of a DNS question, and `result`.
pub(crate) struct RequestSpan {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    #[cfg(feature = "tracing")]
    ended: bool,
}

#[cfg(not(feature = "tracing"))]
impl LookupSpan {
    pub(crate) fn new(_name: &ServerName) -> Self {
        Self {}
    }

    pub(crate) fn none() -> Self {
        Self {}
    }

    pub(crate) fn known(&mut self, _known: bool) {}

    pub(crate) fn end(&mut self, _outcome: &Outcome) {}
}

#[cfg(not(feature = "tracing"))]
impl RequestSpan {
    pub(crate) fn new(_request: &Request, _place: impl std::fmt::Display) -> Self {
        Self {}
    }

    pub(crate) fn end(&mut self, _answer: &Answer) {}
}

#[cfg(feature = "tracing")]
mod listening {
    use std::fmt::Display;

    use tracing::debug_span;
    use tracing::field::{Empty, debug, display};

    use super::{Answer, LookupSpan, Outcome, Request, RequestSpan, ServerName};

    impl LookupSpan {
        pub(crate) fn new(name: &ServerName) -> Self {
            let span = debug_span!(
                target: "discovery", "lookup", %name, hit = Empty, outcome = Empty, step = Empty
            );
            Self { span, ended: false }
        }

        /// Of a text that is no server name.
        pub(crate) fn none() -> Self {
            Self { span: tracing::Span::none(), ended: true }
        }

        pub(crate) fn known(&mut self, known: bool) {
            self.span.record("hit", known);
        }

        pub(crate) fn end(&mut self, outcome: &Outcome) {
            self.ended = true;
            match outcome {
                Ok(resolved) => {
                    self.span.record("step", display(resolved.step.number()));
                    self.span.record("outcome", "resolved");
                }
                Err(failed) => {
                    self.span.record("outcome", display(failed.kind));
                }
            }
        }
    }

    impl Drop for LookupSpan {
        fn drop(&mut self) {
            if !self.ended {
                self.span.record("outcome", "abandoned");
            }
        }
    }

    impl RequestSpan {
        pub(crate) fn new(request: &Request, place: impl Display) -> Self {
            let span = match request {
                Request::Dns(it) => debug_span!(
                    target: "discovery", parent: None, "request", kind = "dns",
                    question = %format_args!("{} {}", it.name, it.kind), %place,
                    attempt = it.attempt, result = Empty
                ),
                Request::Http(it) => debug_span!(
                    target: "discovery", parent: None, "request", kind = "get",
                    question = %it.url, %place, result = Empty
                ),
            };
            Self { span, ended: false }
        }

        pub(crate) fn end(&mut self, answer: &Answer) {
            self.ended = true;
            match answer {
                Answer::Dns(_, Ok(reply)) if reply.nxdomain => {
                    self.span.record("result", "no such name");
                }
                Answer::Dns(_, Ok(reply)) => {
                    let records = format_args!("{} records", reply.records.len()).to_string();
                    self.span.record("result", display(records));
                }
                Answer::Http(_, Ok(response)) => {
                    self.span.record("result", display(response.status));
                }
                Answer::Dns(_, Err(error)) => {
                    self.span.record("result", debug(error));
                }
                Answer::Http(_, Err(error)) => {
                    self.span.record("result", debug(error));
                }
            }
        }
    }

    impl Drop for RequestSpan {
        fn drop(&mut self) {
            if !self.ended {
                self.span.record("result", "stopped");
            }
        }
    }
}
