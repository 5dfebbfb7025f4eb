//! Runs the program against a lab on loopback: exit statuses and output.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use discovery_lab::{Lab, Said, built_in, built_in_names, react};
use discovery_sim::{Scenario, World};
use discovery_wire::Transport;
use serde_json::Value;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-discovery"));
    command.stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn status(arguments: &[&str]) -> i32 {
    run(arguments).status.code().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A world, and the options that direct the program to it.
struct Place {
    lab: Lab,
    ca_file: PathBuf,
}

impl Place {
    fn new(test: &str, world: &str) -> Self {
        let world = Scenario::parse(world).unwrap().world_at(Duration::ZERO);
        let lab = Lab::start(world).unwrap();
        let ca_file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.pem"));
        std::fs::write(&ca_file, lab.authority().pem()).unwrap();
        Self { lab, ca_file }
    }

    fn resolve(&self) -> Command {
        let mut command = program();
        command
            .args(["resolve", "--any-address"])
            .arg(format!("--nameserver={}", self.lab.dns_servers()[0]))
            .arg(format!("--connect-to=::{}", self.lab.front_door()))
            .arg("--ca-file")
            .arg(&self.ca_file);
        command
    }
}

#[test]
fn lab_names_have_their_stated_results() {
    let output = run(&["resolve", "--lab", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines: Vec<Value> = text(&output.stdout).lines().map(json).collect();
    let names: Vec<String> = built_in_names().into_iter().map(|name| name.name).collect();
    let shown: Vec<&str> = lines.iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(shown, names);
    let rules: Vec<&str> = lines.iter().filter_map(|line| line["step"].as_str()).collect();
    assert_eq!(rules[..10], ["1", "2", "3.1", "3.2", "3.3", "3.4", "3.5", "4", "5", "6"]);
    assert!(
        text(&output.stderr)
            .contains(&format!("All {} names gave the expected result", names.len()))
    );
}

#[test]
fn the_lab_comes_out_the_same_on_every_runtime_that_is_built_in() {
    let lab = |runtime| run(&["resolve", "--lab", "--short", "--runtime", runtime]);
    let expected = run(&["resolve", "--lab", "--short"]);
    for (runtime, built_in) in [
        ("tokio", cfg!(feature = "tokio")),
        ("async-std", cfg!(feature = "async-std")),
        ("smol", cfg!(feature = "smol")),
        ("blocking", cfg!(feature = "blocking")),
    ] {
        let output = lab(runtime);
        if built_in {
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert_eq!(text(&output.stdout), text(&expected.stdout), "{runtime}");
        } else {
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            let error = text(&output.stderr);
            assert!(error.contains(&format!("--features {runtime}")), "{error}");
        }
    }
    assert_eq!(lab("rayon").status.code(), Some(2));
}

#[test]
fn a_name_takes_at_most_six_lines() {
    let output = run(&["resolve", "--lab"]);
    let blocks = text(&output.stdout).lines().fold(Vec::new(), |mut blocks: Vec<usize>, line| {
        if line.starts_with(' ') {
            *blocks.last_mut().unwrap() += 1;
        } else {
            blocks.push(1);
        }
        blocks
    });
    assert_eq!(blocks.len(), built_in_names().len());
    assert!(blocks.iter().all(|lines| *lines <= 6), "{blocks:?}");
    assert!(!text(&output.stdout).contains('\u{1b}'), "colour in a pipe");
}

#[test]
fn other_names_in_the_lab_end_as_names_do() {
    assert_eq!(status(&["resolve", "--lab", "nobody.example"]), 1);
    assert_eq!(status(&["resolve", "--lab", "gone.example"]), 0);
    // The test differs from the world only by the options.
    assert_eq!(status(&["resolve", "--lab", "-6", "to-ip.example"]), 1);
    assert_eq!(status(&["resolve", "--lab", "--any-address", "private.example:8448"]), 0);
}

#[test]
fn statuses_tell_no_from_not_now() {
    let place = Place::new(
        "statuses",
        "dns good.example A 192.0.2.1\ndns broken.example A SERVFAIL\n\
         dns broken.example AAAA SERVFAIL\n",
    );
    let status = |names: &[&str]| {
        let output = place.resolve().arg("--short").args(names).output().unwrap();
        assert_eq!(text(&output.stdout).lines().count(), names.len());
        assert_eq!(text(&output.stderr), "");
        output.status.code().unwrap()
    };
    assert_eq!(status(&["good.example:1"]), 0);
    assert_eq!(status(&["gone.example:1"]), 1);
    assert_eq!(status(&["broken.example:1"]), 3);
    assert_eq!(status(&["under_score.example"]), 1);
    assert_eq!(status(&["good.example:1", "broken.example:1"]), 3);
    assert_eq!(status(&["broken.example:1", "gone.example:1", "good.example:1"]), 1);
}

#[test]
fn lack_of_a_network_is_a_temporary_failure() {
    // A port without a listener.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = program()
        .args(["resolve", "--json", "--any-address", "--timeout=1s", "a.example:1"])
        .arg(format!("--nameserver={nobody}"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(json(text(&output.stdout))["ok"], false);
}

#[test]
fn wrong_usage_ends_with_2_and_no_standard_output() {
    for arguments in [
        &[][..],
        &["resolve"],
        &["resolve", "--nameserver", "dns.example", "a.example"],
        &["resolve", "--nameserver", "", "a.example"],
        &["resolve", "--ca-file", "/no/such/file", "a.example"],
        &["resolve", "--ca-file", env!("CARGO_MANIFEST_PATH"), "a.example"],
        &["resolve", "--connect-to", "a:b", "a.example"],
        &["resolve", "--allow-address", "999.0.0.0/8", "a.example"],
        &["resolve", "--json", "--explain", "a.example"],
        &["lab", "--ca-file", "/no/such/folder/file"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(status(&["--help"]), 0);
    assert_eq!(status(&["--version"]), 0);
}

#[test]
fn options_select_name_servers_authorities_and_addresses() {
    // R17: `--ca-file` names the authority.
    let place = Place::new(
        "options",
        "https example.org 200 {\"m.server\":\"fed.example.net\"}\n\
         dns example.org A 192.0.2.1\n\
         dns _matrix._tcp.fed.example.net SRV 10 5 443 a.example.net\n\
         dns a.example.net A 192.0.2.2\ndns a.example.net AAAA 2001:db8::2\n",
    );
    let output = place.resolve().args(["--json", "-4", "example.org"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let value = json(text(&output.stdout));
    assert_eq!(value["step"], "3.4");
    assert_eq!(value["targets"][0]["addr"], "192.0.2.2:443");
    assert_eq!(value["targets"].as_array().unwrap().len(), 1);
    assert_eq!(value["targets"][0]["host"], "a.example.net");
    assert_eq!(value["targets"][0]["priority"], 10);
    assert_eq!(value["sni"], "fed.example.net");
    // Without the authority the document is not accepted.
    let lab = &place.lab;
    let output = program()
        .args(["resolve", "--json", "--any-address", "--timeout=20s", "example.org"])
        .arg(format!("--nameserver={}", lab.dns_servers()[0]))
        .arg(format!("--connect-to=other.example:443:{}", lab.front_door()))
        .arg("--resolve=example.org:127.0.0.1")
        .arg("--ca-file")
        .arg(&place.ca_file)
        .output()
        .unwrap();
    // The option is for another host, and port 443 of this machine is closed.
    let value = json(text(&output.stdout));
    assert_ne!(value["step"], "3.4", "{value}");
    let output = place
        .resolve()
        .args(["--json", "--deny-address=192.0.2.0/24", "--deny-address=2001:db8::/32"])
        .arg("a.example.net:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(text(&output.stdout))["error"]["kind"], "blocked");
    let output = place
        .resolve()
        .args(["--short", "--resolve=x.example:192.0.2.9", "x.example:7"])
        .output()
        .unwrap();
    assert_eq!(
        text(&output.stdout),
        "x.example:7 192.0.2.9:7 host=x.example:7 tls=x.example step=2\n"
    );
    let output =
        place.resolve().args(["--short", "--revision=draft-old", "a.example.net:1"]).output();
    assert!(text(&output.unwrap().stdout).contains("host=a.example.net tls"));
}

/// The program, reading names from a pipe.
fn typing(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn names_from_standard_input_are_answered_while_more_may_come() {
    let place = Place::new("batch", "dns a.example A 192.0.2.1\ndns b.example A 192.0.2.2\n");
    let mut child = typing(place.resolve().args(["--short", "--jobs=1", "-"]));
    let mut to = child.stdin.take().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap());
    for (name, address) in [("a.example:1", "192.0.2.1:1"), ("b.example:2", "192.0.2.2:2")] {
        // The pipe stays open: the answer comes because it is flushed.
        writeln!(to, "\n{name}\r").unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert!(line.starts_with(&format!("{name} {address} ")), "{line:?}");
    }
    writeln!(to, "not a name").unwrap();
    drop(to);
    let rest: Vec<String> = from.lines().map(Result::unwrap).collect();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_batch_of_many_names_is_answered_whole() {
    let place = Place::new("many", "dns a.example A 192.0.2.1\nhttps web.example 404\n");
    let mut child = typing(place.resolve().args(["--json", "--jobs=200", "-"]));
    let mut to = child.stdin.take().unwrap();
    let typist = std::thread::spawn(move || {
        for port in 1..=500 {
            writeln!(to, "a.example:{port}").unwrap();
        }
    });
    let from = BufReader::new(child.stdout.take().unwrap());
    let mut ports: Vec<u64> = from
        .lines()
        .map(|line| {
            let value = json(&line.unwrap());
            assert_eq!(value["ok"], true, "{value}");
            value["name"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
        })
        .collect();
    typist.join().unwrap();
    ports.sort_unstable();
    assert_eq!(ports, (1..=500).collect::<Vec<_>>());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn closed_output_pipe_ends_the_program_quietly() {
    let mut command = program();
    command.args(["resolve", "--json", "-"]).stderr(Stdio::piped());
    // The system's authorities may be missing here. IP literals do not need them.
    let place = Place::new("pipe", "");
    command.arg("--ca-file").arg(&place.ca_file);
    let mut child = typing(&mut command);
    drop(child.stdout.take());
    let mut to = child.stdin.take().unwrap();
    // Until the program has noticed; its input pipe breaks then, too.
    while writeln!(to, "192.0.2.1").is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.code().is_some(), "it must not die of a signal: {output:?}");
}

#[test]
fn lab_alone_prints_how_to_reach_it() {
    let ca_file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("served.pem");
    let mut child = typing(program().arg("lab").arg("--ca-file").arg(&ca_file));
    let mut from = BufReader::new(child.stdout.take().unwrap());
    let mut directions = String::new();
    while !directions.contains("Ctrl-C") {
        assert!(from.read_line(&mut directions).unwrap() > 0, "{directions}");
    }
    // The command that it prints, word for word.
    let start = directions.find("matrix-discovery resolve").unwrap();
    let command = directions[start..].split("\n\n").next().unwrap().replace("\\\n", " ");
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let output = run(&[&words[..], &["--short"]].concat());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("host=fed.to-srv.example"), "{output:?}");
    assert!(text(&output.stdout).contains("step=3.3"), "{output:?}");
}

#[test]
fn the_lab_s_world_can_be_printed_and_read_again() {
    let output = run(&["lab", "--print"]);
    assert_eq!(Scenario::parse(text(&output.stdout)).unwrap(), built_in());
}

#[test]
fn a_batch_has_as_many_requests_in_flight_as_its_jobs_need() {
    const JOBS: usize = 300;
    // A name server that answers when both questions of every name have arrived.
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    // Longer than the timeout of the program: with too few slots the lookups fail.
    server.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let world = World::new();
    let answering = std::thread::spawn(move || {
        let (mut asked, mut replies) = (BTreeSet::new(), Vec::new());
        // A separate thread reads, because the system buffers only a few hundred datagrams.
        let (heard, datagrams) = std::sync::mpsc::channel();
        let ear = server.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, client)) = ear.recv_from(&mut buffer) {
                if heard.send((buffer[..length].to_vec(), client)).is_err() {
                    return;
                }
            }
        });
        while asked.len() < 2 * JOBS {
            let (datagram, client) = datagrams.recv().unwrap();
            let reaction = react(&world, 0, 0, Transport::Udp, &datagram);
            asked.extend(reaction.asked);
            if let Said::Message(message) = reaction.said {
                replies.push((message, client));
            }
        }
        for (message, client) in replies {
            server.send_to(&message, client).unwrap();
        }
    });
    let place = Place::new("in_flight", "");
    let mut command = program();
    command
        .args(["resolve", "--short", "-", &format!("--jobs={JOBS}"), "--timeout=5m"])
        .arg(format!("--nameserver={address}"))
        .arg("--ca-file")
        .arg(&place.ca_file);
    let mut child = typing(&mut command);
    let mut to = child.stdin.take().unwrap();
    for number in 0..JOBS {
        writeln!(to, "n{number}.example:1").unwrap();
    }
    drop(to);
    let output = child.wait_with_output().unwrap();
    answering.join().unwrap();
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), JOBS);
    assert!(lines.iter().all(|line| line.contains("NXDOMAIN")), "{lines:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_system_s_authorities_may_be_named_by_the_environment() {
    // R16.
    let place = Place::new(
        "environment",
        "https example.org 200 {\"m.server\":\"192.0.2.7\"}\ndns example.org A 192.0.2.1\n",
    );
    let resolve = |file: &PathBuf, name: &str| {
        let output = program()
            .args(["resolve", "--short", "--any-address", name])
            .arg(format!("--nameserver={}", place.lab.dns_servers()[0]))
            .arg(format!("--connect-to=::{}", place.lab.front_door()))
            .env_remove("SSL_CERT_DIR")
            .env("SSL_CERT_FILE", file)
            .output()
            .unwrap();
        (output.status.code(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let (status, out, _) = resolve(&place.ca_file, "example.org");
    assert_eq!(status, Some(0));
    assert!(out.contains("192.0.2.7:8448") && out.contains("step=3.1"), "{out}");
    // Without authorities no document would be accepted, and results would differ.
    let (status, out, error) = resolve(&PathBuf::from("/no/such/file"), "example.org");
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(error.contains("SSL_CERT_FILE /no/such/file: "), "{error}");
    // No document is asked for.
    assert_eq!(resolve(&PathBuf::from("/no/such/file"), "192.0.2.1").0, Some(0));
    assert_eq!(resolve(&PathBuf::from("/no/such/file"), "example.org:1").0, Some(0));
}

/// A world with names of several kinds, and the cache file of a run.
fn remembered(test: &str) -> (Place, PathBuf) {
    let place = Place::new(
        test,
        "https a.example 200 \"Cache-Control: max-age=86400\" {\"m.server\":\"fed.example.net:1\"}\n\
         dns fed.example.net A 192.0.2.1 ttl=86400\n\
         dns fed.example.net AAAA NODATA soa=3600\n\
         https b.a.example 404\n\
         dns _matrix-fed._tcp.b.a.example SRV SERVFAIL\n",
    );
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.facts"));
    let _ = std::fs::remove_file(&file);
    let names = ["a.example", "b.a.example"];
    let output = place.resolve().arg("--cache").arg(&file).args(names).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "one of them fails: {output:?}");
    (place, file)
}

fn cache(file: &std::path::Path, arguments: &[&str]) -> Output {
    program().arg("cache").arg(file).args(arguments).output().unwrap()
}

#[test]
fn a_file_of_facts_spares_the_questions_of_the_next_run() {
    let (place, file) = remembered("cache_spares");
    assert!(!place.lab.take_asked().is_empty());
    let again =
        || place.resolve().arg("--cache").arg(&file).args(["--short", "a.example"]).output();
    let output = again().unwrap();
    assert!(text(&output.stdout).starts_with("a.example 192.0.2.1:1 "), "{output:?}");
    assert_eq!(place.lab.take_asked(), []);
    // A damaged file is reported, not used, renamed, and replaced.
    let whole = std::fs::read(&file).unwrap();
    let damaged = &whole[..whole.len() - 9];
    std::fs::write(&file, damaged).unwrap();
    let output = again().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stderr).contains(".facts: cut off: it has no end"), "{output:?}");
    assert!(!place.lab.take_asked().is_empty());
    assert_eq!(std::fs::read(file.with_extension("facts.damaged")).unwrap(), damaged);
    assert_eq!(again().unwrap().status.code(), Some(0));
    assert_eq!(place.lab.take_asked(), []);
    assert_eq!(run(&["resolve", "--lab", "--cache", "x", "a.example"]).status.code(), Some(2));
}

#[test]
fn a_file_of_facts_is_shown_as_a_table_or_as_json_and_filtered() {
    let (_place, file) = remembered("cache_shown");
    let output = cache(&file, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let column = |line: &str, head: &str| {
        let at = lines[0].find(head).unwrap();
        line[at..].split("  ").next().unwrap().to_owned()
    };
    assert_eq!(column(lines[1], "NAME"), "a.example");
    assert_eq!(column(lines[1], "RULE"), "3.2");
    assert_eq!(column(lines[1], "CONNECT TO"), "192.0.2.1:1");
    assert_eq!(column(lines[1], "STATE"), "fresh");
    assert_eq!(column(lines[2], "NAME"), "b.a.example");
    assert_eq!(column(lines[2], "RULE"), "-");
    assert_eq!(column(lines[2], "STATE"), "dns_failure");
    assert!(lines[2].contains("[_matrix-fed._tcp.b.a.example SRV "), "{}", lines[2]);
    assert!(!text(&output.stdout).contains('\u{1b}'));

    let shown = |arguments: &[&str]| -> Vec<String> {
        let output = cache(&file, &[arguments, &["--json"]].concat());
        let lines: Vec<Value> = text(&output.stdout).lines().map(json).collect();
        assert_eq!(output.status.code(), Some(i32::from(lines.is_empty())), "{output:?}");
        lines.iter().map(|line| line["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(shown(&[]), ["a.example", "b.a.example"]);
    assert_eq!(shown(&["--name", "B.A"]), ["b.a.example"]);
    assert_eq!(shown(&["--below", "a.example"]), ["a.example", "b.a.example"]);
    assert_eq!(shown(&["--below", "b.a.example"]), ["b.a.example"]);
    assert_eq!(shown(&["--below", "xample"]), [""; 0]);
    assert_eq!(shown(&["--step", "3.2"]), ["a.example"]);
    assert_eq!(shown(&["--failing"]), ["b.a.example"]);
    assert_eq!(shown(&["--expired"]), [""; 0]);
    let line = json(text(&cache(&file, &["--json", "--failing"]).stdout).trim());
    assert_eq!(line["failure"], "dns_failure");
    assert_eq!(line["last_failure"]["times"], 1);
    let line = json(text(&cache(&file, &["--json", "--step", "3.2"]).stdout).trim());
    assert_eq!(line["targets"][0]["addr"], "192.0.2.1:1");
    assert!(line["left_s"].as_u64().unwrap() > 3000, "{line}");
}

#[test]
fn a_forgotten_name_is_gone_from_the_file_and_the_others_stay() {
    let (place, file) = remembered("cache_forgets");
    let output = cache(&file, &["--forget", "a.example"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stderr).starts_with("a.example: "), "{output:?}");
    let shown = cache(&file, &[]);
    assert!(!text(&shown.stdout).contains("\na.example"), "{shown:?}");
    assert!(text(&shown.stdout).contains("\nb.a.example"), "{shown:?}");
    assert_eq!(cache(&file, &["--forget", "a.example"]).status.code(), Some(1));
    place.lab.take_asked();
    place.resolve().arg("--cache").arg(&file).arg("a.example").output().unwrap();
    assert!(!place.lab.take_asked().is_empty());
}

#[test]
fn invalid_cache_file_differs_from_wrong_usage() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache_foreign.facts");
    std::fs::write(&file, "{\"hello\":1}\n").unwrap();
    let output = cache(&file, &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).ends_with(": not an export of facts\n"), "{output:?}");
    assert_eq!(cache(std::path::Path::new("/nowhere/facts"), &[]).status.code(), Some(3));
    for wrong in [&["--step", "7"][..], &["--forget", "a..b:x"], &["--forget", "a", "--json"]] {
        let (_place, file) = remembered("cache_usage");
        assert_eq!(cache(&file, wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(run(&["cache"]).status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn a_file_of_facts_keeps_its_readers_and_a_read_only_one_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let (_place, file) = remembered("cache_permissions");
    let set = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    set(0o400);
    let before = std::fs::read(&file).unwrap();
    let output = cache(&file, &["--forget", "a.example"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("read-only"), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("forgotten"), "nothing is");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    set(0o600);
    // With one invalid name nothing is forgotten.
    let output = cache(&file, &["--forget", "a.example", "--forget", "a..example:"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!text(&output.stderr).contains("forgotten"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(cache(&file, &["--forget", "a.example"]).status.code(), Some(0));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(unix)]
#[test]
fn file_without_lines_is_no_cache_file_and_not_read_to_its_end() {
    let output = cache(std::path::Path::new("/dev/zero"), &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("not a regular file"));
}

#[path = "command_line/abuse.rs"]
mod abuse;

#[path = "command_line/check.rs"]
mod check;
#[path = "command_line/lab.rs"]
mod lab;
