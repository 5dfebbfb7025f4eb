//! `resolve`: names in, answers out, several at once.
//!
//! Knows nothing of how a name is looked up, nor of how an answer is written. One thread looks names up: what a lookup takes is
//! waiting, and a second thread would cost more than it gains. Another one writes, so that whoever reads slowly, a pager for
//! instance, keeps no lookup waiting.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, BufWriter, Write};
use std::task::Poll;
use std::thread;
use std::time::{Duration, SystemTime};

use discovery_core::{Cursor, ServerName, UnixMillis};
use discovery_wire::Setup;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::input::{self, Names};
use crate::lab;
use crate::memory;
use crate::options::ResolveOptions;
use crate::output::{Answered, End, Format, Paint};
use crate::runtime::Discovery;
use crate::setting;
use crate::status::{Status, Trouble};

/// Answers that wait for whoever reads, at most; so many more wait for their turn. Enough for those of names that take no packet to
/// fill the time in which answers are gathered.
const UNREAD: usize = 1024;
/// How long answers are gathered after some were written. Being woken for each answer of a batch would cost more than writing it.
const GATHERED: Duration = Duration::from_millis(5);

/// Resolves the names of the command line.
pub(crate) fn run(options: ResolveOptions) -> Result<Status, Trouble> {
    if options.lab {
        return lab::resolve(options);
    }
    let setup = setting::outside(&options)?;
    let (format, paint) = (Format::from(options.format), Paint::for_standard_output());
    let mut out = BufWriter::new(io::stdout());
    answer(options, setup, |answers| {
        answers.iter().try_for_each(|answered| answered.write(format, paint, &mut out))?;
        out.flush()
    })
}

/// Resolves the names of the command line by a discovery that is so set up. The answers go to `write`, all that are there at once.
pub(crate) fn answer(
    options: ResolveOptions,
    setup: Setup,
    write: impl FnMut(&[Answered]) -> io::Result<()> + Send,
) -> Result<Status, Trouble> {
    let here = |error: &dyn std::fmt::Display| Trouble::Here(error.to_string());
    let known = options.cache.as_deref().map(memory::read).transpose()?.flatten();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| here(&error))?;
    // Names that are being typed are answered as they come; names on the command line in their order.
    let typed = options.names.iter().any(|name| name == "-");
    let order = if typed { Order::Done } else { Order::Given };
    let ended = written_by(write, &runtime, async |answers| {
        let discovery = options.runtime.spawn(setup)?;
        if let Some(known) = known {
            let _ = discovery.handle().teach(known, wall());
        }
        let names = input::names(options.names);
        let look_up = |name| look_up(discovery.clone(), name);
        let status = answer_all(names, options.jobs, order, look_up, answers).await?;
        if let Some(file) = &options.cache {
            let mut all = discovery.handle().export_since(Cursor::START, wall());
            while all.has_more() {
                all.append(discovery.handle().export_since(all.cursor(), wall()));
            }
            memory::write(file, &all)?;
        }
        Ok(status)
    });
    // What still runs is of no use to anybody.
    runtime.shutdown_background();
    ended
}

/// Runs `answering`, and meanwhile, on a thread of its own, writes what it sends.
fn written_by(
    mut write: impl FnMut(&[Answered]) -> io::Result<()> + Send,
    runtime: &Runtime,
    answering: impl AsyncFnOnce(Sender<Answered>) -> Result<Status, Trouble>,
) -> Result<Status, Trouble> {
    thread::scope(|scope| {
        let (sender, mut answers) = channel(UNREAD);
        let writer = scope.spawn(move || {
            let mut batch = Vec::new();
            while answers.blocking_recv_many(&mut batch, UNREAD) > 0 {
                write(&batch)?;
                let behind = batch.len() == UNREAD;
                batch.clear();
                if !behind {
                    // Until there are no more: then whoever sent them says so.
                    thread::park_timeout(GATHERED);
                }
            }
            Ok(())
        });
        let status = runtime.block_on(answering(sender));
        writer.thread().unpark();
        let status = status?;
        match writer.join() {
            Ok(written) => written.map_err(|error| Trouble::write(&error, status))?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok(status)
    })
}

fn wall() -> UnixMillis {
    UnixMillis::from_system_time(SystemTime::now())
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

/// Looks up every name that comes, at most `jobs` at once, and sends each answer as soon as its order allows. It ends early where
/// nobody takes the answers any more.
pub(crate) async fn answer_all<F>(
    mut names: Names,
    jobs: usize,
    order: Order,
    mut lookup: impl FnMut(String) -> F,
    answers: Sender<Answered>,
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
                    .poll(context)
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
                    if answers.send(answered).await.is_err() {
                        return Ok(status);
                    }
                }
            }
            Turn::Finished => return Ok(status),
        }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
