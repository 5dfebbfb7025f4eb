//! Ranges with their edges.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn judge(text: &str) -> Result<(), DeniedReason> {
    AddressPolicy::default().judge(ip(text)).map_err(|denied| {
        assert_eq!(denied.address, ip(text));
        denied.reason
    })
}

#[test]
fn every_special_range_is_denied_from_its_first_to_its_last_address() {
    use DeniedReason as R;
    for (first, last, reason) in [
        ("0.0.0.0", "0.255.255.255", R::ThisNetwork),
        ("10.0.0.0", "10.255.255.255", R::Private),
        ("100.64.0.0", "100.127.255.255", R::CarrierGradeNat),
        ("127.0.0.0", "127.255.255.255", R::Loopback),
        ("169.254.0.0", "169.254.255.255", R::LinkLocal),
        ("172.16.0.0", "172.31.255.255", R::Private),
        ("192.0.0.0", "192.0.0.255", R::ProtocolAssignments),
        ("192.0.2.0", "192.0.2.255", R::Documentation),
        ("192.88.99.0", "192.88.99.255", R::Transition),
        ("192.168.0.0", "192.168.255.255", R::Private),
        ("198.18.0.0", "198.19.255.255", R::Benchmarking),
        ("198.51.100.0", "198.51.100.255", R::Documentation),
        ("203.0.113.0", "203.0.113.255", R::Documentation),
        ("224.0.0.0", "239.255.255.255", R::Multicast),
        ("240.0.0.0", "255.255.255.255", R::Reserved),
        ("::", "::", R::ThisNetwork),
        ("::1", "::1", R::Loopback),
        ("::2", "::ffff", R::Reserved),
        ("::7f00:1", "::7f00:1", R::Reserved),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", R::LocalTranslation),
        ("64:ff9b:0:1::", "64:ff9b:0:ffff::", R::Reserved),
        ("64:ff9b:2::", "64:ff9b:ffff::", R::Reserved),
        ("100::", "1fff:ffff::", R::Reserved),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", R::Transition),
        ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", R::Benchmarking),
        ("2001:10::", "2001:1ff:ffff::", R::ProtocolAssignments),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", R::Documentation),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", R::Transition),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", R::Documentation),
        ("4000::", "fbff:ffff::", R::Reserved),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", R::Private),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", R::LinkLocal),
        ("fec0::", "feff::", R::Reserved),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", R::Multicast),
    ] {
        for edge in [first, last] {
            assert_eq!(judge(edge), Err(reason), "{edge}");
            let denied = AddressPolicy::default().judge(ip(edge)).unwrap_err();
            assert!(denied.range.contains(&ip(edge)), "{denied}");
        }
    }
}

#[test]
fn the_addresses_beside_a_special_range_are_allowed() {
    for text in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "2606:4700::1",
        "3ffe:ffff::",
        "3fff:1000::",
    ] {
        assert_eq!(judge(text), Ok(()), "{text}");
    }
}

#[test]
fn an_ipv4_address_is_judged_however_it_is_written() {
    use DeniedReason as R;
    assert_eq!(judge("::ffff:10.0.0.1"), Err(R::Private));
    assert_eq!(judge("::ffff:127.0.0.1"), Err(R::Loopback));
    assert_eq!(judge("::ffff:169.254.169.254"), Err(R::LinkLocal));
    assert_eq!(judge("64:ff9b::10.0.0.1"), Err(R::Private));
    assert_eq!(judge("64:ff9b::127.0.0.1"), Err(R::Loopback));
    assert_eq!(judge("::ffff:1.1.1.1"), Ok(()));
    assert_eq!(judge("64:ff9b::1.1.1.1"), Ok(()), "networks with DNS64 have no other");
    assert_eq!(judge("2002:101:101::1"), Err(R::Transition));
}

#[test]
fn the_deny_list_sees_embedded_addresses_and_allow_goes_first() {
    let policy = AddressPolicy {
        otherwise: DefaultAction::Any,
        allow: vec!["10.1.0.0/16".parse().unwrap()],
        deny: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        ..AddressPolicy::default()
    };
    for denied in
        ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::", "2001:db8::1"]
    {
        let why = policy.judge(ip(denied)).expect_err(denied);
        assert_eq!(why.reason, DeniedReason::DenyList);
    }
    for allowed in ["10.1.0.1", "127.0.0.1", "::1", "2001:db9::"] {
        assert_eq!(policy.judge(ip(allowed)), Ok(()), "{allowed}");
    }
    let global =
        AddressPolicy { allow: vec!["127.0.0.0/8".parse().unwrap()], ..AddressPolicy::default() };
    assert_eq!(global.judge(ip("127.0.0.1")), Ok(()));
    assert!(global.judge(ip("::1")).is_err());
    assert_eq!(AddressPolicy::any().judge(ip("0.0.0.0")), Ok(()));
}

/// Every way to write an IPv4 address within an IPv6 one, for 10.0.0.1.
const TRANSLATED: [&str; 12] = [
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "64:ff9b:1:abcd::10.0.0.1",
    "64:ff9b:1:a00:0:100::",
    "64:ff9b:1:ab0a:0:1::",
    "64:ff9b:1:abcd:a:0:100:0",
    "2002:a00:1::1",
    "2001:0:a00:1:8000:63bf:3fff:fdd2",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
];

#[test]
fn a_translated_address_counts_for_denying() {
    let ten = || vec!["10.0.0.0/8".parse().unwrap()];
    let denying = AddressPolicy { deny: ten(), ..AddressPolicy::any() };
    for text in TRANSLATED.iter().chain(&["fd00::5efe:10.0.0.1", "fd00::200:5efe:10.0.0.1"]) {
        let why = denying.judge(ip(text)).expect_err(text);
        assert_eq!((why.reason, why.range), (DeniedReason::DenyList, ten()[0]), "{text}");
    }
    for text in ["::ffff:11.0.0.1", "64:ff9b:1::11.0.0.1", "64:ff9b:1::11.0.10.0", "2002:b00:a::"] {
        assert_eq!(denying.judge(ip(text)), Ok(()), "{text}");
    }
}

#[test]
fn a_translated_address_does_not_count_for_allowing() {
    let allow = vec!["10.0.0.0/8".parse().unwrap(), "::ffff:11.0.0.0/104".parse().unwrap()];
    let allowing = AddressPolicy { allow, ..AddressPolicy::default() };
    for text in TRANSLATED {
        assert!(allowing.judge(ip(text)).is_err(), "{text}");
    }
    assert!(allowing.judge(ip("11.0.0.1")).is_ok(), "public anyway");
    assert_eq!(allowing.judge(ip("10.0.0.1")), Ok(()));
    // A range that is allowed as it is written is allowed, whatever it embeds.
    let allow = vec!["2002:a00::/24".parse().unwrap()];
    let deny = vec!["10.0.0.0/8".parse().unwrap()];
    let written = AddressPolicy { allow, deny, ..AddressPolicy::default() };
    assert_eq!(written.judge(ip("2002:a00:1::1")), Ok(()));
}

#[test]
fn the_unspecified_address_is_loopback_for_the_deny_list() {
    let deny = |range: &str| {
        let deny = vec![range.parse().unwrap()];
        move |text: &str| {
            AddressPolicy { deny: deny.clone(), ..AddressPolicy::any() }.judge(ip(text))
        }
    };
    let v4 = deny("127.0.0.0/8");
    for text in [
        "127.0.0.1",
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::",
        "64:ff9b:1::7f00:1",
        "2002::1",
        "2002:7f00:1::1",
    ] {
        assert!(v4(text).is_err(), "{text}");
    }
    for text in ["::1", "0.0.0.1", "1.1.1.1", "::ffff:1.1.1.1", "2001:db8::"] {
        assert_eq!(v4(text), Ok(()), "{text}");
    }
    let v6 = deny("::1/128");
    assert!(v6("::").is_err() && v6("::1").is_err());
    assert!(v6("0.0.0.0").is_ok() && v6("127.0.0.1").is_ok());
    let mapped = deny("::ffff:127.0.0.0/104");
    assert!(mapped("0.0.0.0").is_err() && mapped("127.0.0.1").is_err());
}

#[test]
fn denying_all_of_a_family_leaves_the_other_one() {
    let deny =
        |range: &str| AddressPolicy { deny: vec![range.parse().unwrap()], ..AddressPolicy::any() };
    for range in ["::/0", "::/1", "::ffff:0:0/95"] {
        assert_eq!(deny(range).judge(ip("9.9.9.9")), Ok(()), "{range}");
        assert!(deny(range).judge(ip("::ffff:9.9.9.9")).is_err(), "{range}");
    }
    assert!(deny("::/0").judge(ip("2606:4700::1")).is_err());
    // All IPv4 addresses, written as IPv6 ones.
    assert!(deny("::ffff:0:0/96").judge(ip("9.9.9.9")).is_err());
    assert!(deny("0.0.0.0/0").judge(ip("9.9.9.9")).is_err());
    assert_eq!(deny("0.0.0.0/0").judge(ip("2606:4700::1")), Ok(()));
}

#[test]
fn a_list_that_names_an_ipv4_range_in_ipv6_holds_for_ipv4() {
    let policy =
        AddressPolicy { deny: vec!["::ffff:9.9.9.0/120".parse().unwrap()], ..AddressPolicy::any() };
    for denied in ["::ffff:9.9.9.9", "9.9.9.9"] {
        assert!(policy.judge(ip(denied)).is_err(), "{denied}");
    }
    assert_eq!(policy.judge(ip("9.9.8.9")), Ok(()));
}

proptest! {
    #[test]
    fn a_denied_address_lies_in_the_range_that_denies_it(v4: Ipv4Addr, v6: Ipv6Addr) {
        for address in [IpAddr::V4(v4), IpAddr::V6(v6), IpAddr::V6(v4.to_ipv6_mapped())] {
            if let Err(denied) = AddressPolicy::default().judge(address) {
                let inner = match address {
                    IpAddr::V4(_) => None,
                    IpAddr::V6(ip) => same_host(ip).map(IpAddr::V4),
                };
                let lies = |ip: &IpAddr| denied.range.contains(ip);
                prop_assert!(lies(&address) || inner.as_ref().is_some_and(lies));
            }
        }
        // The same host is judged alike in every way of writing it.
        let [a, b, c, d] = v4.octets();
        let verdict = AddressPolicy::default().judge(IpAddr::V4(v4)).map_err(|denied| denied.reason);
        let nat64 = Ipv6Addr::from([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]);
        for address in [v4.to_ipv6_mapped(), nat64] {
            prop_assert_eq!(AddressPolicy::default().judge(IpAddr::V6(address)).map_err(|denied| denied.reason), verdict);
        }
    }
}

#[test]
fn a_range_within_a_range_ends_where_it_ends() {
    assert_eq!(judge("2001:2::"), Err(DeniedReason::Benchmarking));
    assert_eq!(judge("2001:2:0:ffff::"), Err(DeniedReason::Benchmarking));
    assert_eq!(judge("2001:2:1::"), Err(DeniedReason::ProtocolAssignments));
}

#[test]
fn a_refusal_tells_the_address_its_range_and_what_that_is_for() {
    let denied = AddressPolicy::default().judge(ip("10.1.2.3")).unwrap_err();
    assert_eq!(denied.to_string(), "10.1.2.3 lies in 10.0.0.0/8 (private use)");
}
