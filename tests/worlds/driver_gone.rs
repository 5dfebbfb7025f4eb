//! The driver goes away at every moment of a lookup: waiting callers get a result or an error, never silence.

use std::any::Any;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use discovery_core::{ErrorKind, Policy};
use discovery_driver::{Builder, Discovery, Resolve};

use super::super::{build, run};
use super::servers::{accept, builder, closed_port, silent_server, tls};
use super::{kind, wait};

/// Lookups in a certain state.
struct Moment {
    discovery: Discovery,
    waiting: Vec<Resolve>,
    /// Whether the outcome is available already.
    answered: bool,
    running: super::super::RunningDriver,
    _servers: Box<dyn Any>,
}

/// How a driver goes away.
#[derive(Clone, Copy, Debug)]
enum Going {
    Stopped,
    Closed,
}

fn begun(
    builder: Builder,
    names: &[String],
    until: impl FnOnce(&Discovery) -> Box<dyn Any>,
) -> Moment {
    let (discovery, driver) = build(builder).unwrap();
    let running = run(driver);
    let waiting = names.iter().map(|text| discovery.resolve(text)).collect();
    let servers = until(&discovery);
    Moment { discovery, waiting, answered: false, running, _servers: servers }
}

fn at(moment: usize) -> Option<Moment> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (silent, unanswered) = silent_server();
    let heard = move |_: &Discovery| {
        silent.recv(&mut [0; 512]).unwrap();
        Box::new(silent) as Box<dyn Any>
    };
    let (client, server) = tls("example.org");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let https = listener.local_addr().unwrap();
    Some(match moment {
        // Queued behind an open question.
        0 => {
            let mut policy = Policy::default();
            policy.limits.dns_slots = 1;
            begun(unanswered.policy(policy), &texts(&["a.example:1", "b.example:1"]), |it| {
                let silent = heard(it);
                assert!(it.counters().queued > 0);
                silent
            })
        }
        // A question is open.
        1 => begun(unanswered, &texts(&["a.example:1"]), heard),
        // TLS has begun.
        2 => begun(builder(client, https), &texts(&["example.org"]), |_| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
            Box::new(stream)
        }),
        // A response has started and never ends.
        3 => begun(builder(client, https), &texts(&["example.org"]), |_| {
            let mut tls = accept(&listener, server);
            tls.read_exact(&mut [0; 4]).unwrap();
            tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"m.server\"").unwrap();
            Box::new(tls)
        }),
        // It has ended and has not been polled yet.
        4 => {
            let names = texts(&["example.org:1", "example.org:1", "example.net:1"]);
            let moment = begun(builder(client, closed_port()), &names, |it| {
                while it.counters().lookups > 0 {
                    thread::yield_now();
                }
                Box::new(())
            });
            Moment { answered: true, ..moment }
        }
        // Many tickets, two for each name.
        5 => {
            let names: Vec<_> = (0..200).map(|n| format!("host{}.example:1", n / 2)).collect();
            begun(unanswered, &names, |it| {
                let silent = heard(it);
                assert_eq!(it.counters().lookups, 100);
                silent
            })
        }
        _ => return None,
    })
}

fn at_every_moment(going: Going) {
    let moments = (0..).map_while(at);
    let mut count = 0;
    for (number, Moment { discovery, waiting, answered, running, _servers }) in moments.enumerate()
    {
        match going {
            Going::Stopped => running.stop(&discovery),
            Going::Closed => discovery.close(),
        }
        let expected = (!answered).then_some(ErrorKind::Local);
        for resolving in waiting {
            assert_eq!(kind(&wait(resolving)), expected, "moment {number}");
        }
        // The same for later lookups, except cached results.
        let later = wait(discovery.resolve("later.example"));
        assert_eq!(kind(&later), Some(ErrorKind::Local));
        assert_eq!(kind(&wait(discovery.resolve("[2606:4700::1111]"))), None);
        count += 1;
    }
    assert_eq!(count, 6);
}

#[test]
fn driver_stopped_at_any_moment_ends_all_lookups() {
    at_every_moment(Going::Stopped);
}

#[test]
fn discovery_closed_at_any_moment_ends_all_lookups() {
    at_every_moment(Going::Closed);
}

#[test]
fn driver_dropped_before_it_ran_ends_all_lookups() {
    let (client, _) = tls("example.org");
    let server = SocketAddr::from(([127, 0, 0, 1], 9));
    let (discovery, driver) = build(Discovery::builder(client).name_servers([server])).unwrap();
    let waiting = discovery.resolve("example.org");
    drop(driver);
    assert_eq!(kind(&wait(waiting)), Some(ErrorKind::Local));
}
