//! Settings files as they are found in the wild.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn servers(text: &str) -> (Vec<String>, Vec<String>) {
    let read = NameServers::from_resolv_conf(text.as_bytes());
    (
        read.addresses.iter().map(ToString::to_string).collect(),
        read.oddities.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn name_servers_come_in_the_order_of_the_file() {
    let (addresses, oddities) = servers(
        "# made by hand\nnameserver 192.0.2.1\nsearch example.org\nnameserver 2001:db8::1 ; comment\n\
         options ndots:5 timeout:1\nnameserver 192.0.2.1\n",
    );
    assert_eq!(addresses, ["192.0.2.1:53", "[2001:db8::1]:53"]);
    assert_eq!(oddities, [""; 0]);
}

#[test]
fn odd_lines_are_passed_over_and_reported() {
    let (addresses, oddities) = servers(
        "nameserver one.example\nnameserver\nfrobnicate yes\noptions ndots:many\nnameserver 192.0.2.1 192.0.2.2\n\
         nameserver fe80::1%eth0\nnameserver fe80::1%3\n",
    );
    assert_eq!(addresses, ["192.0.2.1:53", "[fe80::1%3]:53"]);
    assert_eq!(
        oddities,
        [
            "line 1: not an IP address",
            "line 2: something is missing",
            "line 3: unknown directive",
            "line 4: unknown option, or a value that it can't have",
            "line 5: more words than expected",
            "an address bound to a named interface",
        ]
    );
}

#[test]
fn without_name_servers_it_is_this_machine() {
    assert_eq!(servers("search example.org\n").0, ["127.0.0.1:53"]);
    assert_eq!(servers("nameserver fe80::1%eth0\n").0, ["127.0.0.1:53"]);
}

#[test]
fn name_servers_and_reports_are_bounded() {
    let many: String = (0..100).map(|n| format!("nameserver 192.0.2.{n}\nodd\n")).collect();
    let read = NameServers::from_resolv_conf(many.as_bytes());
    assert_eq!(read.addresses.len(), MAX_SERVERS);
    assert_eq!(read.oddities.len(), MAX_ODDITIES);
    let long = NameServers::from_resolv_conf(&b"#\n".repeat(MAX_RESOLV_CONF));
    assert_eq!(long.oddities, [Oddity { line: None, kind: OddityKind::TooMuch }]);
}

#[test]
fn a_hosts_file_names_addresses() {
    let hosts = Hosts::from_hosts_file(
        b"127.0.0.1 localhost # \xff\n::1\tlocalhost ip6-localhost\n\n192.0.2.1  Matrix.Example.ORG m.example\n\
          192.0.2.2 m.example\n192.0.2.2 m.example\nfe80::1%lo0 localhost\nnonsense m.example\n192.0.2.3\n\
          192.0.2.4 a..b good.example\n192.0.2.5 \xff\n",
    );
    let addresses: Vec<String> =
        hosts.addresses.iter().map(|(n, a)| format!("{n} {a:?}")).collect();
    assert_eq!(
        addresses,
        [
            "good.example [192.0.2.4]",
            "ip6-localhost [::1]",
            "localhost [127.0.0.1, ::1]",
            "m.example [192.0.2.1, 192.0.2.2]",
            "matrix.example.org [192.0.2.1]",
        ]
    );
    let oddities: Vec<String> = hosts.oddities.iter().map(ToString::to_string).collect();
    assert_eq!(
        oddities,
        [
            "line 7: an address bound to a named interface",
            "line 8: not an IP address",
            "line 9: something is missing",
            "line 10: not a host name",
            "line 11: not UTF-8",
        ]
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..200), line in "\\PC{0,40}") {
        let words = [&b"nameserver "[..], &text, b"\n192.0.2.1 ", line.as_bytes()].concat();
        for text in [&text, &words] {
            prop_assert!(!NameServers::from_resolv_conf(text).addresses.is_empty());
            Hosts::from_hosts_file(text);
        }
    }
}
