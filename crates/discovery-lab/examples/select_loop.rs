//! The machine inside an existing loop with other work, without `Discovery` and without a task of its own.
//!
//! `cargo run -p discovery-lab --example select_loop [NAME …]`. The something else is an echo service; what the machine asks for is
//! carried out by the wire's exchanges, one task each. Everybody else asks the loop by a message.
#![allow(
    clippy::disallowed_methods,
    reason = "an example reads the clocks, as its loop's owner does"
)]

#[allow(dead_code, reason = "each example takes what it needs")]
pub(crate) mod common;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;

use common::Settings;
use common::messages::{Handle, Lookup, Message};
use common::sockets::{self, Running, until};
use discovery_core::{Event, Outcome, Resolver, ServerName, Ticket};
use discovery_driver::Clock;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

/// The loop. Returns how many datagrams it has echoed.
pub(crate) async fn program(
    settings: Settings,
    echo: UdpSocket,
    mut messages: UnboundedReceiver<Message>,
) -> usize {
    let settings = Arc::new(settings);
    let now = || (settings.clock)();
    let clock = Clock::start(now());
    let moment = || clock.to_core(now());
    let mut resolver = Resolver::new(settings.config(), moment());
    let mut waiting: BTreeMap<Ticket, oneshot::Sender<Outcome>> = BTreeMap::new();
    let mut running = Running::default();
    let (tell_connected, mut connected) = unbounded_channel();
    let (mut echoed, mut datagram) = (0_usize, [0; 512]);
    loop {
        // First all events, because any input may cause some.
        while let Some(event) = resolver.poll() {
            match event {
                Event::Request(request) => {
                    let (id, settings, sender) =
                        (request.id(), Arc::clone(&settings), tell_connected.clone());
                    let task = async move {
                        // The receiver may have been dropped.
                        let connected = |id| {
                            let _ = sender.send(id);
                        };
                        sockets::carry_out(&request, &settings, connected).await
                    };
                    running.start(id, |tasks| tasks.spawn(task));
                }
                // Its answer may be on its way, and late answers are harmless.
                Event::Cancel(id) => running.stop(id),
                Event::Finished(ticket, outcome) => {
                    let _ = waiting.remove(&ticket).map(|sender| sender.send(outcome));
                }
            }
        }
        let deadline = resolver.poll_timeout().and_then(|deadline| clock.to_std(deadline.at));
        tokio::select! {
            message = messages.recv() => match message {
                Some(Message::Resolve(name, sender)) => {
                    waiting.insert(resolver.resolve(&name, moment()), sender);
                }
                Some(Message::Dropped) => {
                    for ticket in left(&waiting) {
                        let _ = resolver.abandon(ticket, moment());
                    }
                }
                Some(Message::Change(change)) => change(&mut resolver, moment()),
                None => return echoed,
            },
            answer = running.next() => {
                // A driver can ignore late answers.
                let _ = resolver.handle_answer(answer, moment());
            }
            Some(id) = connected.recv() => {
                let _ = resolver.handle_connected(id, moment());
            }
            () = until(deadline, now()) => resolver.handle_timeout(moment()),
            // The other work.
            Ok((count, from)) = echo.recv_from(&mut datagram) => {
                echoed += 1;
                let _ = echo.send_to(datagram.get(..count).unwrap_or_default(), from).await;
            },
        }
    }
}

/// Tickets of dropped lookups.
fn left(waiting: &BTreeMap<Ticket, oneshot::Sender<Outcome>>) -> Vec<Ticket> {
    let left = waiting.iter().filter(|(_, sender)| sender.is_closed());
    left.map(|(ticket, _)| *ticket).collect()
}

/// Resolves names while the echo service goes on.
pub(crate) fn resolve_all(settings: Settings, names: &[ServerName]) -> io::Result<Vec<Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (echo, client) =
            (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        client.connect(echo.local_addr()?).await?;
        let (handle, messages) = Handle::new();
        let the_loop = tokio::spawn(program(settings, echo, messages));
        let all: Vec<Lookup> = names.iter().map(|name| handle.resolve(name)).collect();
        let mut outcomes = Vec::new();
        for resolving in all {
            client.send(b"still there?").await?;
            outcomes.push(resolving.await);
            client.recv(&mut [0; 12]).await?;
        }
        drop(handle);
        assert_eq!(the_loop.await?, names.len(), "every datagram comes back");
        Ok(outcomes)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    common::run(resolve_all)
}
