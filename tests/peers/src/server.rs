//! The servers of a run: a name server and a web server at their usual ports, with counters.
//!
//! `discovery-lab` produces the responses. The servers run in a process of their own, so that their CPU time is not counted
//! for the client.

use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use discovery_lab::{
    Act, Attempts, Authority, Connection, Messages, Reaction, Said, Weather, framed, react,
};
use discovery_sim::{Scenario, World};
use discovery_wire::Transport;

use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::load::{DOMAIN, Load, NAME_SERVER, WEB_SERVER};

/// The size of the receive buffer, in bytes.
const ROOM: usize = 16 * 1024 * 1024;

struct Servers {
    world: Arc<World>,
    authority: Arc<Authority>,
    weather: Weather,
    attempts: Mutex<Attempts>,
    queries: AtomicU64,
    gets: AtomicU64,
}

/// Serves the world of a load and writes the certificate of its authority. Prints a line when the servers are up, and one
/// for each line of input, with the queries, GETs and datagrams lost by the system since the last one. Ends with its input.
pub fn run(load: Load, authority: &Path) -> Result<(), Box<dyn Error>> {
    let servers = Arc::new(Servers {
        world: Arc::new(Scenario::parse(&load.world())?.world_at(Duration::ZERO)),
        authority: Arc::new(Authority::for_all_under(DOMAIN)?),
        weather: load.weather(),
        attempts: Mutex::default(),
        queries: AtomicU64::new(0),
        gets: AtomicU64::new(0),
    });
    std::fs::write(authority, servers.authority.pem())?;
    datagrams(&servers)?;
    accept(&servers, TcpListener::bind((NAME_SERVER, 53))?, |servers, stream| {
        queries(stream, |query| servers.react(Transport::Tcp, query).unwrap_or(Said::Nothing))
    });
    accept(&servers, TcpListener::bind((WEB_SERVER, 443))?, Servers::web);
    println!("up");
    let mut before = overflows()?;
    for line in io::stdin().lock().lines() {
        line?;
        let now = overflows()?;
        let lost = now.saturating_sub(std::mem::replace(&mut before, now));
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        println!("{} {} {lost}", take(&servers.queries), take(&servers.gets));
    }
    Ok(())
}

/// The datagrams that the system has dropped because the receive buffer was full.
fn overflows() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/net/snmp")?;
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (Some(names), Some(values)) = (rows.next(), rows.next()) else {
        return Err(io::Error::other("/proc/net/snmp says nothing of UDP"));
    };
    let mut pairs = names.split(' ').zip(values.split(' '));
    let found = pairs.find(|(name, _)| *name == "RcvbufErrors");
    found.and_then(|(_, value)| value.parse().ok()).ok_or_else(|| io::Error::other("no count"))
}

/// One thread receives and another one answers, so that no datagram waits for an answer.
fn datagrams(servers: &Arc<Servers>) -> io::Result<()> {
    let socket = Arc::new(UdpSocket::bind((NAME_SERVER, 53))?);
    // As large as possible, because datagrams that the system drops distort the comparison.
    let _ = set_socket_recv_buffer_size_force(&socket, ROOM);
    let (sender, received) = channel();
    let inbound = Arc::clone(&socket);
    thread::spawn(move || {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, client)) = inbound.recv_from(&mut buffer) {
            let query = buffer.get(..length).unwrap_or_default().to_vec();
            if sender.send((query, client)).is_err() {
                return;
            }
        }
    });
    let servers = Arc::clone(servers);
    thread::spawn(move || {
        for (query, client) in received {
            if let Some(Said::Message(message)) = servers.react(Transport::Udp, &query) {
                // The client may have gone.
                let _ = socket.send_to(&message, client);
            }
        }
    });
    Ok(())
}

fn accept(
    servers: &Arc<Servers>,
    listener: TcpListener,
    serve: fn(&Servers, TcpStream) -> io::Result<()>,
) {
    let servers = Arc::clone(servers);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let servers = Arc::clone(&servers);
            thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                // A client may break off.
                let _ = serve(&servers, stream);
            });
        }
    });
}

/// Answers the queries of a connection until either side closes it.
pub(crate) fn queries(
    mut stream: TcpStream,
    mut react: impl FnMut(&[u8]) -> Said,
) -> io::Result<()> {
    let mut messages = Messages::default();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        messages.push(buffer.get(..length).unwrap_or_default());
        while let Some(query) = messages.next_message() {
            match react(&query) {
                Said::Message(message) => stream.write_all(&framed(&message))?,
                Said::Nothing => {}
                Said::HangUp => return Ok(()),
            }
        }
    }
}

impl Servers {
    /// The reply to a query. None: the query or the reply is lost.
    fn react(&self, transport: Transport, query: &[u8]) -> Option<Said> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = attempts.of(query);
        let reaction: Reaction = react(&self.world, 0, attempt, transport, query);
        if let Some(asked) = &reaction.asked {
            if transport == Transport::Udp {
                self.weather.fate(&asked.0, asked.1, attempt)?;
            }
        }
        attempts.note(&reaction);
        Some(reaction.said)
    }

    fn web(&self, mut stream: TcpStream) -> io::Result<()> {
        let (world, authority) = (Arc::clone(&self.world), Arc::clone(&self.authority));
        let mut connection = Connection::new(world, authority, None);
        let mut buffer = [0; 16 * 1024];
        loop {
            let act = connection.next_act();
            if connection.take_asked().is_some() {
                self.gets.fetch_add(1, Ordering::Relaxed);
            }
            match act {
                Act::Send(bytes) => stream.write_all(&bytes)?,
                Act::Pause(pause) => thread::sleep(pause),
                Act::Receive => {
                    let length = stream.read(&mut buffer)?;
                    connection.received(buffer.get(..length).unwrap_or_default());
                }
                Act::Close => {
                    stream.shutdown(Shutdown::Write)?;
                    return drain(&mut stream, &mut buffer);
                }
                Act::Hang => return drain(&mut stream, &mut buffer),
                Act::Break => return Ok(()),
            }
        }
    }
}

/// Unread data of the client would make the system reset the connection before all data is delivered.
fn drain(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    while stream.read(buffer)? > 0 {}
    Ok(())
}
