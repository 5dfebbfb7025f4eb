//! Settings files as they are found in the wild.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// A machine with one interface besides lo.
fn read_file(text: &[u8]) -> NameServers {
    NameServers::from_resolv_conf(text, interface_index)
}

fn interface_index(name: &str) -> Option<u32> {
    ["lo", "eth0"]
        .iter()
        .position(|known| *known == name)
        .map(|index| if index == 0 { 1 } else { 2 })
}

fn servers(text: &str) -> (Vec<String>, Vec<String>) {
    let read = read_file(text.as_bytes());
    (
        read.addresses.iter().map(ToString::to_string).collect(),
        read.warnings.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn name_servers_come_in_the_order_of_the_file() {
    let (addresses, warnings) = servers(
        "# made by hand\nnameserver 192.0.2.1\nsearch example.org\nnameserver 2001:db8::1 ; comment\n\
         options ndots:5 timeout:1\nnameserver 192.0.2.1\n",
    );
    assert_eq!(addresses, ["192.0.2.1:53", "[2001:db8::1]:53"]);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn odd_lines_are_passed_over_and_reported() {
    let (addresses, warnings) = servers(
        "nameserver one.example\nnameserver\nfrobnicate yes\noptions ndots:many\nnameserver 192.0.2.1 192.0.2.2\n\
         nameserver fe80::1%eth9\nnameserver fe80::1%3\n",
    );
    assert_eq!(addresses, ["192.0.2.1:53", "[fe80::1%3]:53"]);
    assert_eq!(
        warnings,
        [
            "line 1: not an IP address",
            "line 2: something is missing",
            "line 3: unknown directive",
            "line 4: unknown option, or a value that it can't have",
            "line 5: more words than expected",
            "an address on an interface that is not there",
        ]
    );
}

#[test]
fn use_vc_asks_for_tcp_alone() {
    let tcp_only = |text: &str| read_file(text.as_bytes()).tcp_only;
    assert!(tcp_only("nameserver 192.0.2.1\noptions edns0 use-vc ndots:1\n"));
    assert!(!tcp_only("nameserver 192.0.2.1\noptions edns0\n# options use-vc\n"));
}

#[test]
fn without_name_servers_it_is_this_machine() {
    for text in ["search example.org\n", "", "nameserver one.example\n"] {
        let (addresses, warnings) = servers(text);
        assert_eq!(addresses, ["127.0.0.1:53"]);
        assert_eq!(warnings.first().unwrap(), "no usable name server, so 127.0.0.1 is asked");
    }
}

#[test]
fn a_zone_is_an_interface_by_name_or_number() {
    let (addresses, warnings) =
        servers("nameserver fe80::1%eth0\nnameserver fe80::53%lo\nnameserver fe80::1%7\n");
    assert_eq!(addresses, ["[fe80::1%2]:53", "[fe80::53%1]:53", "[fe80::1%7]:53"]);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn where_all_servers_are_on_missing_interfaces_none_is_left() {
    let (addresses, warnings) = servers("nameserver fe80::1%wlan0\n");
    assert_eq!(addresses, [""; 0]);
    assert_eq!(warnings, ["an address on an interface that is not there"]);
    let (addresses, _) = servers("nameserver fe80::1%wlan0\nnameserver 192.0.2.1\n");
    assert_eq!(addresses, ["192.0.2.1:53"]);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let (addresses, warnings) = servers("\u{feff}nameserver 192.0.2.1\n");
    assert_eq!((addresses, warnings), (vec!["192.0.2.1:53".to_owned()], Vec::new()));
}

#[test]
fn a_long_file_is_cut_at_the_end_of_a_line() {
    let mut text = b"nameserver 192.0.2.1\n".to_vec();
    let cut = b"nameserver 192.0.2.22\n";
    // The limit falls before the last digit of this line.
    text.resize(MAX_RESOLV_CONF - (cut.len() - 2) - 1, b'#');
    text.push(b'\n');
    text.extend(cut);
    let servers = read_file(&text);
    assert_eq!(servers.addresses, ["192.0.2.1:53".parse().unwrap()]);
    assert_eq!(servers.warnings, [Warning { line: None, kind: WarningKind::TooMuch }]);
}

#[test]
fn an_address_of_a_name_server_may_have_a_zone_brackets_and_a_port() {
    let read = |text| name_server_address(text, interface_index).map(|address| address.to_string());
    for (text, address) in [
        ("192.0.2.1", "192.0.2.1:53"),
        ("127.0.0.1:5353", "127.0.0.1:5353"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]", "[2001:db8::1]:53"),
        ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ("fe80::1%eth0", "[fe80::1%2]:53"),
        ("fe80::53%1", "[fe80::53%1]:53"),
        ("[fe80::53%eth0]", "[fe80::53%2]:53"),
        ("[fe80::53%eth0]:5353", "[fe80::53%2]:5353"),
        ("[fe80::53%1]:53", "[fe80::53%1]:53"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(address), "{text}");
    }
    for text in
        ["", "a.example", "192.0.2.1%eth0", "[fe80::1%eth0", "[fe80::1]x", "[fe80::1]:x", "[]"]
    {
        assert_eq!(read(text), Err(WarningKind::Address), "{text}");
    }
    for text in ["fe80::1%wlan0", "[fe80::1%]:53"] {
        assert_eq!(read(text), Err(WarningKind::Zone), "{text}");
    }
}

#[test]
fn name_servers_and_reports_are_bounded() {
    let many: String = (0..100).map(|n| format!("nameserver 192.0.2.{n}\nodd\n")).collect();
    let read = read_file(many.as_bytes());
    assert_eq!(read.addresses.len(), MAX_SERVERS);
    assert_eq!(read.warnings.len(), MAX_WARNINGS);
    let long = read_file(&b"#\n".repeat(MAX_RESOLV_CONF));
    assert!(long.warnings.contains(&Warning { line: None, kind: WarningKind::TooMuch }));
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
    let warnings: Vec<String> = hosts.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "line 7: an address on an interface that is not there",
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
            prop_assert!(read_file(text).addresses.len() <= MAX_SERVERS);
            let _ = name_server_address(line.as_str(), interface_index);
            Hosts::from_hosts_file(text);
        }
    }
}
