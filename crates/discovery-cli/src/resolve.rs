//! `resolve`: names in, answers out, several at once.
//!
//! Knows nothing of how a name is looked up, nor of how an answer is written. One thread looks names up: what a lookup takes is
//! waiting, and a second thread would cost more than it gains. Another one writes, so that whoever reads slowly, a pager for
//! instance, keeps no lookup waiting.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, BufWriter, Write};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use discovery_core::{Cursor, ServerName};
use discovery_driver::{Builder, Discovery};
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::input::{self, Given, Names};
use crate::lab;
use crate::memory::Memory;
use crate::options::ResolveOptions;
use crate::output::{Answered, End, Format, Paint};
use crate::setting;
use crate::signals::Stop;
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
    let builder = setting::outside(&options)?;
    let (format, paint) = (Format::from(options.format), Paint::for_standard_output());
    let mut out = BufWriter::new(io::stdout());
    answer(options, builder, |answers| {
        answers.iter().try_for_each(|answered| answered.write(format, paint, &mut out))?;
        out.flush()
    })
}

/// Resolves the names of the command line by a discovery with these settings. The answers go to `write`, all that are there at once.
pub(crate) fn answer(
    options: ResolveOptions,
    builder: Builder,
    write: impl FnMut(&[Answered]) -> io::Result<()> + Send,
) -> Result<Status, Trouble> {
    let here = |error: &dyn std::fmt::Display| Trouble::Here(error.to_string());
    let (memory, known) = options.cache.as_deref().map(Memory::open).unzip();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| here(&error))?;
    // Names that are being typed are answered as they come; names on the command line in their order.
    let typed = options.names.iter().any(|name| name == "-");
    let order = if typed { Order::Done } else { Order::Given };
    let ended = written_by(write, &runtime, async |answers| {
        let stop = Stop::on_signals().map_err(|error| here(&error))?;
        let discovery = options.runtime.spawn(builder)?;
        if let Some(known) = known.flatten() {
            let _ = discovery.import(known);
        }
        let names = input::names(options.names).map_err(|error| no_thread(&error))?;
        let look_up = |given| look_up(discovery.clone(), given, options.strict_names);
        let ended = answer_all(names, options.jobs, order, look_up, answers, stop).await;
        if let Some(memory) = memory {
            let mut all = discovery.export_since(Cursor::START);
            while all.has_more() {
                all.append(discovery.export_since(all.cursor()));
            }
            memory.write(&all)?;
        }
        ended
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
        let writer = thread::Builder::new().spawn_scoped(scope, move || {
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
        let writer = writer.map_err(|error| no_thread(&error))?;
        let ended = runtime.block_on(answering(sender));
        writer.thread().unpark();
        let written = match writer.join() {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let status = ended?;
        written.map_err(|error| Trouble::write(&error, status))?;
        Ok(status)
    })
}

/// There is no thread to be had.
pub(crate) fn no_thread(error: &io::Error) -> Trouble {
    Trouble::Here(format!("this machine gives no thread: {error}"))
}

async fn look_up(discovery: Discovery, given: Given, strict: bool) -> Answered {
    let begun = Instant::now();
    let Given { text: name, cut } = given;
    let name = if strict { name } else { input::forgiven(&name) };
    let end = match ServerName::parse(&name) {
        _ if cut => End::LineTooLong,
        Ok(parsed) => End::Outcome(discovery.resolve(&parsed).await),
        Err(why) => End::NotAName(why),
    };
    let now = Instant::now();
    let at = discovery.clock().to_core(now.into_std());
    let took = now.saturating_duration_since(begun);
    let revision = discovery.policy().spec.revision;
    Answered { name, end, took, at, revision, note: None }
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
    Name(Given),
    NoMoreNames,
    Unread(io::Error),
    Done(usize, Answered),
    Slow,
    Finished,
    Stopped(u8),
}

/// After this long a lookup no longer counts against the jobs: names whose servers are silent must not hold up the others.
const SLOW: Duration = Duration::from_millis(250);
/// Lookups at once, slow ones included, are so many times the jobs at most,
const SLOW_JOBS: usize = 16;
/// and more than the jobs only up to this many, which bounds memory.
const MAX_SLOW: usize = 2048;

/// How many lookups there may be at once, slow ones included.
pub(crate) fn most_lookups(jobs: usize) -> usize {
    jobs.saturating_mul(SLOW_JOBS).min(MAX_SLOW).max(jobs)
}

/// Looks up every name that comes, at most `jobs` at once that are not slow, and sends each answer as soon as its order allows. It ends
/// early where nobody takes the answers any more, and by a signal: what is known then is sent first.
pub(crate) async fn answer_all<F>(
    mut names: Names,
    jobs: usize,
    order: Order,
    mut lookup: impl FnMut(Given) -> F,
    answers: Sender<Answered>,
    mut stop: Stop,
) -> Result<Status, Trouble>
where
    F: Future<Output = Answered> + Send + 'static,
{
    let most = most_lookups(jobs);
    let mut running = JoinSet::new();
    // Those that are not slow, and since when.
    let mut quick: BTreeMap<usize, Instant> = BTreeMap::new();
    let mut timer = pin!(sleep(SLOW));
    let mut waiting = BTreeMap::new();
    let (mut started, mut next, mut more) = (0_usize, 0_usize, true);
    let mut status = Status::default();
    let mut unread = None;
    loop {
        let turn = poll_fn(|context| {
            if let Poll::Ready(number) = stop.poll(context) {
                return Poll::Ready(Ok(Turn::Stopped(number)));
            }
            if let Poll::Ready(Some(joined)) = running.poll_join_next(context) {
                let (index, answered) = joined
                    .map_err(|error| Trouble::Here(format!("a lookup broke off: {error}")))?;
                return Poll::Ready(Ok(Turn::Done(index, answered)));
            }
            if more && quick.len() < jobs && running.len() < most {
                return names.poll(context).map(|name| {
                    Ok(match name {
                        Some(Ok(name)) => Turn::Name(name),
                        Some(Err(error)) => Turn::Unread(error),
                        None => Turn::NoMoreNames,
                    })
                });
            }
            if running.is_empty() {
                return Poll::Ready(Ok(Turn::Finished));
            }
            match quick.first_key_value() {
                Some((_, since)) if more => {
                    let at = *since + SLOW;
                    if timer.deadline() != at {
                        timer.as_mut().reset(at);
                    }
                    timer.as_mut().poll(context).map(|()| Ok(Turn::Slow))
                }
                _ => Poll::Pending,
            }
        });
        match turn.await? {
            Turn::Name(name) => {
                let (index, future) = (started, lookup(name));
                running.spawn(async move { (index, future.await) });
                quick.insert(index, Instant::now());
                started = started.saturating_add(1);
            }
            Turn::NoMoreNames => more = false,
            Turn::Unread(error) => {
                more = false;
                unread = Some(Trouble::Here(format!("standard input: {error}")));
            }
            Turn::Slow => {
                let slow = Instant::now().checked_sub(SLOW);
                quick.retain(|_, since| slow.is_none_or(|slow| *since > slow));
            }
            Turn::Done(index, answered) => {
                quick.remove(&index);
                waiting.insert(index, answered);
                while let Some(answered) = match order {
                    Order::Given => waiting.remove(&next),
                    Order::Done => waiting.pop_first().map(|(_, answered)| answered),
                } {
                    next = next.saturating_add(1);
                    status = status.max(answered.status());
                    let mut sending = pin!(answers.send(answered));
                    let sent = poll_fn(|context| match stop.poll(context) {
                        Poll::Ready(number) => Poll::Ready(Err(Trouble::Signal(number))),
                        Poll::Pending => sending.as_mut().poll(context).map(Ok),
                    });
                    if sent.await?.is_err() {
                        return Ok(status);
                    }
                }
            }
            Turn::Finished if started == 0 && unread.is_none() => {
                return Err(Trouble::Usage("no names on standard input".to_owned()));
            }
            Turn::Finished => return unread.map_or(Ok(status), Err),
            Turn::Stopped(number) => {
                for answered in waiting.into_values() {
                    // Whoever does not read now has no more time to.
                    let _ = answers.try_send(answered);
                }
                return Err(Trouble::Signal(number));
            }
        }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
