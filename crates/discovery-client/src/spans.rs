//! Spans of requests, with the feature `tracing`; nothing without it.

use std::future::Future;
use std::sync::Arc;

use discovery_tokio::discovery_core::{Resolved, ServerName};
use http::Response;

use crate::{ClientError, Endpoint, ResponseBody, Reused};

/// The span of one request.
pub(crate) struct RequestSpan {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl RequestSpan {
    #[cfg(feature = "tracing")]
    pub(crate) fn new(name: &ServerName, path: &str) -> Self {
        use tracing::field::Empty;
        let span = tracing::debug_span!(
            "request",
            server_name = %name,
            path,
            step = Empty,
            endpoint = Empty,
            reused = Empty,
            status = Empty,
            error = Empty
        );
        Self { span }
    }

    #[cfg(not(feature = "tracing"))]
    pub(crate) fn new(_: &ServerName, _: &str) -> Self {
        Self {}
    }

    #[cfg(feature = "tracing")]
    pub(crate) async fn follow<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| self.span.in_scope(|| work.as_mut().poll(cx))).await
    }

    #[cfg(not(feature = "tracing"))]
    pub(crate) async fn follow<T>(&self, work: impl Future<Output = T>) -> T {
        work.await
    }

    /// Records how the request ended.
    pub(crate) fn end(&self, sent: &Result<Response<ResponseBody>, ClientError>) {
        match sent {
            Ok(response) => {
                let of = response.extensions();
                let step = of.get::<Arc<Resolved>>().map(|resolved| resolved.step.name());
                self.record("step", &step.unwrap_or_default());
                if let Some(endpoint) = of.get::<Endpoint>() {
                    self.record("endpoint", &endpoint);
                }
                if let Some(Reused(reused)) = of.get::<Reused>() {
                    self.record("reused", reused);
                }
                self.record("status", &response.status());
            }
            Err(error) => self.record("error", error),
        }
    }

    #[cfg(feature = "tracing")]
    fn record(&self, field: &'static str, value: &dyn std::fmt::Display) {
        self.span.record(field, tracing::field::display(value));
    }

    #[cfg(not(feature = "tracing"))]
    #[allow(clippy::unused_self, reason = "it has a span with the feature")]
    fn record(&self, _: &'static str, _: &dyn std::fmt::Display) {}
}
