//! Answers requests with other libraries: hickory-resolver for DNS, reqwest for HTTP.
//!
//! `cargo run -p discovery-lab --example libraries [NAME …]`. The driver's requests are answered as a whole; the wire speaks no protocol here. What repeats within a library is not repeated by the machine.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    reason = "an adapter reads the clocks and opens sockets, and the libraries' lists of errors grow"
)]

#[allow(dead_code, reason = "each example takes what it needs")]
#[path = "../common/mod.rs"]
pub(crate) mod common;
mod names;
mod pages;

use std::error::Error;
use std::io;
use std::sync::Arc;

use common::Settings;
use discovery_core::{Answer, Outcome, Request, ServerName};
use discovery_driver::{BuildError, Builder, Discovery, RequestTask, System};
use tokio::time::sleep;

/// Starts a driver as a task of the current runtime. It ends when the last handle is dropped.
pub(crate) fn spawn(settings: Settings) -> Result<Discovery, BuildError> {
    let settings = Arc::new(settings);
    let clock = Arc::clone(&settings);
    let mut policy = settings.policy.clone();
    // The library chooses the server and retries.
    policy.dns.attempts = 1;
    let (discovery, driver) = Builder::new(Arc::clone(&settings.tls))
        .policy(policy)
        .seed(settings.seed)
        .name_servers(settings.name_servers.first().copied())
        .probe_routes(false)
        .clock(move || (clock.clock)())
        .build(System::default())?;
    discovery.set_routes(settings.routes);
    tokio::spawn(driver.run(move |task| answer(task, Arc::clone(&settings)), sleep));
    Ok(discovery)
}

/// One request.
async fn answer(task: RequestTask, settings: Arc<Settings>) {
    let answer = match task.request() {
        Request::Dns(question) => Answer::Dns(question.id, names::ask(&settings, question).await),
        Request::Http(get) => Answer::Http(get.id, pages::get(&settings, get).await),
    };
    task.answer(answer);
}

/// Resolves names concurrently.
pub(crate) fn resolve_all(settings: Settings, names: &[ServerName]) -> io::Result<Vec<Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let discovery = spawn(settings).map_err(io::Error::other)?;
        let all: Vec<_> = names.iter().map(|name| discovery.resolve(name)).collect();
        let mut outcomes = Vec::new();
        for resolve in all {
            outcomes.push(resolve.await);
        }
        Ok(outcomes)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    common::run(resolve_all)
}
