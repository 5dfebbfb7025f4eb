//! Requests answered by libraries that are there already: hickory-resolver for DNS, reqwest for HTTP.
//!
//! `cargo run -p discovery-lab --example libraries [NAME …]`. Of the wire only the desk is used, between callers and driver; it speaks
//! no protocol here. What repeats within a library is not repeated by the machine.
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

use std::collections::BTreeMap;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use common::Setting;
use discovery_core::{Answer, Outcome, Request, RequestId, ServerName};
use discovery_driver::{Alarm, Desk, Handle, Order, Report};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

/// Starts a driver as a task of the current runtime. It ends when the last handle is gone.
pub(crate) fn spawn(setting: Setting) -> Handle {
    let mut config = setting.config();
    // The library chooses the server, and tries again.
    config.name_servers = config.name_servers.min(1);
    config.policy.dns_attempts = 1;
    let setting = Arc::new(setting);
    let clock = Arc::clone(&setting);
    let (handle, desk) = Desk::new(config, move || (clock.clock)());
    tokio::spawn(drive(desk, setting));
    handle
}

/// One request. The report tells of a failure of our own side where it is dropped without an answer.
async fn answer(request: Request, report: Report, setting: Arc<Setting>) -> RequestId {
    let id = request.id();
    report.answer(match request {
        Request::Dns(question) => Answer::Dns(question.id, names::ask(&setting, &question).await),
        Request::Http(get) => Answer::Http(get.id, pages::get(&setting, &get).await),
    });
    id
}

/// Starts and stops tasks as the desk orders, and keeps its deadline.
async fn drive(mut desk: Desk, setting: Arc<Setting>) {
    let mut running: BTreeMap<RequestId, AbortHandle> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    let mut alarm = Alarm::default();
    poll_fn(|cx| {
        loop {
            while let Poll::Ready(Some(ended)) = tasks.poll_join_next(cx) {
                match ended {
                    Ok(id) => drop(running.remove(&id)),
                    Err(_) => running.retain(|_, task| !task.is_finished()),
                }
            }
            match desk.poll(cx) {
                Poll::Ready(Order::Start(request)) => {
                    let (id, report) = (request.id(), desk.report(request.id()));
                    let task = answer(request, report, Arc::clone(&setting));
                    running.insert(id, tasks.spawn(task));
                }
                Poll::Ready(Order::Stop(id)) => {
                    if let Some(task) = running.remove(&id) {
                        task.abort();
                    }
                }
                Poll::Ready(Order::End) => return Poll::Ready(()),
                Poll::Pending => {
                    let start = |left| Box::pin(sleep(left));
                    match alarm.poll(cx, desk.time_left(), Instant::now(), start) {
                        Poll::Ready(()) => desk.handle_timeout(),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
    })
    .await;
}

/// Resolves names at once.
pub(crate) fn resolve_all(setting: Setting, names: &[ServerName]) -> io::Result<Vec<Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let handle = spawn(setting);
        let all: Vec<_> = names.iter().map(|name| handle.resolve(name)).collect();
        let mut outcomes = Vec::new();
        for waiting in all {
            outcomes.push(waiting.await);
        }
        Ok(outcomes)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    common::run(resolve_all)
}
