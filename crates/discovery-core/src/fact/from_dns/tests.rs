//! What replies say to a question, hostile ones included.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::io::DnsRecord;

fn name(text: &str) -> DnsName {
    DnsName::parse(text).unwrap()
}

fn a(owner: &str, ttl: u32, ip: &str) -> DnsRecord {
    DnsRecord { owner: name(owner), ttl, data: RecordData::A(ip.parse().unwrap()) }
}

fn cname(owner: &str, ttl: u32, target: &str) -> DnsRecord {
    DnsRecord { owner: name(owner), ttl, data: RecordData::Cname(name(target)) }
}

fn srv(owner: &str, ttl: u32, port: u16, target: &str) -> DnsRecord {
    let target = name(target);
    DnsRecord {
        owner: name(owner),
        ttl,
        data: RecordData::Srv(SrvRecord { priority: 1, weight: 1, port, target }),
    }
}

fn unusable(owner: &str) -> DnsRecord {
    DnsRecord { owner: name(owner), ttl: 60, data: RecordData::Unusable }
}

fn reply(records: Vec<DnsRecord>) -> DnsReply {
    DnsReply::with_records(records)
}

/// What the reply says to a question for `q`, and for how many seconds.
fn says(kind: RecordType, reply: &DnsReply) -> (Fact, u64) {
    let (fact, life) = read(&name("q"), kind, reply, &Policy::default());
    (fact, life.as_secs())
}

fn addresses(ips: &[&str], alias: Option<&str>) -> Fact {
    Fact::Addresses {
        addresses: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        alias: alias.map(name),
    }
}

use RecordType::{A, Aaaa, Srv};

#[test]
fn records_of_the_question_are_its_answer() {
    let records =
        reply(vec![a("q", 300, "1.1.1.1"), a("q", 300, "2.2.2.2"), a("Q.", 300, "1.1.1.1")]);
    assert_eq!(says(A, &records), (addresses(&["1.1.1.1", "2.2.2.2"], None), 300));
    let aaaa =
        DnsRecord { owner: name("q"), ttl: 5, data: RecordData::Aaaa("1::".parse().unwrap()) };
    assert_eq!(says(Aaaa, &reply(vec![aaaa])), (addresses(&["1::"], None), 5));
    let (fact, life) = says(Srv, &reply(vec![srv("q", 60, 443, "t")]));
    assert!(matches!(fact, Fact::Services(services) if services.len() == 1));
    assert_eq!(life, 60);
}

#[test]
fn r94_an_alias_chain_is_followed_in_any_order_of_records() {
    let mut records = vec![cname("q", 300, "b"), cname("b", 50, "c"), a("c", 200, "1.1.1.1")];
    for _ in 0..3 {
        records.rotate_left(1);
        assert_eq!(says(A, &reply(records.clone())), (addresses(&["1.1.1.1"], Some("c")), 50));
    }
    let (fact, _) = says(Srv, &reply(vec![cname("q", 300, "b"), srv("b", 300, 1, "t")]));
    assert!(matches!(fact, Fact::Services(_)), "an alias at the owner of SRV records, too");
}

#[test]
fn r94_a_loop_of_aliases_is_a_failure() {
    for records in [
        vec![cname("q", 300, "q")],
        vec![cname("q", 300, "b"), cname("b", 300, "q")],
        vec![cname("q", 300, "b"), cname("b", 300, "b")],
    ] {
        assert_eq!(says(A, &reply(records)), (Fact::Failed(Failure::AliasLoop), 30));
    }
    // A circle that does not touch the question's name ends by the limit.
    let circle = vec![cname("q", 300, "b"), cname("b", 300, "c"), cname("c", 300, "b")];
    assert_eq!(says(A, &reply(circle)), (Fact::Failed(Failure::TooManyAliases), 30));
}

#[test]
fn as_many_aliases_are_followed_as_the_policy_allows() {
    let chain = |length: u8| {
        let owner = |i: u8| if i == 0 { "q".to_owned() } else { format!("n{i}") };
        let mut records: Vec<_> =
            (0..length).map(|i| cname(&owner(i), 300, &owner(i + 1))).collect();
        records.push(a(&owner(length), 300, "1.1.1.1"));
        says(A, &reply(records)).0
    };
    assert_eq!(chain(8), addresses(&["1.1.1.1"], Some("n8")));
    assert_eq!(chain(9), Fact::Failed(Failure::TooManyAliases));
}

#[test]
fn r96_nothing_is_not_found_for_as_long_as_the_soa_says() {
    let negative = |nxdomain, negative_ttl| DnsReply::not_found(nxdomain, negative_ttl);
    assert_eq!(says(A, &negative(true, Some(60))), (Fact::NotFound(NotFound::NxDomain), 60));
    assert_eq!(says(A, &negative(false, Some(60))), (Fact::NotFound(NotFound::NoData), 60));
    assert_eq!(says(A, &negative(true, Some(99_999))), (Fact::NotFound(NotFound::NxDomain), 3600));
    assert_eq!(says(A, &negative(true, None)), (Fact::NotFound(NotFound::NxDomain), 30));
    assert_eq!(says(A, &negative(false, None)), (Fact::NotFound(NotFound::NoData), 30));
    assert_eq!(says(A, &negative(false, Some(u32::MAX))), (Fact::NotFound(NotFound::NoData), 0));
}

#[test]
fn a_cut_chain_is_an_alias_to_ask_on_unless_a_soa_says_that_nothing_is_there() {
    let chain = vec![cname("q", 300, "b"), cname("b", 40, "c")];
    let says = |nxdomain, negative_ttl| {
        says(
            A,
            &DnsReply {
                nxdomain,
                records: chain.clone(),
                negative_ttl,
                noticed: Default::default(),
            },
        )
    };
    assert_eq!(says(false, None), (Fact::Alias(name("c")), 40));
    assert_eq!(says(false, Some(60)), (Fact::NotFound(NotFound::NoData), 40));
    assert_eq!(says(false, Some(20)), (Fact::NotFound(NotFound::NoData), 20));
    // RFC 6604: the code is that of the last name in the chain.
    assert_eq!(says(true, Some(60)), (Fact::NotFound(NotFound::NxDomain), 40));
    assert_eq!(says(true, None), (Fact::NotFound(NotFound::NxDomain), 30));
}

#[test]
fn r102_the_least_lifetime_counts_and_the_top_bit_means_zero() {
    let life = |records| says(A, &reply(records)).1;
    assert_eq!(life(vec![a("q", 300, "1.1.1.1"), a("q", 7, "2.2.2.2"), a("q", 90, "3.3.3.3")]), 7);
    assert_eq!(life(vec![a("q", 300, "1.1.1.1"), a("q", 0x8000_0001, "2.2.2.2")]), 0);
    assert_eq!(life(vec![a("q", 0x7fff_ffff, "1.1.1.1")]), 86_400);
    assert_eq!(life(vec![cname("q", u32::MAX, "b"), a("b", 300, "1.1.1.1")]), 0);
    assert_eq!(
        life(vec![a("q", 300, "1.1.1.1"), a("other", 7, "2.2.2.2"), srv("q", 3, 1, "t")]),
        300
    );
}

#[test]
fn records_beside_the_chain_are_ignored() {
    let foreign = vec![a("evil", 300, "6.6.6.6"), cname("other", 300, "q"), srv("q", 300, 1, "t")];
    assert_eq!(says(A, &reply(foreign)).0, Fact::NotFound(NotFound::NoData));
    // Data beside an alias (R95) is data.
    let both = vec![cname("q", 300, "b"), a("q", 300, "1.1.1.1"), a("b", 300, "2.2.2.2")];
    assert_eq!(says(A, &reply(both)).0, addresses(&["1.1.1.1"], None));
    // Of two aliases the first counts.
    let two = vec![
        cname("q", 300, "b"),
        cname("q", 300, "c"),
        a("c", 300, "2.2.2.2"),
        a("b", 300, "1.1.1.1"),
    ];
    assert_eq!(says(A, &reply(two)).0, addresses(&["1.1.1.1"], Some("b")));
}

#[test]
fn what_names_no_host_is_there_and_of_no_use() {
    assert_eq!(says(Srv, &reply(vec![unusable("q")])).0, Fact::UnusableServices);
    assert_eq!(says(A, &reply(vec![unusable("q")])).0, Fact::Failed(Failure::UnusableAlias));
    assert_eq!(
        says(A, &reply(vec![cname("q", 300, "b"), unusable("b")])).0,
        Fact::Failed(Failure::UnusableAlias)
    );
    let mixed = reply(vec![unusable("q"), srv("q", 300, 1, "t")]);
    assert!(matches!(says(Srv, &mixed).0, Fact::Services(services) if services.len() == 1));
}

#[test]
fn a_reply_of_any_size_is_read_within_bounds() {
    let records =
        (0..70_000_u32).map(|i| a("q", 300, &std::net::Ipv4Addr::from(i).to_string())).collect();
    assert!(
        matches!(says(A, &reply(records)).0, Fact::Addresses { addresses, .. } if addresses.len() == MAX_ADDRESSES)
    );
    let records = (0..70_000).map(|i| srv("q", 300, 1, &format!("t{i}"))).collect();
    assert!(
        matches!(says(Srv, &reply(records)).0, Fact::Services(services) if services.len() == MAX_RECORDS)
    );
}

fn records() -> impl Strategy<Value = Vec<DnsRecord>> {
    let data = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(RecordData::A),
        any::<std::net::Ipv6Addr>().prop_map(RecordData::Aaaa),
        "[qa-c]".prop_map(|target| RecordData::Cname(name(&target))),
        ("[qa-c.]", any::<u16>()).prop_map(|(target, port)| RecordData::Srv(SrvRecord {
            priority: 0,
            weight: 0,
            port,
            target: name(&target)
        })),
        Just(RecordData::Unusable),
    ];
    let one = ("[qa-c]", any::<u32>(), data).prop_map(|(owner, ttl, data)| DnsRecord {
        owner: name(&owner),
        ttl,
        data,
    });
    proptest::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn a_fact_holds_only_what_the_reply_holds(records in records(), nxdomain: bool, negative_ttl: Option<u32>) {
        let mut reply = DnsReply::with_records(records); reply.nxdomain = nxdomain; reply.negative_ttl = negative_ttl;
        let policy = Policy::default();
        for kind in [A, Aaaa, Srv] {
            let (fact, life) = read(&name("q"), kind, &reply, &policy);
            prop_assert!(life <= policy.dns.max_ttl);
            let owners = |wanted: &RecordData| reply.records.iter().any(|record| record.data == *wanted);
            match &fact {
                Fact::Addresses { addresses, .. } => {
                    prop_assert!(kind != Srv && !addresses.is_empty());
                    for address in addresses.iter() {
                        let data = match address { IpAddr::V4(ip) => RecordData::A(*ip), IpAddr::V6(ip) => RecordData::Aaaa(*ip) };
                        prop_assert!(owners(&data) && address.is_ipv6() == (kind == Aaaa));
                    }
                }
                Fact::Services(services) => {
                    prop_assert!(kind == Srv && !services.is_empty());
                    prop_assert!(services.iter().all(|service| owners(&RecordData::Srv(service.clone()))));
                }
                Fact::Alias(target) => prop_assert!(owners(&RecordData::Cname(target.clone())) && *target != name("q")),
                Fact::NotFound(NotFound::NxDomain) => prop_assert!(nxdomain),
                Fact::UnusableServices => prop_assert_eq!(kind, Srv),
                Fact::NotFound(_) | Fact::Failed(_) => {}
                Fact::Document(_) | Fact::Redirect(_) | Fact::Unusable(_) | Fact::Late => prop_assert!(false, "{:?}", fact),
            }
        }
    }
}
