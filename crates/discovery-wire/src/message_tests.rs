//! Replies as servers send them, and as nobody should.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, SOA, SRV, TXT};
use proptest::prelude::*;

use super::*;

fn asked(name: &str, kind: RecordType) -> Asked {
    Asked::new(&DnsName::parse(name).unwrap(), kind, &[0xa5; 34]).unwrap()
}

fn name(text: &str) -> Name {
    Name::from_labels(text.split('.').filter(|l| !l.is_empty()).map(str::as_bytes)).unwrap()
}

fn record_of(owner: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(name(owner), ttl, data)
}

fn soa(minimum: u32) -> RData {
    RData::SOA(SOA::new(name("ns.example"), name("me.example"), 1, 2, 3, 4, minimum))
}

fn srv(target: Name) -> RData {
    RData::SRV(SRV::new(10, 5, 8448, target))
}

/// A reply to the question, changed by `change`.
fn reply(asked: &Asked, change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message::new(asked.id, MessageType::Response, OpCode::Query);
    message.add_query(Query::query(asked.name.clone(), record_type(asked.kind)));
    change(&mut message);
    message.to_vec().unwrap()
}

fn whole(asked: &Asked, change: impl FnOnce(&mut Message)) -> Result<DnsReply, DnsError> {
    match asked.read(&reply(asked, change), NameCase::Exact) {
        Reply::Whole(result) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_query_is_one_recursive_question_with_an_edns_size_of_1232() {
    // R101.
    let asked = asked("matrix.example.org", RecordType::Srv);
    let message = Message::from_vec(&asked.to_bytes(true).unwrap()).unwrap();
    assert_eq!(message.metadata.id, 0xa5a5);
    assert!(message.metadata.recursion_desired);
    assert_eq!(message.queries.len(), 1);
    assert_eq!(message.queries[0].query_type(), rr::RecordType::SRV);
    assert_eq!(message.queries[0].name().to_ascii(), "MaTrIx.ExAmPlE.oRg.".swap_case_by(0xa5));
    assert_eq!(message.edns.as_ref().unwrap().max_payload(), 1232);
    assert!(Message::from_vec(&asked.to_bytes(false).unwrap()).unwrap().edns.is_none());
}

trait SwapCase {
    fn swap_case_by(&self, pattern: u8) -> String;
}

impl SwapCase for str {
    /// Upper case for each letter position whose bit is set, lower for the others; dots take no bit.
    fn swap_case_by(&self, pattern: u8) -> String {
        let mut bit = 0;
        let mut spell = |c: char| {
            if c == '.' {
                return c;
            }
            let upper = pattern >> (bit % 8) & 1 == 1;
            bit += 1;
            if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
        };
        self.chars().map(&mut spell).collect()
    }
}

#[test]
fn the_longest_name_can_be_asked_for_and_answered() {
    let label = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyzx";
    let long = format!("{label}.{label}.{label}.{}", &label[..61]);
    assert_eq!(long.len(), 253);
    let asked = asked(&long, RecordType::A);
    let address = RData::A(A(Ipv4Addr::new(192, 0, 2, 1)));
    let reply = whole(&asked, |m| {
        m.add_answer(Record::from_rdata(asked.name.clone(), 60, address));
    });
    assert_eq!(reply.unwrap().records[0].owner, DnsName::parse(&long).unwrap());
}

#[test]
fn records_come_as_they_are() {
    let asked = asked("a.example", RecordType::Aaaa);
    let v6: Ipv6Addr = "2001:db8::1".parse().unwrap();
    let reply = whole(&asked, |m| {
        m.add_answer(record_of("A.example", 300, RData::CNAME(CNAME(name("B.example")))));
        m.add_answer(record_of("b.example", u32::MAX, RData::AAAA(AAAA(v6))));
        m.add_answer(record_of("b.example", 1, RData::A(A(Ipv4Addr::LOCALHOST))));
        m.add_answer(record_of("b.example", 1, RData::TXT(TXT::new(vec!["x".into()]))));
    })
    .unwrap();
    let domain = |text| DnsName::parse(text).unwrap();
    assert_eq!(
        reply.records,
        [
            DnsRecord {
                owner: domain("a.example"),
                ttl: 300,
                data: RecordData::Cname(domain("b.example"))
            },
            DnsRecord { owner: domain("b.example"), ttl: u32::MAX, data: RecordData::Aaaa(v6) },
        ]
    );
    assert_eq!((reply.nxdomain, reply.negative_ttl), (false, None));
}

#[test]
fn a_compressed_srv_target_is_read_all_the_same() {
    // R90: senders write it in full, hickory among them, so the last label is made a pointer to the question's by hand.
    let asked = asked("a.example", RecordType::Srv);
    let mut bytes = reply(&asked, |m| {
        m.add_answer(record_of("a.example", 300, srv(name("target.example"))));
    });
    let whole = b"\x06target\x07example\0";
    let label = b"\x07example\0";
    let at = bytes.windows(whole.len()).rposition(|window| window == whole).unwrap();
    let question = bytes.windows(label.len()).position(|window| window == label).unwrap();
    let length = at - 8;
    assert_eq!(bytes[length..length + 2], [0, u8::try_from(6 + whole.len()).unwrap()]);
    bytes[length + 1] = 6 + 7 + 2;
    bytes.truncate(at + 7);
    bytes.extend([0xc0, u8::try_from(question).unwrap()]);
    let Reply::Whole(Ok(reply)) = asked.read(&bytes, NameCase::Exact) else { panic!("{bytes:?}") };
    let target = DnsName::parse("target.example").unwrap();
    assert!(
        matches!(&reply.records[..], [DnsRecord { data: RecordData::Srv(service), .. }] if service.target == target)
    );
}

#[test]
fn targets_that_no_host_can_have_are_unusable() {
    let target = |labels: &[&[u8]]| {
        let asked = asked("_matrix._tcp.example", RecordType::Srv);
        let target = Name::from_labels(labels.iter().copied()).unwrap();
        let mut records = whole(&asked, |m| {
            m.add_answer(record_of("_matrix._tcp.example", 300, srv(target)));
        })
        .unwrap()
        .records;
        records.remove(0).data
    };
    let usable = |text: &str| {
        RecordData::Srv(SrvRecord {
            priority: 10,
            weight: 5,
            port: 8448,
            target: DnsName::parse(text).unwrap(),
        })
    };
    assert_eq!(target(&[b"Host", b"example"]), usable("host.example"));
    assert_eq!(target(&[b"1", b"2", b"3", b"4"]), usable("1.2.3.4"));
    assert_eq!(target(&[b"-a_b", b"example"]), usable("-a_b.example"));
    assert_eq!(target(&[]), usable("."));
    for label in [&b"a.b"[..], b"a b", b"\xff", b"a\0", b"*", "ä".as_bytes()] {
        assert_eq!(target(&[label, b"example"]), RecordData::Unusable, "{label:?}");
    }
    let asked = asked("a.example", RecordType::A);
    for bad in [Name::root(), Name::from_labels([&b"a b"[..]]).unwrap()] {
        let reply = whole(&asked, |m| {
            m.add_answer(record_of("a.example", 300, RData::CNAME(CNAME(bad))));
        });
        assert_eq!(reply.unwrap().records[0].data, RecordData::Unusable);
    }
}

#[test]
fn records_of_owners_that_are_no_host_names_are_left_out() {
    let asked = asked("a.example", RecordType::A);
    let odd = Name::from_labels([&b"a.b"[..], b"example"]).unwrap();
    let reply = whole(&asked, |m| {
        m.add_answer(Record::from_rdata(odd, 300, RData::A(A(Ipv4Addr::LOCALHOST))));
    });
    assert_eq!(reply.unwrap().records, []);
}

#[test]
fn a_negative_answer_lives_as_long_as_its_soa_says() {
    let asked = asked("a.example", RecordType::A);
    let negative = |ttl, minimum, nxdomain| {
        let reply = whole(&asked, |m| {
            m.add_authority(record_of("example", ttl, soa(minimum)));
            if nxdomain {
                m.metadata.response_code = ResponseCode::NXDomain;
            }
        })
        .unwrap();
        assert_eq!(reply.nxdomain, nxdomain);
        reply.negative_ttl
    };
    assert_eq!(negative(300, 60, true), Some(60));
    assert_eq!(negative(30, 60, false), Some(30));
    assert_eq!(negative(1 << 31, 60, true), Some(0));
    assert_eq!(negative(60, 1 << 31, true), Some(0));
    let bare = whole(&asked, |m| m.metadata.response_code = ResponseCode::NXDomain).unwrap();
    assert_eq!((bare.nxdomain, bare.negative_ttl), (true, None));
    // An alias without what was asked for is a negative answer too, for the alias' target.
    let alias = whole(&asked, |m| {
        m.add_answer(record_of("a.example", 300, RData::CNAME(CNAME(name("b.example")))));
        m.add_authority(record_of("example", 300, soa(60)));
    });
    assert_eq!(alias.unwrap().negative_ttl, Some(60));
    let positive = whole(&asked, |m| {
        m.add_answer(record_of("a.example", 300, RData::A(A(Ipv4Addr::LOCALHOST))));
        m.add_authority(record_of("example", 300, soa(60)));
    });
    assert_eq!(positive.unwrap().negative_ttl, None);
}

#[test]
fn other_codes_are_errors() {
    let asked = asked("a.example", RecordType::A);
    for (code, error) in [
        (ResponseCode::ServFail, DnsError::ServerFailure),
        (ResponseCode::Refused, DnsError::Refused),
        (ResponseCode::NotAuth, DnsError::OtherCode),
    ] {
        let reply = whole(&asked, |m| {
            m.metadata.response_code = code;
            let mut edns = Edns::new();
            edns.set_rcode_high(code.high());
            m.set_edns(edns);
        });
        assert_eq!(reply, Err(error), "{code}");
    }
    // R101: the codes with which servers that don't know EDNS reject an OPT record.
    let of_edns = |code: ResponseCode| {
        reply(&asked, |m| {
            m.metadata.response_code = code;
            let mut edns = Edns::new();
            edns.set_rcode_high(code.high());
            m.set_edns(edns);
        })
    };
    for (code, error) in [
        (ResponseCode::NotImp, DnsError::NotImplemented),
        (ResponseCode::BADVERS, DnsError::OtherCode),
    ] {
        assert_eq!(asked.read(&of_edns(code), NameCase::Exact), Reply::NoEdns(error), "{code}");
    }
    let format_error = reply(&asked, |m| m.metadata.response_code = ResponseCode::FormErr);
    assert_eq!(asked.read(&format_error, NameCase::Exact), Reply::NoEdns(DnsError::OtherCode));
    let headless = reply(&asked, |m| {
        m.metadata.response_code = ResponseCode::FormErr;
        m.queries.clear();
    });
    assert_eq!(asked.read(&headless, NameCase::Exact), Reply::NoEdns(DnsError::OtherCode));
}

#[test]
fn a_referral_is_no_negative_answer() {
    let asked = asked("a.example", RecordType::A);
    let referral = |authoritative| {
        whole(&asked, |m| {
            m.metadata.authoritative = authoritative;
            m.add_authority(record_of("example", 300, RData::NS(NS(name("ns.example")))));
        })
    };
    assert_eq!(referral(false), Err(DnsError::Refused));
    assert!(referral(true).is_ok());
}

#[test]
fn only_the_reply_to_this_question_counts() {
    // R98.
    let asked = asked("a.example", RecordType::A);
    type Change = fn(&mut Message);
    let foreign: [(&str, Change); 8] = [
        ("id", |m| m.metadata.id ^= 1),
        ("query", |m| m.metadata.message_type = MessageType::Query),
        ("opcode", |m| m.metadata.op_code = OpCode::Notify),
        ("name", |m| {
            m.queries[0].set_name(name("b.example"));
        }),
        ("type", |m| {
            m.queries[0].set_query_type(rr::RecordType::AAAA);
        }),
        ("class", |m| {
            m.queries[0].set_query_class(DNSClass::CH);
        }),
        ("no question", |m| m.queries.clear()),
        ("two questions", |m| {
            let again = m.queries[0].clone();
            m.add_query(again);
        }),
    ];
    for (what, change) in foreign {
        for letters in [NameCase::Exact, NameCase::Any] {
            assert_eq!(asked.read(&reply(&asked, change), letters), Reply::Mismatch, "{what}");
        }
    }
    let lower = reply(&asked, |m| {
        m.queries[0].set_name(name("a.example"));
    });
    assert_eq!(asked.read(&lower, NameCase::Exact), Reply::OtherCase);
    assert!(matches!(asked.read(&lower, NameCase::Any), Reply::Whole(Ok(_))));
}

#[test]
fn one_bad_record_spoils_the_message() {
    let asked = asked("a.example", RecordType::A);
    let good = reply(&asked, |m| {
        m.add_answer(record_of("a.example", 300, RData::A(A(Ipv4Addr::LOCALHOST))));
    });
    let malformed = Reply::Whole(Err(DnsError::Malformed));
    for cut in 1..=14 {
        assert_eq!(asked.read(&good[..good.len() - cut], NameCase::Exact), malformed, "{cut}");
    }
    // An address of five octets, and one of none.
    for length in [5_u8, 0] {
        let mut bad = good.clone();
        let at = bad.len() - 5;
        bad[at] = length;
        bad.push(0);
        assert_eq!(asked.read(&bad, NameCase::Exact), malformed, "{length}");
    }
    // A name that points at itself.
    let mut turning = good.clone();
    let at = good.len() - 16;
    turning[at..at + 2].copy_from_slice(&(0xc000 | at as u16).to_be_bytes());
    assert_eq!(asked.read(&turning, NameCase::Exact), malformed);
    // More records than there is message, and more than anybody needs.
    for count in [2_u16, MAX_RECORDS, MAX_RECORDS + 1, u16::MAX] {
        let mut lying = good.clone();
        lying[6..8].copy_from_slice(&count.to_be_bytes());
        assert_eq!(asked.read(&lying, NameCase::Exact), malformed, "{count}");
    }
}

#[test]
fn more_records_than_anybody_needs_are_refused() {
    let asked = asked("a.example", RecordType::A);
    let many = |count| {
        whole(&asked, |m| {
            let record = record_of("a.example", 300, RData::A(A(Ipv4Addr::LOCALHOST)));
            m.add_answers(std::iter::repeat_n(record, count));
        })
    };
    let most = usize::from(MAX_RECORDS);
    assert_eq!(many(most).unwrap().records.len(), most);
    assert_eq!(many(most + 1), Err(DnsError::Malformed));
}

#[test]
fn what_stands_behind_the_message_is_ignored() {
    let asked = asked("a.example", RecordType::A);
    let mut long = reply(&asked, |_| {});
    long.extend_from_slice(b"behind");
    assert!(matches!(asked.read(&long, NameCase::Exact), Reply::Whole(Ok(_))));
}

proptest! {
    #[test]
    fn no_bytes_panic(
        tail in prop::collection::vec(any::<u8>(), 0..120),
        counts in prop::array::uniform3(0_u8..4),
        flags: u16,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        kind in prop::sample::select(vec![RecordType::A, RecordType::Aaaa, RecordType::Srv]),
    ) {
        let asked = asked("a.example", kind);
        asked.read(&tail, NameCase::Exact);
        // A reply that gets as far as its records.
        let mut bytes = reply(&asked, |_| {});
        bytes[2..4].copy_from_slice(&(flags & 0x07ff | 0x8000).to_be_bytes());
        for (count, at) in counts.iter().zip([7, 9, 11]) {
            bytes[at] = *count;
        }
        bytes.extend_from_slice(&tail);
        asked.read(&bytes, NameCase::Any);
        // A good one, damaged.
        let mut damaged = reply(&asked, |m| {
            m.add_answer(record_of("a.example", 1, RData::CNAME(CNAME(name("b.example")))));
            m.add_answer(record_of("b.example", 1, srv(name("c.example"))));
            m.add_authority(record_of("example", 1, soa(1)));
            m.set_edns(Edns::new());
        });
        for (at, byte) in flips {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        asked.read(&damaged, NameCase::Any);
    }
}

#[test]
fn a_broken_record_behind_the_answers_is_skipped() {
    // R96, R101: what stands behind it counts all the same.
    let asked = asked("a.example", RecordType::A);
    let message = reply(&asked, |m| {
        m.add_answer(record_of("a.example", 300, RData::A(A(Ipv4Addr::LOCALHOST))));
    });
    let counted = |mut message: Vec<u8>, authorities: u8, additionals: u8, records: &[&[u8]]| {
        (message[9], message[11]) = (authorities, additionals);
        message.extend(records.concat());
        asked.read(&message, NameCase::Exact)
    };
    let addresses = |reply| match reply {
        Reply::Whole(result) => result.map(|reply| reply.records.len()),
        other => panic!("{other:?}"),
    };
    // A SOA record of two octets, an NS record whose name does not end, and an address of three octets.
    let broken_soa = [0, 0, 6, 0, 1, 0, 0, 0, 9, 0, 2, 1, b'x'];
    let broken_ns = [0, 0, 2, 0, 1, 0, 0, 0, 9, 0, 2, 9, b'n'];
    let broken_a = [0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 3, 1, 2, 3];
    let bad_version = [0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0];
    assert_eq!(addresses(counted(message.clone(), 2, 0, &[&broken_soa, &broken_ns])), Ok(1));
    assert_eq!(addresses(counted(message.clone(), 0, 9, &[&broken_a])), Ok(1));
    assert_eq!(addresses(counted(message.clone(), 255, 255, &[&[0xc0]])), Ok(1));
    let said = counted(message, 1, 2, &[&broken_ns, &broken_a, &bad_version]);
    assert_eq!(said, Reply::NoEdns(DnsError::OtherCode));
    let nothing = reply(&asked, |_| {});
    let Reply::Whole(Ok(said)) = counted(nothing, 1, 0, &[&broken_soa]) else { panic!() };
    assert_eq!((said.nxdomain, said.negative_ttl), (false, None), "a broken SOA record is none");
}
