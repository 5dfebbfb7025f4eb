//! Tests of the command line: which words are taken, and which are refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use clap::CommandFactory;

use super::*;

fn resolve(arguments: &[&str]) -> Result<ResolveOptions, clap::Error> {
    let words = ["matrix-discovery", "resolve"].iter().chain(arguments);
    let Command::Resolve(options) = CommandLine::try_parse_from(words)?.command else {
        unreachable!("the words say resolve");
    };
    Ok(*options)
}

fn refused(arguments: &[&str]) -> String {
    let error = resolve(arguments).expect_err("must be refused");
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

#[test]
fn the_command_line_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn name_servers_are_addresses_with_or_without_a_port() {
    for (text, address) in [
        ("1.1.1.1", "1.1.1.1:53"),
        ("127.0.0.1:5353", "127.0.0.1:5353"),
        ("[dead::beef]:5353", "[dead::beef]:5353"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]", "[2001:db8::1]:53"),
    ] {
        assert_eq!(name_server(text), Ok(address.parse().unwrap()), "{text}");
    }
    for text in ["", "dns.example", "dns.example:53", "1.1.1.1:0", "1.1.1.1:", "1.1.1", "[1.1.1.1]"]
    {
        assert!(name_server(text).is_err(), "{text}");
    }
    let options = resolve(&["--nameserver", "1.1.1.1", "--nameserver=::1", "a.example"]).unwrap();
    assert_eq!(options.network.nameserver.len(), 2);
}

#[test]
fn connect_to_reads_as_curl_s_does() {
    let all = |text: &str| ConnectTo::parse(text).unwrap();
    let some = all("Example.org:443:127.0.0.1:8443");
    let address = "192.0.2.1:443".parse().unwrap();
    assert_eq!(some.apply("example.org", 443, address), "127.0.0.1:8443".parse().ok());
    assert_eq!(some.apply("example.org", 444, address), None);
    assert_eq!(some.apply("example.net", 443, address), None);
    assert_eq!(all("::[::1]:8443").apply("x", 443, address), "[::1]:8443".parse().ok());
    assert_eq!(all("::[::1]:").apply("x", 443, address), "[::1]:443".parse().ok());
    assert_eq!(all(":443::8443").apply("x", 443, address), "192.0.2.1:8443".parse().ok());
    assert_eq!(
        all("[2001:db8::1]:443:127.0.0.1:1").apply("[2001:db8::1]", 443, address),
        "127.0.0.1:1".parse().ok()
    );
    for text in [
        "",
        "a",
        "a:1",
        "a:1:127.0.0.1",
        "a:1:b.example:2",
        "a:x:127.0.0.1:2",
        "a:1:::1:2",
        "a:0:127.0.0.1:1",
    ] {
        assert!(ConnectTo::parse(text).is_err(), "{text}");
    }
}

#[test]
fn static_addresses_are_a_host_and_an_address() {
    assert_eq!(
        static_address("Example.org:192.0.2.1"),
        Ok(("example.org".parse().unwrap(), "192.0.2.1".parse().unwrap()))
    );
    for text in ["example.org:2001:db8::1", "example.org:[2001:db8::1]"] {
        assert_eq!(static_address(text).unwrap().1, "2001:db8::1".parse::<IpAddr>().unwrap());
    }
    for text in ["example.org", "example.org:", ":192.0.2.1", "a..b:192.0.2.1", "a:443:192.0.2.1"] {
        assert!(static_address(text).is_err(), "{text}");
    }
}

#[test]
fn times_have_units_and_are_never_nothing() {
    assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
    for text in [
        "",
        "s",
        "0",
        "0s",
        "-1",
        "1.5s",
        "1 s",
        "1d",
        "99999999999999999999",
        "18446744073709551615h",
    ] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn ranges_are_cidr_or_one_address() {
    assert_eq!(network("192.0.2.0/24"), Ok("192.0.2.0/24".parse().unwrap()));
    assert_eq!(network("2001:db8::1"), Ok("2001:db8::1/128".parse().unwrap()));
    for text in ["", "192.0.2.0/33", "example.org", "192.0.2"] {
        assert!(network(text).is_err(), "{text}");
    }
}

#[test]
fn wrong_usage_is_refused_with_the_option_s_name() {
    assert!(refused(&[]).contains("<NAME>"));
    assert!(refused(&["--jobs", "0", "a.example"]).contains("--jobs"));
    assert!(refused(&["--revision", "v9.9", "a.example"]).contains("release of the specification"));
    assert!(refused(&["--short", "--json", "a.example"]).contains("--json"));
    assert!(refused(&["-4", "-6", "a.example"]).contains("--ipv6"));
    assert!(refused(&["--lab", "--nameserver", "1.1.1.1"]).contains("--nameserver"));
    assert!(refused(&["--no-such-option", "a.example"]).contains("--no-such-option"));
}

#[test]
fn the_lab_needs_no_names() {
    let options = resolve(&["--lab"]).unwrap();
    assert!(options.lab && options.names.is_empty());
}
