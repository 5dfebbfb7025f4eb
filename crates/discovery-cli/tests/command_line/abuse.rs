//! The program with broken files, unusual input, signals and silent servers.

use super::*;

/// The path of a file of this test, which does not exist.
fn own_file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
fn unusable_cache_file_is_reported_and_foreign_files_are_kept() {
    let place = Place::new("cache_unusable", "dns a.example A 192.0.2.1\n");
    let resolve = |file: &std::path::Path| {
        let output =
            place.resolve().arg("--cache").arg(file).args(["--short", "a.example:1"]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).starts_with("a.example:1 192.0.2.1:1 "), "{output:?}");
        text(&output.stderr).to_owned()
    };
    let file = own_file("cache_unusable.facts");
    for foreign in ["{\"hello\":1}\n", "no line at all", "\n", "\0\0\0"] {
        std::fs::write(&file, foreign).unwrap();
        let error = resolve(&file);
        assert!(error.contains("cache_unusable.facts: not an export of facts"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), foreign);
    }
    // Files of later versions are kept, too.
    let later = "{\"format\":\"matrix-discovery-facts\",\"version\":99}\n";
    std::fs::write(&file, later).unwrap();
    assert!(resolve(&file).contains("version 99"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), later);
    // Nothing is lost with an empty one.
    std::fs::write(&file, "").unwrap();
    assert!(resolve(&file).contains("it is empty"));
    assert!(std::fs::metadata(&file).unwrap().len() > 0);
    assert_eq!(resolve(&file), "");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    assert!(resolve(&folder).contains("not a regular file"));
    assert!(resolve(std::path::Path::new("/dev/null")).contains("not a regular file"));
    // An endless file is not read to its end, and a file that is too long costs no memory.
    let long = std::fs::File::create(&file).unwrap();
    long.set_len(1 << 34).unwrap();
    assert!(resolve(&file).contains("too large"));
    std::fs::remove_file(&file).unwrap();
}

#[cfg(unix)]
#[test]
fn pipe_in_place_of_the_cache_file_is_not_waited_for() {
    let place = Place::new("cache_pipe", "dns a.example A 192.0.2.1\n");
    let pipe = own_file("cache_pipe.facts");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let output =
        place.resolve().arg("--cache").arg(&pipe).args(["--short", "a.example:1"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stderr).contains("not a regular file"), "{output:?}");
    assert_eq!(cache(&pipe, &[]).status.code(), Some(3));
    std::fs::remove_file(&pipe).unwrap();
}

#[cfg(unix)]
#[test]
fn cache_file_follows_links_and_no_planted_temporary_file() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = Place::new("cache_links", "dns a.example A 192.0.2.1\n");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache_links");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    let (file, victim) = (folder.join("facts"), folder.join("victim"));
    std::fs::write(&victim, "precious").unwrap();
    let mut child = typing(place.resolve().arg("--cache").arg(&file).args(["--short", "-"]));
    // Named by the process id, which is public.
    symlink(&victim, folder.join(format!("facts.{}", child.id()))).unwrap();
    writeln!(child.stdin.take().unwrap(), "a.example:1").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    // The target of a link is replaced, and the link remains.
    let link = folder.join("link");
    symlink("facts", &link).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let run = |path: &PathBuf| place.resolve().arg("--cache").arg(path).arg("a.example:2").output();
    assert_eq!(run(&link).unwrap().status.code(), Some(0));
    assert!(link.is_symlink());
    assert_eq!(mode(&file), 0o640);
    // A link to nothing is not replaced by a file.
    let loose = folder.join("loose");
    symlink("nowhere", &loose).unwrap();
    assert_eq!(run(&loose).unwrap().status.code(), Some(3));
    assert!(loose.is_symlink());
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(left.len(), 5, "nothing else is left behind: {left:?}");
}

#[cfg(unix)]
#[test]
fn a_cache_keeps_its_owner_and_its_group() {
    use std::os::unix::fs::{MetadataExt, chown};
    let (_place, file) = remembered("cache_owner");
    // Only root can change the owner of a file; otherwise there is nothing to test.
    if chown(&file, Some(12345), Some(23456)).is_err() {
        return;
    }
    assert_eq!(cache(&file, &["--forget", "a.example"]).status.code(), Some(0));
    let there = std::fs::metadata(&file).unwrap();
    assert_eq!((there.uid(), there.gid()), (12345, 23456));
}

#[cfg(unix)]
#[test]
fn signal_ends_a_batch_with_the_results_so_far() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let place = Place::new("signals", "dns a.example A 192.0.2.1\ndns silent.example A TIMEOUT\n");
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let file = own_file("signals.facts");
        let mut command = place.resolve();
        command.arg("--cache").arg(&file).args(["--short", "-"]);
        let mut child = typing(&mut command);
        let mut to = child.stdin.take().unwrap();
        let mut from = BufReader::new(child.stdout.take().unwrap());
        writeln!(to, "silent.example:1\na.example:1").unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert!(line.starts_with("a.example:1 192.0.2.1:1 "), "{line}");
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        drop(to);
        place.lab.take_asked();
        let again =
            place.resolve().arg("--cache").arg(&file).args(["--short", "a.example:1"]).output();
        assert_eq!(again.unwrap().status.code(), Some(0));
        assert_eq!(place.lab.take_asked(), [], "it was remembered");
    }
}

#[cfg(unix)]
#[test]
fn answers_that_wait_for_an_earlier_name_are_printed_when_a_signal_comes() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let place =
        Place::new("signals_waiting", "dns a.example A 192.0.2.1\ndns silent.example A TIMEOUT\n");
    place.lab.take_asked();
    let mut command = place.resolve();
    command.args(["--short", "silent.example:1", "a.example:1"]);
    let child = typing(&mut command);
    // Both questions of the second name and those of the silent one have been asked, so answers are on their way.
    let mut asked = Vec::new();
    while !asked.iter().any(|question| format!("{question:?}").contains("a.example")) {
        asked.extend(place.lab.take_asked());
        std::thread::yield_now();
    }
    // The answer may or may not have arrived, but the program must end like this.
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(!text(&output.stdout).contains("silent"), "{output:?}");
}

#[test]
fn standard_input_that_cannot_be_read_is_an_error() {
    // A directory opens, and can't be read.
    let folder = std::fs::File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
    let place = Place::new("unreadable", "");
    let output = place.resolve().arg("-").stdin(folder).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stderr).contains("standard input: "), "{output:?}");
}

#[test]
fn a_line_that_is_too_long_is_no_name_and_the_others_are_resolved() {
    let place = Place::new("long_line", "dns a.example A 192.0.2.1\n");
    let mut child = typing(place.resolve().args(["--short", "--jobs=1", "-"]));
    let mut to = child.stdin.take().unwrap();
    write!(to, "a.example:1{}\na.example:2\n", " ".repeat(5000)).unwrap();
    drop(to);
    let output = child.wait_with_output().unwrap();
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("the line is longer than"), "{lines:?}");
    assert!(lines[1].starts_with("a.example:2 192.0.2.1:2 "), "{lines:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[cfg(unix)]
#[test]
fn lack_of_threads_is_reported_without_a_panic() {
    let place = Place::new("no_threads", "");
    // A stack of this size is not available, which is reported like a limit on threads.
    for runtime in ["tokio", "smol", "async-std", "blocking"] {
        let output = place
            .resolve()
            .args(["--runtime", runtime, "192.0.2.1"])
            .env("RUST_MIN_STACK", (1_u64 << 52).to_string())
            .output()
            .unwrap();
        if output.status.code() == Some(2) {
            continue; // It is not built in.
        }
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(!text(&output.stderr).contains("panicked"), "{output:?}");
        assert!(text(&output.stderr).contains("thread"), "{output:?}");
    }
}

#[test]
fn invalid_names_are_escaped_and_classified() {
    let place = Place::new("no_names", "");
    let resolve = |arguments: &[&str]| {
        let output = place.resolve().arg("--strict-names").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        text(&output.stdout).to_owned()
    };
    let odd = "a\u{202e}b\u{a0}\u{7f}\u{1f600}.example";
    for form in ["--short", "--json", "--explain"] {
        let out = resolve(&[form, odd]);
        assert!(out.bytes().all(|byte| byte == b'\n' || matches!(byte, b' '..=b'~')), "{out:?}");
    }
    assert_eq!(json(&resolve(&["--json", odd]))["name"], odd);
    let url = resolve(&["--short", "https://a.example/"]);
    assert!(url.contains("URL") && !url.contains("port"), "{url}");
    for id in ["@a:b.example", "#a:b.example", "!a:b.example", "$a:b.example"] {
        let message = resolve(&["--json", id]);
        assert!(message.contains("ID of a user"), "{message}");
    }
}

#[test]
fn authorities_that_are_named_and_cannot_be_used_are_an_error_whatever_else_is_set() {
    let place = Place::new(
        "authorities",
        "https example.org 200 {\"m.server\":\"192.0.2.7\"}\ndns example.org A 192.0.2.1\n",
    );
    let other = Place::new("authorities_other", "");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("authorities_folder");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&other.ca_file, folder.join("12345678.0")).unwrap();
    let empty_folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("authorities_empty");
    let _ = std::fs::create_dir(&empty_folder);
    let resolve = |file: Option<&std::path::Path>, folder: Option<&std::path::Path>| {
        let mut command = program();
        command
            .args(["resolve", "--short", "--any-address", "example.org"])
            .arg(format!("--nameserver={}", place.lab.dns_servers()[0]))
            .arg(format!("--connect-to=::{}", place.lab.front_door()));
        for (name, value) in [("SSL_CERT_FILE", file), ("SSL_CERT_DIR", folder)] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stdout).to_owned() + text(&output.stderr))
    };
    let pem = std::fs::read_to_string(&place.ca_file).unwrap();
    let file = own_file("authorities_bad.pem");
    let key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
    for bad in [
        String::new(),
        "0\u{1}\u{2}".to_owned(),
        key.to_owned(),
        pem.replace(" CERTIFICATE", " TRUSTED CERTIFICATE"),
        format!("{pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        std::fs::write(&file, &bad).unwrap();
        for folder in [None, Some(folder.as_path())] {
            let (status, said) = resolve(Some(&file), folder);
            assert_eq!(status, Some(2), "{bad}: {said}");
            assert!(said.contains("authorities_bad.pem: "), "{said}");
        }
    }
    let missing = std::path::Path::new("/no/such/file");
    for (file, folders, named) in [
        (Some(missing), None, missing),
        (Some(missing), Some(folder.as_path()), missing),
        (Some(folder.as_path()), None, folder.as_path()),
        (None, Some(missing), missing),
        (None, Some(empty_folder.as_path()), empty_folder.as_path()),
        (Some(place.ca_file.as_path()), Some(empty_folder.as_path()), empty_folder.as_path()),
    ] {
        let (status, said) = resolve(file, folders);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(&*named.to_string_lossy()), "{said}");
    }
    // Valid certificates of both are trusted, and text between certificates is ignored.
    std::fs::write(&file, format!("some text\n{key}{pem}").replace('\n', "\r\n")).unwrap();
    let (status, said) = resolve(Some(&file), Some(&folder));
    assert!(status == Some(0) && said.contains("step=3.1"), "{said}");
    std::fs::copy(&place.ca_file, folder.join("12345678.1")).unwrap();
    let (status, said) = resolve(Some(&other.ca_file), Some(&folder));
    assert!(status == Some(0) && said.contains("step=3.1"), "{said}");
}

#[test]
fn silent_servers_do_not_hold_up_the_names_behind_them() {
    // 32 names whose servers accept connections and stay silent, and 60 names that delegate to them.
    let mut world = String::from("dns good.example A 192.0.2.1\n");
    let mut slow = Vec::new();
    for n in 0..60 {
        let name = format!("slow{n}.example");
        let line = match n {
            0..30 => format!("https {name} stall\n"),
            _ => format!("https {name} 302 \"Location: https://slow0.example/x\"\n"),
        };
        world.push_str(&format!("dns {name} A 192.0.2.1\n{line}"));
        slow.push(name);
    }
    world.push_str("https slow0.example/x stall\n");
    let place = Place::new("silent", &world);
    let mut child = typing(place.resolve().args(["--short", "-"]));
    let mut to = child.stdin.take().unwrap();
    for name in &slow {
        writeln!(to, "{name}").unwrap();
    }
    for port in 1..=50 {
        writeln!(to, "good.example:{port}").unwrap();
    }
    let from = BufReader::new(child.stdout.take().unwrap());
    let first: Vec<String> = from.lines().take(50).map(Result::unwrap).collect();
    assert!(first.iter().all(|line| line.starts_with("good.example:")), "{first:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}
