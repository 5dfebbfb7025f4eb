//! `resolve`: names in, answers out, several at once.
//!
//! Knows nothing of how a name is looked up, nor of how an answer is written.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use discovery_core::ServerName;
use discovery_tokio::{Builder, Discovery};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::input;
use crate::lab;
use crate::options::ResolveOptions;
use crate::output::{Answered, End, Format, Paint};
use crate::setting;
use crate::status::{Status, Trouble};

/// Resolves the names of the command line.
pub(crate) fn run(options: ResolveOptions) -> Result<Status, Trouble> {
    if options.lab {
        return lab::resolve(options);
    }
    let discovery = setting::outside(&options)?;
    let (format, paint) = (Format::from(options.format), Paint::for_standard_output());
    let mut out = io::stdout().lock();
    answer(options, discovery, |answered| answered.write(format, paint, &mut out))
}

/// Resolves the names of the command line by that discovery, each answer going to `write`.
pub(crate) fn answer(
    options: ResolveOptions,
    discovery: Builder,
    write: impl FnMut(&Answered) -> io::Result<()>,
) -> Result<Status, Trouble> {
    let here = |error: &dyn std::fmt::Display| Trouble::Here(error.to_string());
    let runtime = Runtime::new().map_err(|error| here(&error))?;
    // Names that are being typed are answered as they come; names on the command line in their order.
    let typed = options.names.iter().any(|name| name == "-");
    let order = if typed { Order::Done } else { Order::Given };
    let ended = runtime.block_on(async {
        let discovery = discovery.spawn().map_err(|error| here(&error))?;
        let names = input::names(options.names);
        let look_up = |name| look_up(discovery.clone(), name);
        answer_all(names, options.jobs, order, look_up, write).await
    });
    // What still runs is of no use to anybody.
    runtime.shutdown_background();
    ended
}

async fn look_up(discovery: Discovery, name: String) -> Answered {
    let begun = Instant::now();
    let end = match ServerName::parse(&name) {
        Ok(parsed) => End::Outcome(discovery.resolve(&parsed).await),
        Err(why) => End::NotAName(why),
    };
    let now = Instant::now();
    let at = discovery.handle().clock().to_core(now.into_std());
    Answered { name, end, took: now.saturating_duration_since(begun), at, note: None }
}

/// In which order answers go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As the names were given.
    Given,
    /// As they are done.
    Done,
}

enum Turn {
    Name(String),
    NoMoreNames,
    Done(usize, Answered),
    Finished,
}

/// Looks up every name that comes, at most `jobs` at once, and writes each answer as soon as its order allows.
pub(crate) async fn answer_all<F>(
    mut names: Receiver<String>,
    jobs: usize,
    order: Order,
    mut lookup: impl FnMut(String) -> F,
    mut write: impl FnMut(&Answered) -> io::Result<()>,
) -> Result<Status, Trouble>
where
    F: Future<Output = Answered> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut waiting = BTreeMap::new();
    let (mut started, mut next, mut more) = (0_usize, 0_usize, true);
    let mut status = Status::default();
    loop {
        let turn = poll_fn(|context| {
            if let Poll::Ready(Some(joined)) = running.poll_join_next(context) {
                let (index, answered) = joined
                    .map_err(|error| Trouble::Here(format!("a lookup broke off: {error}")))?;
                return Poll::Ready(Ok(Turn::Done(index, answered)));
            }
            if more && running.len() < jobs {
                return names
                    .poll_recv(context)
                    .map(|name| Ok(name.map_or(Turn::NoMoreNames, Turn::Name)));
            }
            if running.is_empty() { Poll::Ready(Ok(Turn::Finished)) } else { Poll::Pending }
        });
        match turn.await? {
            Turn::Name(name) => {
                let (index, future) = (started, lookup(name));
                running.spawn(async move { (index, future.await) });
                started = started.saturating_add(1);
            }
            Turn::NoMoreNames => more = false,
            Turn::Done(index, answered) => {
                waiting.insert(index, answered);
                while let Some(answered) = match order {
                    Order::Given => waiting.remove(&next),
                    Order::Done => waiting.pop_first().map(|(_, answered)| answered),
                } {
                    next = next.saturating_add(1);
                    status = status.max(answered.status());
                    write(&answered).map_err(|error| Trouble::write(&error, status))?;
                }
            }
            Turn::Finished => return Ok(status),
        }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
