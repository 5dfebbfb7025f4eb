//! `check`: its words, forms and exit statuses, over the homeservers of the lab.

use expect_test::{Expect, expect};

use super::*;

fn check(columns: &str, arguments: &[&str]) -> Output {
    let mut command = program();
    command.env("COLUMNS", columns).env("LC_ALL", "C.UTF-8").arg("check").args(arguments);
    command.output().unwrap()
}

/// Standard output, with every number of milliseconds or days replaced.
fn timeless(output: &Output) -> String {
    let mut shown = String::new();
    for line in text(&output.stdout).split_inclusive('\n') {
        let mut words: Vec<&str> = line.split(' ').collect();
        for at in 1..words.len() {
            if matches!(words[at].trim_end_matches(['.', '\n']), "ms" | "days") {
                words[at - 1] = "N";
            }
        }
        shown.push_str(&words.join(" "));
    }
    shown
}

fn shows(columns: &str, name: &str, status: i32, expected: Expect) {
    let output = check(columns, &["--lab", name]);
    expected.assert_eq(&timeless(&output));
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    let lines = text(&output.stdout).lines();
    assert!(lines.clone().count() <= 25);
    let most = columns.parse().unwrap();
    let widest = lines.map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= most, "{widest} columns");
}

#[test]
fn a_healthy_server_takes_a_few_lines() {
    shows(
        "80",
        "healthy.example",
        0,
        expect![[r#"
        ✔ healthy.example federates: Stub 1.0 at fed.healthy.example:8448

          ✔ delegation    .well-known says fed.healthy.example:8448
                          same answer from 2 of 2 addresses
          ✔ connection    198.19.123.231:8448                         TLS 1.3   N ms
                          [2001:db8:d15c:0:399a:249c:2d6f:7be7]:8448  TLS 1.3   N ms
          ✔ certificate   fed.healthy.example, matrix-discovery lab, N days left
          ✔ signing keys  ed25519:a_1, signature good, on 2 of 2 addresses

        No problems. 4 addresses in N ms.
    "#]],
    );
}

#[test]
fn a_document_that_is_ignored_is_the_first_thing_said() {
    shows(
        "80",
        "lost.example",
        1,
        expect![[r#"
        ✘ lost.example does not federate: "m.server" is a URL, so the document is
          ignored

          ✘ delegation    no delegation, so other servers try lost.example:8448 (spec
                          step 6)
                          "m.server" is "https://matrix.lost.example", which is a URL
                          [well-known.m-server-is-url]
          ✘ connection    198.18.39.87:8448                           connection refused
                          [2001:db8:d15c:0:9568:818f:db9c:2757]:8448  connection refused
                          [connect.all]

        How to fix it
          Serve this at https://lost.example/.well-known/matrix/server
          {"m.server": "matrix.lost.example:443"}
          Start the homeserver or the proxy in front of it, and open the port in
          firewalls and port forwards.

        2 errors. 4 addresses in N ms.
    "#]],
    );
}

#[test]
fn a_certificate_for_another_name_is_shown_with_both_names() {
    shows(
        "80",
        "wrong-name.example",
        1,
        expect![[r#"
        ✘ wrong-name.example does not federate: the certificate is for another name

          ✔ delegation    .well-known says fed.wrong-name.example:8448
                          same answer from 2 of 2 addresses
          ✔ connection    192.0.2.60:8448      TLS 1.3   N ms
                          [2001:db8::60]:8448  TLS 1.3   N ms
          ✘ certificate   must be valid for fed.wrong-name.example, is valid for
                          another.invalid [tls.wrong-name]
          ✔ signing keys  ed25519:a_1, signature good, on 2 of 2 addresses

        How to fix it
          Give port 8448 a certificate for fed.wrong-name.example: that is the name
          asked for by SNI.

        1 error. 4 addresses in N ms.
    "#]],
    );
}

#[test]
fn an_alias_is_a_warning() {
    shows(
        "80",
        "alias.example",
        0,
        expect![[r#"
        ! alias.example federates with some servers only: its SRV record leads to an
          alias

          ! delegation    .well-known says fed.alias.example
                          SRV 10 5 8448 alias.fed.alias.example
                          same answer from 2 of 2 addresses
                          its SRV record leads to an alias [srv.target-is-cname]
          ✔ connection    192.0.2.53:8448      TLS 1.3   N ms
                          [2001:db8::53]:8448  TLS 1.3   N ms
          ✔ certificate   fed.alias.example, matrix-discovery lab, N days left
          ✔ signing keys  ed25519:a_1, signature good, on 2 of 2 addresses

        How to fix it
          Let the SRV record point at the name that has the addresses.

        1 warning. 4 addresses in N ms.
    "#]],
    );
}

#[test]
fn a_dead_family_is_a_warning() {
    shows(
        "120",
        "no-ipv6.example",
        0,
        expect![[r#"
        ! no-ipv6.example federates with some servers only: its IPv6 addresses do not answer

          ! delegation    .well-known says no-ipv6.example:8448
                          not every address of the web server serves .well-known: connection refused
                          [well-known.one-address-fails]
                          [2001:db8::51]:443    connection refused
          ! connection    192.0.2.51:8448      TLS 1.3   N ms
                          [2001:db8::51]:8448  connection refused
                          [connect.ipv6]
          ✔ certificate   no-ipv6.example, matrix-discovery lab, N days left
          ✔ signing keys  ed25519:a_1, signature good, on 1 of 2 addresses

        How to fix it
          Let the server listen on [::] and open the firewall for IPv6, or remove the AAAA record.
          Let every address of the web server answer, or remove it from DNS.

        2 warnings. 4 addresses in N ms.
    "#]],
    );
}

#[test]
fn a_server_that_is_down_is_said_to_be() {
    shows(
        "60",
        "down.example",
        1,
        expect![[r#"
        ✘ down.example does not federate: nothing answers on port
          8448

          ✔ delegation    no delegation, so other servers try
                          down.example:8448 (spec step 6)
                          the web server of the name cannot be
                          reached for .well-known: connection
                          refused [well-known.unreachable]
          ✘ connection    192.0.2.50:8448      connection refused
                          [2001:db8::50]:8448  connection refused
                          [connect.all]

        How to fix it
          Start the homeserver or the proxy in front of it, and open
          the port in firewalls and port forwards.

        1 error, 1 note. 4 addresses in N ms.
    "#]],
    );
}

#[test]
fn every_server_of_the_lab_has_one_line_with_its_problems() {
    let output = check("80", &["--lab", "--short"]);
    assert_eq!(output.status.code(), Some(1));
    let (_, cases) = discovery_lab::federation(0);
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), cases.len());
    for (line, case) in lines.iter().zip(&cases) {
        assert!(line.starts_with(case.name), "{line}");
    }
}

#[test]
fn statuses_follow_what_the_user_calls_a_failure() {
    let status = |arguments: &[&str]| check("80", arguments).status.code().unwrap();
    assert_eq!(status(&["--lab", "alias.example"]), 0);
    assert_eq!(status(&["--lab", "--fail-on", "warning", "alias.example"]), 1);
    assert_eq!(status(&["--lab", "--fail-on", "never", "down.example"]), 0);
    assert_eq!(status(&["--lab", "servfail.example"]), 3);
    assert_eq!(status(&["--lab", "servfail.example", "down.example"]), 1);
    for (name, expected) in
        [("healthy.example", 0), ("alias.example", 1), ("down.example", 2), ("servfail.example", 3)]
    {
        assert_eq!(status(&["--lab", "--format", "nagios", name]), expected, "{name}");
    }
    assert_eq!(status(&["--format", "nagios", "--ca-file", "/no/such/file", "a.example"]), 3);
}

#[test]
fn json_is_one_object_a_line_with_its_schema() {
    let output =
        check("80", &["--lab", "--json", "--json", "wrong-name.example", "healthy.example"]);
    let lines: Vec<Value> = text(&output.stdout).lines().map(json).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["schema"], "matrix-discovery/check/1");
    assert_eq!(lines[0]["findings"][0]["id"], "tls.wrong-name");
    assert_eq!(lines[0]["federates"], "no");
    assert_eq!(lines[1]["federates"], "yes");
    assert_eq!(lines[1]["findings"], Value::Array(vec![]));
    assert_eq!(lines[1]["software"]["name"], "Stub");
}

#[test]
fn each_form_is_what_its_readers_expect() {
    let form = |format: &str| {
        let output = check("80", &["--lab", "--format", format, "healthy.example", "down.example"]);
        text(&output.stdout).to_owned()
    };
    let csv = form("csv");
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.contains("\ndown.example,error,no,,,,connect.all,"), "{csv}");
    let tap = form("tap");
    assert!(tap.starts_with("TAP version 13\nok 1 - healthy.example federates"), "{tap}");
    assert!(tap.contains("\nnot ok 2 - down.example") && tap.ends_with("1..2\n"), "{tap}");
    let junit = form("junit");
    assert!(junit.contains("<failure message=\"down.example does not federate"), "{junit}");
    assert!(junit.ends_with("</testsuite>\n</testsuites>\n"), "{junit}");
    let prometheus = form("prometheus");
    assert!(prometheus.contains("matrix_federation_ok{server_name=\"down.example\"} 0\n"));
    assert!(prometheus.contains("matrix_federation_ok{server_name=\"healthy.example\"} 1\n"));
    let nagios = form("nagios");
    assert!(nagios.contains("MATRIX CRITICAL - down.example does not federate"), "{nagios}");
    assert!(form("github").contains("::error title=connect.all::down.example: "));
    assert!(form("markdown").contains("| down.example | ERROR | `connect.all` "));
}

#[test]
fn a_recording_is_judged_the_same_without_a_network() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("recording.mdr");
    let file = file.to_str().unwrap();
    let output = check("80", &["--lab", "--record", file]);
    let replayed = program()
        .env("COLUMNS", "80")
        .env("LC_ALL", "C.UTF-8")
        .args(["replay", file])
        .output()
        .unwrap();
    assert_eq!(text(&replayed.stdout), text(&output.stdout));
    assert_eq!(replayed.status.code(), output.status.code());
    let other = run(&["replay", env!("CARGO_MANIFEST_PATH")]);
    assert_eq!(other.status.code(), Some(2));
    assert!(text(&other.stderr).contains("is not a recording"), "{other:?}");
}

#[test]
fn what_people_type_is_understood() {
    let output =
        check("80", &["--lab", "--short", "@alice:healthy.example", "https://healthy.example/x"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stdout).matches("healthy.example OK").count(), 2);
    let strict = check("80", &["--lab", "--strict-names", "https://healthy.example/x"]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(text(&strict.stdout).contains("it is a URL"), "{strict:?}");
    // A name alone is checked.
    let output = run(&["--lab", "--short", "healthy.example"]);
    assert!(text(&output.stdout).starts_with("healthy.example OK"), "{output:?}");
}

#[test]
fn a_name_that_is_a_file_is_noted_and_an_alias_is_a_warning_of_resolve() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("names.txt"), "a.example").unwrap();
    let output =
        program().current_dir(&folder).args(["check", "--lab", "names.txt"]).output().unwrap();
    assert!(text(&output.stderr).contains("names.txt is also a file here"), "{output:?}");
    let place = Place::new(
        "alias_warning",
        "dns _matrix-fed._tcp.a.example SRV 1 1 8448 b.example\ndns b.example CNAME c.example\n\
         dns c.example A 192.0.2.1\ndns c.example AAAA NODATA\n",
    );
    let output = place.resolve().arg("a.example").output().unwrap();
    assert!(
        text(&output.stdout).contains("warning      an SRV target must not be an alias"),
        "{output:?}"
    );
    let output = place.resolve().args(["--json", "a.example"]).output().unwrap();
    assert_eq!(json(text(&output.stdout))["warnings"].as_array().unwrap().len(), 1, "{output:?}");
}

#[test]
fn colours_can_be_forced() {
    let coloured = program()
        .env("CLICOLOR_FORCE", "1")
        .args(["check", "--lab", "down.example"])
        .output()
        .unwrap();
    assert!(text(&coloured.stdout).contains("\u{1b}[1;31m"), "{coloured:?}");
    let plain = check("80", &["--lab", "down.example"]);
    assert!(!text(&plain.stdout).contains('\u{1b}'));
    // Without colours both say the same.
    let bare = text(&coloured.stdout).replace("\u{1b}[1;31m", "").replace("\u{1b}[0m", "");
    assert!(bare.contains("down.example does not federate"));
}

#[test]
fn a_list_without_names_is_wrong_usage() {
    for verb in ["check", "resolve"] {
        let output = run(&[verb, "-"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains("no names on standard input"));
    }
}

#[test]
fn a_machine_without_a_name_server_says_so_at_once() {
    let place = Place::new("resolver_down", "dns a.example A 192.0.2.1\n");
    let output = program()
        .args([
            "check",
            "--any-address",
            "--nameserver",
            &place.lab.nowhere().to_string(),
            "a.example",
        ])
        .arg("--ca-file")
        .arg(&place.ca_file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("can't tell, your name server does not answer"), "{shown}");
    assert!(shown.contains("Nothing could be found out."), "{shown}");
}

#[test]
fn findings_are_explained_and_unknown_ones_refused() {
    let output = run(&["explain", "tls.wrong-name"]);
    assert!(text(&output.stdout).contains("How to fix it"), "{output:?}");
    assert!(text(&run(&["explain"]).stdout).contains("connect.all"));
    let unknown = run(&["explain", "no.such"]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn reports_have_the_members_of_the_schema() {
    let schema = json(text(&run(&["schema"]).stdout));
    let members = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let output = check("80", &["--lab", "--json"]);
    for report in text(&output.stdout).lines().map(json) {
        assert_eq!(members(&report), members(&schema["properties"]));
        let resolution = &schema["properties"]["resolution"]["properties"];
        assert_eq!(members(&report["resolution"]), members(resolution));
        for finding in report["findings"].as_array().unwrap() {
            let known = &schema["properties"]["findings"]["items"]["properties"];
            assert_eq!(members(finding), members(known));
        }
    }
}

#[test]
fn commands_repeat_what_was_done() {
    let output = check("80", &["--lab", "--commands", "wrong-name.example"]);
    let shown = text(&output.stdout);
    for command in [
        "curl -v https://wrong-name.example/.well-known/matrix/server --resolve wrong-name.example:443:",
        "curl -v https://fed.wrong-name.example:8448/_matrix/key/v2/server --connect-to \
         fed.wrong-name.example:8448:192.0.2.60:8448",
        "openssl s_client -connect [2001:db8::60]:8448 -servername fed.wrong-name.example",
        "dig +noall +answer fed.wrong-name.example A fed.wrong-name.example AAAA",
    ] {
        assert!(shown.contains(command), "{command} is missing in {shown}");
    }
}

#[test]
fn recordings_and_name_servers_are_compared() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let [a, b] = ["compare_a.mdr", "compare_b.mdr"].map(|name| folder.join(name));
    let [a, b] = [&a, &b].map(|path| path.to_str().unwrap());
    check("80", &["--lab", "--record", a, "healthy.example", "down.example"]);
    check("80", &["--lab", "--record", b, "healthy.example"]);
    let output = run(&["compare", a, b]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("healthy.example: no difference\n"), "{shown}");
    assert!(shown.contains("finding connect.all"), "{shown}");
    assert_eq!(status(&["compare", a, a]), 0);
    assert_eq!(status(&["compare", "a.example"]), 2);
    let place = Place::new("compare", "dns a.example A 192.0.2.1\n");
    let output = program()
        .args(["compare", "--any-address", "a.example:1", "--ca-file"])
        .arg(&place.ca_file)
        .arg(format!("--nameserver={}", place.lab.dns_servers()[0]))
        .arg(format!("--nameserver={}", place.lab.nowhere()))
        .arg(format!("--connect-to=::{}", place.lab.nowhere()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("dns.resolver-down"), "{output:?}");
}

#[test]
fn documents_are_judged_before_they_are_published() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = |name: &str, body: &str| {
        let path = folder.join(name);
        std::fs::write(&path, body).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.json", r#"{"m.server":"fed.example.org:443"}"#);
    let url = file("url.json", r#"{"m.server":"https://fed.example.org"}"#);
    assert_eq!(status(&["lint", &good]), 0);
    let output = run(&["lint", &good, &url]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("[well-known.m-server-is-url]"), "{output:?}");
    assert_eq!(status(&["lint", "/no/such/file"]), 2);
    let output = run(&["suggest", "example.org", "--for", "nginx"]);
    assert!(text(&output.stdout).contains(r#"{"m.server": "matrix.example.org:443"}"#));
    assert_eq!(status(&["suggest", "example.org:8448"]), 2);
}

#[test]
fn completions_and_the_manual_are_printed() {
    assert!(text(&run(&["completions", "bash"]).stdout).contains("matrix-discovery"));
    assert!(text(&run(&["man"]).stdout).contains(".TH matrix-discovery"));
}

#[test]
fn every_report_fits_the_terminal_and_says_what_to_do() {
    for columns in ["60", "80", "120"] {
        let output = check(columns, &["--lab"]);
        let shown = text(&output.stdout);
        let reports: Vec<&str> = shown.split("addresses in ").collect();
        assert_eq!(reports.len(), discovery_lab::federation(0).1.len() + 1);
        for report in &reports {
            assert!(report.lines().count() <= 28, "{report}");
        }
        for line in shown.lines().filter(|line| line.trim().contains(' ')) {
            assert!(line.chars().count() <= columns.parse().unwrap(), "{columns}: {line}");
        }
        let fixes = shown.matches("How to fix it").count();
        assert!(fixes > 40, "{fixes}");
    }
    let plain = check("80", &["--lab", "--plain"]);
    assert!(text(&plain.stdout).is_ascii());
}

#[test]
fn findings_can_be_ignored_but_nothing_is_glossed_over() {
    let output = check("80", &["--lab", "--ignore", "srv.target-is-cname", "alias.example"]);
    assert!(text(&output.stdout).contains("alias.example federates: Stub"), "{output:?}");
    let output = check("80", &["--lab", "--ignore", "connect.all", "down.example"]);
    assert!(text(&output.stdout).contains("does not federate: "), "{output:?}");
    let unknown = check("80", &["--ignore", "no.such", "a.example"]);
    assert_eq!(unknown.status.code(), Some(2));
}
