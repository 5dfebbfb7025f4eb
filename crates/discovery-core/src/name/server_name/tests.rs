//! The grammar of server names and host names, by table and by property.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::hash::{Hash, Hasher};

use proptest::prelude::*;

use super::*;
use crate::name::{DnsName, InvalidDnsName, MAX_DNS_NAME_LENGTH, TlsName};

fn error(text: &str) -> InvalidServerName {
    ServerName::parse(text).expect_err(text)
}

/// The reading that a test expects: host as written, IP literal, port.
fn check(text: &str, host: &str, ip: Option<&str>, port: Option<u16>) {
    let name = ServerName::parse(text).unwrap_or_else(|why| panic!("{text:?}: {why}"));
    assert_eq!(name.as_str(), text);
    assert_eq!(name.to_string(), text);
    assert_eq!(name.host_str(), host, "{text}");
    assert_eq!(name.port(), port, "{text}");
    match (name.host(), ip) {
        (Host::Ip(found), Some(expected)) => assert_eq!(found.to_string(), expected, "{text}"),
        (Host::Name(found), None) => assert_eq!(found, host, "{text}"),
        (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
    }
}

#[test]
fn a_server_name_is_a_host_and_at_most_a_port() {
    check("matrix.org", "matrix.org", None, None);
    check("matrix.org:8448", "matrix.org", None, Some(8448));
    check("Example.ORG", "Example.ORG", None, None);
    check("localhost", "localhost", None, None);
    check("-", "-", None, None);
    check("a..b", "a..b", None, None);
    check("example.org.", "example.org.", None, None);
    check(".", ".", None, None);
}

#[test]
fn r5_ipv6_literals_stand_in_brackets() {
    // R6, R109: neither bare nor with a zone.
    check("[::1]", "[::1]", Some("::1"), None);
    check("[::1]:443", "[::1]", Some("::1"), Some(443));
    check("[2001:DB8::1]:8448", "[2001:DB8::1]", Some("2001:db8::1"), Some(8448));
    check("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", Some("::ffff:1.2.3.4"), None);
    check("[::]", "[::]", Some("::"), None);
    for text in ["[]", "[1]", "[:]", "[1.2.3.4]", "[fe80::1%eth0]", "[fe80::1%25eth0]", "[v1.a]"] {
        assert_eq!(error(text), InvalidServerName::Ipv6Address, "{text}");
    }
    for text in ["[1:2:3:4:5:6:7:8:9]", "[:::]", "[1::2::3]", "[12345::]", "[ ::1]", "[::1 ]"] {
        assert_eq!(error(text), InvalidServerName::Ipv6Address, "{text}");
    }
    for text in ["[::1", "[", "[::1]]", "[::1]x", "[::1] :1", "[::1]8448"] {
        assert_eq!(error(text), InvalidServerName::Brackets, "{text}");
    }
    assert_eq!(error("::1"), InvalidServerName::Brackets);
    assert_eq!(error("2001:db8::1"), InvalidServerName::Brackets);
    assert_eq!(error("[[::1]]"), InvalidServerName::Brackets);
    assert_eq!(error("a[::1]"), InvalidServerName::Character);
    assert_eq!(error("::1]"), InvalidServerName::EmptyHost);
    assert_eq!(error("]"), InvalidServerName::Character);
}

#[test]
fn r13_an_ipv4_literal_is_not_read_as_a_name() {
    // R4: four groups up to 255, each in one way of writing.
    check("1.2.3.4", "1.2.3.4", Some("1.2.3.4"), None);
    check("255.255.255.255:1", "255.255.255.255", Some("255.255.255.255"), Some(1));
    // Readings of these differ between systems: names, which nothing can resolve.
    for text in ["010.0.0.1", "1.2.3", "1.2.3.4.5", "999.1.1.1", "256.0.0.1", "0x7f.1", "1.2.3.4."]
    {
        check(text, text, None, None);
        assert_eq!(DnsName::host(text), Err(InvalidDnsName::Numeric), "{text}");
    }
}

#[test]
fn r2_a_port_is_one_to_five_digits_from_1_to_65535() {
    check("a:1", "a", None, Some(1));
    check("a:65535", "a", None, Some(65535));
    check("a:00443", "a", None, Some(443));
    for port in
        ["", "0", "00000", "65536", "99999", "008448", "+1", "-1", " 1", "1 ", "１", "1:2", "x"]
    {
        assert_eq!(error(&format!("a:{port}")), InvalidServerName::Port, "{port:?}");
        assert_eq!(error(&format!("[::1]:{port}")), InvalidServerName::Port, "{port:?}");
    }
    assert_eq!(error(":8448"), InvalidServerName::EmptyHost);
    assert_eq!(error(":"), InvalidServerName::EmptyHost);
    assert_eq!(error(""), InvalidServerName::EmptyHost);
}

#[test]
fn r7_only_letters_digits_hyphens_and_dots_make_a_host() {
    let bad = [
        "a_b",
        "exämple.org",
        "例え.jp",
        "a b",
        " a",
        "a ",
        "a\0b",
        "a\n",
        "a/b",
        "https",
        "a@b",
        "a%41",
        "a?b",
        "a#b",
        "a*",
        "a\u{200d}b",
        "a。b",
        "\u{feff}a",
        "ａ",
    ];
    for text in bad.iter().filter(|text| **text != "https") {
        assert_eq!(error(text), InvalidServerName::Character, "{text:?}");
    }
    assert_eq!(ServerName::parse(&"a".repeat(255)).unwrap().host_str().len(), 255);
    assert_eq!(error(&"a".repeat(256)), InvalidServerName::HostTooLong);
    check(&format!("{}:65535", "a".repeat(255)), &"a".repeat(255), None, Some(65535));
}

#[test]
fn r9_identity_does_not_fold_case() {
    assert_ne!(ServerName::parse("A.example").unwrap(), ServerName::parse("a.example").unwrap());
    assert_ne!(ServerName::parse("a:443").unwrap(), ServerName::parse("a:0443").unwrap());
}

#[test]
fn r103_labels_have_1_to_63_octets_and_names_at_most_253() {
    let label = "a".repeat(63);
    assert!(DnsName::parse(&label).is_ok());
    assert_eq!(DnsName::parse(&"a".repeat(64)), Err(InvalidDnsName::LongLabel));
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), MAX_DNS_NAME_LENGTH);
    assert!(DnsName::parse(&longest).is_ok());
    assert!(DnsName::parse(&format!("{longest}.")).is_ok(), "the final dot is not counted");
    assert_eq!(DnsName::parse(&format!("{longest}a")), Err(InvalidDnsName::TooLong));
    for text in ["", "..", "a..b", ".a", "a..", "...."] {
        assert_eq!(DnsName::parse(text), Err(InvalidDnsName::EmptyLabel), "{text:?}");
    }
    for text in ["a b", "a\0", "ä", "a:1", "a/b", "a\\.b", "*.a"] {
        assert_eq!(DnsName::parse(text), Err(InvalidDnsName::Character), "{text:?}");
    }
}

#[test]
fn one_final_dot_is_the_root_and_is_dropped() {
    assert_eq!(DnsName::parse("Example.ORG.").unwrap().as_str(), "example.org");
    assert_eq!(DnsName::parse("example.org").unwrap(), DnsName::parse("EXAMPLE.org.").unwrap());
    assert!(DnsName::parse(".").unwrap().is_root());
    assert_eq!(DnsName::root().to_string(), ".");
    assert_eq!(DnsName::host("."), Err(InvalidDnsName::EmptyLabel));
}

#[test]
fn nothing_that_some_system_takes_for_an_address_is_a_host() {
    for text in ["1", "1.2.3.4", "a.1", "0x7f000001", "0x", "a.0x", "a.0X1F", "127.1", "0177.0.0.1"]
    {
        assert_eq!(DnsName::host(text), Err(InvalidDnsName::Numeric), "{text}");
        assert!(DnsName::parse(text).is_ok(), "a target is a name whatever it looks like: {text}");
    }
    for text in ["1a", "0xg", "1.2.3.4.example", "a.0x1g", "x0"] {
        assert!(DnsName::host(text).is_ok(), "{text}");
    }
}

#[test]
fn the_owner_of_a_service_is_none_where_it_would_be_too_long() {
    let host = |length: usize| {
        let text = format!(
            "{}.{}.{}.{}",
            "a".repeat(63),
            "a".repeat(63),
            "a".repeat(63),
            "a".repeat(length)
        );
        DnsName::parse(&text).unwrap()
    };
    let owner = host(40).service("_matrix-fed").unwrap();
    assert!(owner.as_str().starts_with("_matrix-fed._tcp.aaa"));
    assert_eq!(DnsName::parse(owner.as_str()).unwrap(), owner);
    assert_eq!(host(43).service("_matrix-fed").unwrap().as_str().len(), 252);
    assert_eq!(host(44).service("_matrix-fed").unwrap().as_str().len(), 253);
    assert_eq!(host(45).service("_matrix-fed"), None);
}

#[test]
fn below_means_whole_labels() {
    let below = |name: &str, domain| DnsName::parse(name).unwrap().is_below(domain);
    assert!(below("localhost", "localhost"));
    assert!(below("a.b.localhost.", "localhost"));
    assert!(below("A.ONION", "onion"));
    assert!(!below("notlocalhost", "localhost"));
    assert!(!below("localhost.example", "localhost"));
}

#[test]
fn sni_is_the_dns_name_and_absent_for_an_address() {
    // R19, R20, R126.
    assert_eq!(TlsName::Dns(DnsName::parse("A.Example.").unwrap()).sni(), Some("a.example"));
    assert_eq!(TlsName::Ip("::1".parse().unwrap()).sni(), None);
}

/// Texts near the grammar, where a careless parser goes wrong.
fn near_names() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9.:\\[\\]%_/@+-]{0,40}",
        "\\[[0-9a-fA-F:.%]{0,46}\\](:[0-9+-]{0,7})?",
        "[a-z0-9.-]{250,258}(:[0-9]{0,6})?",
        "([0-9]{1,3}\\.){0,5}[0-9]{0,4}(:[0-9]{0,6})?",
    ]
}

proptest! {
    #[test]
    fn parsing_never_panics_and_keeps_every_letter(text in near_names()) {
        if let Ok(name) = ServerName::parse(&text) {
            prop_assert_eq!(name.as_str(), &text);
            let written = match name.port() {
                Some(_) => text.rsplit_once(':').unwrap().0,
                None => text.as_str(),
            };
            prop_assert_eq!(name.host_str(), written);
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<ServerName>(&json).unwrap(), name);
        }
    }

    #[test]
    fn every_host_and_port_by_the_grammar_is_read_back(
        host in "[a-zA-Z0-9.-]{1,255}", port in proptest::option::of(1..=u16::MAX),
    ) {
        let text = port.map_or(host.clone(), |port| format!("{host}:{port}"));
        let name = ServerName::parse(&text).unwrap();
        prop_assert_eq!((name.host_str(), name.port()), (host.as_str(), port));
        prop_assert_eq!(matches!(name.host(), Host::Ip(_)), host.parse::<std::net::IpAddr>().is_ok());
    }

    #[test]
    fn every_ipv6_address_is_read_back(ip: std::net::Ipv6Addr, port in proptest::option::of(1..=u16::MAX)) {
        let text = port.map_or(format!("[{ip}]"), |port| format!("[{ip}]:{port}"));
        let name = ServerName::parse(&text).unwrap();
        prop_assert_eq!(name.host(), Host::Ip(ip.into()));
        prop_assert!(ServerName::parse(&ip.to_string()).is_err(), "R6: never without brackets");
    }

    #[test]
    fn dns_names_are_canonical(text in prop_oneof![any::<String>(), "([a-zA-Z0-9_-]{0,5}\\.){0,6}", "[a-zA-Z0-9_.-]{0,260}"]) {
        if let Ok(name) = DnsName::parse(&text) {
            prop_assert_eq!(DnsName::parse(&format!("{name}")).unwrap(), name.clone());
            prop_assert_eq!(DnsName::parse(&text.to_uppercase()).unwrap(), name.clone());
            prop_assert!(name.labels().all(|label| (1..=63).contains(&label.len())));
            prop_assert!(name.as_str().len() <= MAX_DNS_NAME_LENGTH);
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<DnsName>(&json).unwrap(), name.clone());
            if DnsName::host(&text).is_ok() {
                prop_assert!(text.trim_end_matches('.').parse::<std::net::Ipv4Addr>().is_err());
            }
        }
    }
}

#[test]
fn what_a_certificate_is_for_is_read_back_as_it_was_written() {
    let names = [
        TlsName::Ip("192.0.2.1".parse().unwrap()),
        TlsName::Ip("2001:db8::1".parse().unwrap()),
        TlsName::Dns("a.example".parse().unwrap()),
        // An SRV target may look like an address, and is a name all the same.
        TlsName::Dns("192.0.2.1".parse().unwrap()),
    ];
    for name in names {
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(serde_json::from_str::<TlsName>(&json).unwrap(), name, "{json}");
    }
}

#[test]
fn names_and_what_is_wrong_with_them_are_told_in_words() {
    let name = ServerName::parse("Matrix.org:1").unwrap();
    assert_eq!(format!("{name:?}"), "ServerName(\"Matrix.org:1\")");
    assert_eq!(format!("{:?}", DnsName::parse("a.example").unwrap()), "DnsName(a.example)");
    assert_eq!(error("").to_string(), "the host is missing");
    let wrong = DnsName::parse("a..example").unwrap_err();
    assert_eq!(wrong.to_string(), "a label is empty");
}

#[test]
fn equal_names_have_one_hash_and_others_another() {
    let hash = |text: &str| {
        let mut hasher = siphasher::sip::SipHasher13::new();
        ServerName::parse(text).unwrap().hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash("a.example"), hash("a.example"));
    assert_ne!(hash("a.example"), hash("b.example"));
}

#[test]
fn a_server_name_in_normal_form_is_shared_as_a_host() {
    let of = |text: &str| {
        let name = ServerName::parse(text).unwrap();
        DnsName::of(&name).map(|host| host.map(|host| std::ptr::eq(host.as_str(), name.as_str())))
    };
    assert_eq!(of("a.example"), Some(Ok(true)));
    for text in ["A.example", "a.example.", "a.example:1"] {
        assert_eq!(of(text), None, "{text}");
    }
    assert_eq!(of("1.2.3"), Some(Err(InvalidDnsName::Numeric)));
}

#[test]
fn a_services_owner_belongs_to_one_host_and_one_service() {
    let host = DnsName::parse("a.example").unwrap();
    let owner = host.service("_matrix").unwrap();
    assert!(owner.is_service("_matrix", &host));
    assert!(!owner.is_service("_matrix-fed", &host));
    assert!(!owner.is_service("_matrix", &DnsName::parse("example").unwrap()));
    assert!(!host.is_service("_matrix", &host));
}

#[test]
fn a_tls_name_has_a_final_dot_only_where_it_looks_like_an_address() {
    let text = |name: &str| String::from(TlsName::Dns(DnsName::parse(name).unwrap()));
    assert_eq!(text("a.example"), "a.example");
    assert_eq!(text("1.2.3.4"), "1.2.3.4.");
    assert_eq!(String::from(TlsName::Ip([1, 2, 3, 4].into())), "1.2.3.4");
}

#[test]
fn what_people_give_instead_of_a_name_is_recognized() {
    for url in
        ["https://a", "https://a.example/", "matrix://a", "//a", "a:8448/", "matrix:u/a:b.example"]
    {
        assert_eq!(error(url), InvalidServerName::Url, "{url}");
        assert!(!error(url).to_string().contains("port"), "{url}");
    }
    for id in ["@a:b.example", "#a:b.example", "!a:b.example", "!a", "$a", "+a:b.example", "@"] {
        assert_eq!(error(id), InvalidServerName::Identifier, "{id}");
    }
    assert_eq!(error("a:b"), InvalidServerName::Port);
    assert_eq!(error("a@b"), InvalidServerName::Character);
}
