//! The order in which addresses are tried.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ordered(v6: &[&str], v4: &[&str], routes: Routes) -> Vec<String> {
    let ips = |texts: &[&str]| texts.iter().map(|text| ip(text)).collect::<Vec<_>>();
    let mut into = vec![ip("9.9.9.9")];
    order(&ips(v6), &ips(v4), routes, None, &mut into);
    into.iter().map(ToString::to_string).collect()
}

#[test]
fn r128_families_take_turns_ipv6_first_and_one_without_route_goes_last() {
    let (both, only_v4) = (Routes::default(), Routes { v4: true, v6: false });
    let (only_v6, neither) = (Routes { v4: false, v6: true }, Routes { v4: false, v6: false });
    let (v6, v4) = (["1::", "2::", "3::"], ["1.1.1.1"]);
    assert_eq!(ordered(&v6, &v4, both), ["1::", "1.1.1.1", "2::", "3::"]);
    assert_eq!(ordered(&v6, &v4, neither), ["1::", "1.1.1.1", "2::", "3::"]);
    assert_eq!(ordered(&v6, &v4, only_v4), ["1.1.1.1", "1::", "2::", "3::"]);
    assert_eq!(ordered(&v6, &v4, only_v6), ["1::", "2::", "3::", "1.1.1.1"]);
    assert_eq!(ordered(&[], &["1.1.1.1", "2.2.2.2", "1.1.1.1"], both), ["1.1.1.1", "2.2.2.2"]);
    assert_eq!(ordered(&[], &[], both), [""; 0]);
}

#[test]
fn a_family_that_leads_nowhere_goes_last_among_those_that_have_a_route() {
    let (v6, v4) = ([ip("1::"), ip("2::")], [ip("1.1.1.1"), ip("2.2.2.2")]);
    let ordered = |routes, second| {
        let mut into = Vec::new();
        order(&v6, &v4, routes, Some(second), &mut into);
        into.iter().map(IpAddr::is_ipv6).collect::<Vec<_>>()
    };
    let (both, only_v6) = (Routes::default(), Routes { v4: false, v6: true });
    assert_eq!(ordered(both, AddressFamily::V6), [false, false, true, true]);
    assert_eq!(ordered(both, AddressFamily::V4), [true, true, false, false]);
    assert_eq!(ordered(only_v6, AddressFamily::V6), [true, true, false, false]);
}

proptest! {
    #[test]
    fn order_loses_nothing_and_keeps_the_order_within_a_family(v6: Vec<Ipv6Addr>, v4: Vec<Ipv4Addr>, a: bool, b: bool, second: Option<bool>) {
        let (v6, v4): (Vec<_>, Vec<_>) = (v6.into_iter().map(IpAddr::from).collect(), v4.into_iter().map(IpAddr::from).collect());
        let mut into = Vec::new();
        let second = second.map(|v6| if v6 { AddressFamily::V6 } else { AddressFamily::V4 });
        order(&v6, &v4, Routes { v4: a, v6: b }, second, &mut into);
        let of = |v6: bool| into.iter().filter(|ip| ip.is_ipv6() == v6).copied().collect::<Vec<_>>();
        let once = |list: &[IpAddr]| list.iter().enumerate().filter(|(i, ip)| !list.iter().take(*i).any(|other| other == *ip)).map(|(_, ip)| *ip).collect::<Vec<_>>();
        prop_assert_eq!(of(true), once(&v6));
        prop_assert_eq!(of(false), once(&v4));
    }
}
