//! The examples of the tokio adapter, run as programs of their own against the lab.
//!
//! The example that shares its cache needs a Redis server; without one it is left out with a message.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests"
)]

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use discovery_lab::Lab;
use discovery_sim::Scenario;

const WORLD: &str = "\
https example.org 200 \"Cache-Control: max-age=86400\" {\"m.server\":\"fed.example.net\"}
dns _matrix-fed._tcp.fed.example.net SRV 10 5 443 a.example.net ttl=3600
dns a.example.net A 192.0.2.1 ttl=3600
dns a.example.net AAAA NODATA soa=3600
resolve example.org
";

/// A lab, and the arguments that direct programs to it.
struct Place {
    lab: Lab,
    directory: PathBuf,
}

impl Place {
    fn new(test: &str) -> Self {
        let world = Scenario::parse(WORLD).unwrap().world_at(Duration::ZERO);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let lab = Lab::start(world).unwrap();
        std::fs::write(directory.join("ca.pem"), lab.authority().pem()).unwrap();
        Self { lab, directory }
    }

    fn example(&self, name: &str) -> Command {
        let mut command = Command::new(example(name));
        command
            .env("NAMESERVER", self.lab.dns_servers().first().unwrap().to_string())
            .env("FRONT_DOOR", self.lab.front_door().to_string())
            .env("CA_FILE", self.directory.join("ca.pem"));
        command
    }
}

/// The program of an example: cargo has built it before the tests of the whole workspace run.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples").join(name);
    if !built.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["build", "-p", "discovery-tokio", "--example", name];
        assert!(Command::new(cargo).args(arguments).status().unwrap().success());
    }
    built
}

#[test]
fn a_restart_with_the_file_asks_nothing_and_without_it_everything() {
    let place = Place::new("restart");
    let file = place.directory.join("facts");
    let run = || {
        let output = place.example("restart").arg(&file).arg("example.org").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap() + &error)
    };
    let (first, second) = (run(), run());
    assert!(first.1.contains("nothing known yet\nexample.org: 192.0.2.1:443 ("), "{first:?}");
    assert!(!first.1.contains("(0 questions)"), "{first:?}");
    assert!(!place.lab.take_asked().is_empty());
    assert!(second.1.contains("\nexample.org: 192.0.2.1:443 (0 questions)"), "{second:?}");
    let run_again = run();
    assert!(run_again.1.contains("(0 questions)"), "{run_again:?}");
    assert_eq!(place.lab.take_asked(), []);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, whole.get(..whole.len() / 2).unwrap()).unwrap();
    let damaged = run();
    assert!(!damaged.0 && damaged.1.contains("CutOff"), "{damaged:?}");
    assert_eq!(std::fs::read(&file).unwrap().len(), whole.len() / 2, "it is left alone");
    let left: Vec<_> = place.directory.read_dir().unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn the_shortest_program_trusts_the_authorities_of_the_system() {
    let place = Place::new("resolve");
    let run = |authorities: &Path| {
        let mut command = Command::new(example("resolve"));
        command
            .arg("[2606:4700::1111]")
            .env("SSL_CERT_FILE", authorities)
            .env_remove("SSL_CERT_DIR");
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let resolved = run(&place.directory.join("ca.pem"));
    assert_eq!(resolved, "[2606:4700::1111]:8448, Host: [2606:4700::1111]\n");
    let without = run(&place.directory.join("none.pem"));
    assert!(without.contains("no trusted certificate authorities"), "{without}");
}

/// A process that is ended with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Redis server without persistence, on a port of its own. None: it is not installed.
fn redis(directory: &Path) -> Option<(Running, String)> {
    for _ in 0..10 {
        // If another process takes the port first, another port is tried.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(port.to_string())
            .arg("--dir")
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut server = match server {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            server => Running(server.unwrap()),
        };
        let output = BufReader::new(server.0.stdout.take().unwrap());
        if output.lines().map_while(Result::ok).any(|line| line.contains("Ready to accept")) {
            return Some((server, format!("redis://127.0.0.1:{port}/")));
        }
    }
    panic!("redis-server does not start");
}

/// One of the processes that share.
struct Sharing {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _running: Running,
}

impl Sharing {
    fn start(place: &Place, url: &str) -> Self {
        let mut command = place.example("share");
        let child = command.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut running = Running(child.unwrap());
        let input = running.0.stdin.take().unwrap();
        let output = BufReader::new(running.0.stdout.take().unwrap());
        Self { input, output, _running: running }
    }

    fn resolve(&mut self, name: &str) -> String {
        writeln!(self.input, "{name}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }
}

#[test]
fn result_of_one_process_is_a_hit_in_another_through_redis() {
    let place = Place::new("share");
    let Some((_server, url)) = redis(&place.directory) else {
        eprintln!("left out: there is no redis-server here (Debian: apt-get install redis-server)");
        return;
    };
    let [mut one, mut other] = [Sharing::start(&place, &url), Sharing::start(&place, &url)];
    let first = one.resolve("example.org");
    assert!(first.starts_with("example.org: 192.0.2.1:443 (") && !first.contains("(0 "), "{first}");
    // It tells the others before it takes the next name.
    one.resolve("192.0.2.9");
    assert!(!place.lab.take_asked().is_empty());
    assert_eq!(other.resolve("example.org"), "example.org: 192.0.2.1:443 (0 questions)\n");
    assert_eq!(place.lab.take_asked(), []);
}
