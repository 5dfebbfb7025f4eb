//! Attackers beside the path to a name server, and name servers that answer more than the question.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use discovery_core::{
    Answer, DnsError, DnsId, DnsName, DnsReply, DnsRequest, ErrorKind, Policy, RecordData,
    RecordType,
};
use discovery_tokio::Discovery;
use discovery_wire::{Exchange, Predictable, Transport, Want};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, SOA, TXT};
use hickory_proto::rr::{self, DNSClass, Name, RData, Record};

use crate::certificates::client;
use crate::stack::{Stack, Web, reply};

const TRUTH: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);
const LIE: Ipv4Addr = Ipv4Addr::new(6, 6, 6, 6);

fn name(text: &str) -> Name {
    Name::from_labels(text.split('.').map(str::as_bytes)).unwrap()
}

fn address(m: &mut Message, ip: Ipv4Addr) {
    let owner = m.queries[0].name().clone();
    m.add_answer(Record::from_rdata(owner, 300, RData::A(A(ip))));
}

/// An open question over UDP, and the query that was sent.
fn asking(kind: RecordType) -> (Exchange, Message) {
    let request =
        DnsRequest::new(DnsId::from_number(1), DnsName::parse("matrix.example.org").unwrap(), kind);
    let server = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 53), 53));
    let mut exchange = Exchange::dns(&request, server, &mut Predictable::new(3));
    exchange.opened();
    let query = written(&mut exchange);
    (exchange, query)
}

fn written(exchange: &mut Exchange) -> Message {
    let Want::Write(bytes) = exchange.wants() else { panic!("{exchange:?}") };
    let bytes = bytes.to_vec();
    exchange.wrote(bytes.len());
    Message::from_vec(&bytes).or_else(|_| Message::from_vec(&bytes[2..])).unwrap()
}

fn ended(exchange: Exchange) -> Result<DnsReply, DnsError> {
    assert_eq!(exchange.wants(), Want::Finish);
    match exchange.into_answer() {
        Answer::Dns(_, answer) => answer,
        Answer::Http(..) => unreachable!("DNS was asked"),
    }
}

fn addresses(exchange: Exchange) -> Vec<RecordData> {
    ended(exchange).unwrap().records.into_iter().map(|record| record.data).collect()
}

/// Hands forged replies to a question. None may count, and the true reply must.
fn unheard(kind: RecordType, forge: impl Fn(&Message) -> Vec<Vec<u8>>) {
    let (mut exchange, query) = asking(kind);
    for forged in forge(&query) {
        exchange.read(&forged, None);
        assert_eq!(exchange.wants(), Want::Read, "{:?}", Message::from_vec(&forged));
    }
    exchange.read(&reply(&query, |m| address(m, TRUTH)), None);
    assert_eq!(addresses(exchange), [RecordData::A(TRUTH)]);
}

/// R98.
#[test]
fn no_reply_with_another_id_is_heard() {
    unheard(RecordType::A, |query| {
        let mut forged = reply(query, |m| address(m, LIE));
        let ids = (0..=u16::MAX).filter(|id| *id != query.metadata.id);
        let spell = |id: u16| {
            forged[..2].copy_from_slice(&id.to_be_bytes());
            forged.clone()
        };
        ids.map(spell).collect()
    });
}

/// R98: name, type, class, and their number.
#[test]
fn no_reply_to_another_question_is_heard() {
    unheard(RecordType::A, |query| {
        let own = query.queries[0].name().clone();
        let mut other_class = Query::query(own.clone(), rr::RecordType::A);
        other_class.set_query_class(DNSClass::CH);
        let parent = Query::query(name("example.org"), rr::RecordType::A);
        let child = Query::query(name("a.matrix.example.org"), rr::RecordType::A);
        let own_question = query.queries[0].clone();
        let questions: [Vec<Query>; 6] = [
            vec![],
            vec![parent],
            vec![child],
            vec![Query::query(own, rr::RecordType::AAAA)],
            vec![other_class],
            vec![own_question.clone(), own_question],
        ];
        let forge = |questions| {
            reply(query, |m| {
                address(m, LIE);
                m.queries = questions;
            })
        };
        questions.into_iter().map(forge).collect()
    });
}

/// R99: each letter alone, and all of them. Such a datagram can only move the question to TCP, where its sender cannot
/// answer.
#[test]
fn a_reply_in_other_letters_leads_to_tcp_and_is_never_read() {
    let (_, query) = asking(RecordType::A);
    let exact = reply(&query, |m| address(m, LIE));
    let letters: Vec<usize> = (12..12 + 20).filter(|at| exact[*at].is_ascii_alphabetic()).collect();
    assert_eq!(letters.len(), "matrixexampleorg".len());
    let mut forged = Vec::new();
    for letter in &letters {
        let mut one = exact.clone();
        one[*letter] ^= 0x20;
        forged.push(one);
    }
    for spell in [u8::to_ascii_lowercase, u8::to_ascii_uppercase] {
        let mut all = exact.clone();
        letters.iter().for_each(|letter| all[*letter] = spell(&all[*letter]));
        forged.push(all);
    }
    for forged in forged {
        let (mut exchange, _) = asking(RecordType::A);
        exchange.read(&forged, None);
        assert!(matches!(exchange.wants(), Want::Open(Transport::Tcp, _)), "{exchange:?}");
        exchange.opened();
        let query = written(&mut exchange);
        let message = reply(&query, |m| address(m, TRUTH));
        let length = u16::try_from(message.len()).unwrap();
        exchange.read(&[&length.to_be_bytes()[..], &message].concat(), None);
        assert_eq!(addresses(exchange), [RecordData::A(TRUTH)]);
    }
}

/// R98: a message without a question is no answer; at most it ends the attempt with the error that it states.
#[test]
fn no_records_without_a_question_are_read() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused] {
        let (mut exchange, query) = asking(RecordType::A);
        let forged = reply(&query, |m| {
            address(m, LIE);
            m.queries.clear();
            m.metadata.response_code = code;
        });
        exchange.read(&forged, None);
        assert!(ended(exchange).is_err(), "{code}");
    }
    unheard(RecordType::A, |query| {
        let bare = |code| {
            reply(query, |m| {
                address(m, LIE);
                m.queries.clear();
                m.metadata.response_code = code;
            })
        };
        [ResponseCode::NoError, ResponseCode::NXDomain].map(bare).to_vec()
    });
}

/// R98: the query itself, and messages that are neither query nor reply.
#[test]
fn queries_and_other_messages_are_no_replies() {
    unheard(RecordType::A, |query| {
        let echo = query.to_vec().unwrap();
        let as_query = reply(query, |m| {
            address(m, LIE);
            m.metadata.message_type = MessageType::Query;
        });
        let update = reply(query, |m| {
            address(m, LIE);
            m.metadata.op_code = OpCode::Update;
        });
        let mut forged = vec![vec![], echo.clone(), as_query, update];
        // Messages that end within the header or the question.
        let whole = reply(query, |m| address(m, LIE));
        forged.extend((0..12 + 20 + 4).map(|length| whole[..length].to_vec()));
        forged
    });
}

/// R98: an attacker who knows id, port and letters but sends from another address. The socket is connected, so the system
/// drops the datagram.
#[tokio::test]
async fn no_reply_from_another_source_is_heard() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server_address = server.local_addr().unwrap();
    let mut strangers = vec![UdpSocket::bind("127.0.0.1:0").unwrap()];
    // The right port at another loopback address, if the system has several.
    strangers.extend(UdpSocket::bind(("127.0.0.2", server_address.port())));
    let forged = Rc::new(RefCell::new(0));
    let serve = async {
        let mut buffer = [0; 4096];
        loop {
            let (count, from) = server.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..count]).unwrap();
            let lie = reply(&query, |m| address(m, LIE));
            for stranger in &strangers {
                // The system may report that no socket receives it.
                *forged.borrow_mut() += usize::from(stranger.send_to(&lie, from).is_ok());
            }
            let truth = reply(&query, |m| address(m, TRUTH));
            server.send_to(&truth, from).await.unwrap();
        }
    };
    let builder = Discovery::builder(client()).name_servers([server_address]).probe_routes(false);
    let (discovery, driver) = discovery_tokio::build(builder.policy(v4())).unwrap();
    let ask = async {
        for n in 0..20 {
            let outcome = discovery.resolve(format!("host{n}.example:8448")).await;
            let places: Vec<_> = outcome.as_ref().unwrap().socket_addrs().collect();
            assert_eq!(places, [SocketAddr::from((TRUTH, 8448))]);
        }
    };
    tokio::select! {
        () = ask => {}
        () = serve => unreachable!("serves for ever"),
        () = discovery_tokio::run(driver) => unreachable!("the handle lives"),
    }
    assert!(*forged.borrow() >= 20, "{}", forged.borrow());
}

fn v4() -> Policy {
    let mut policy = Policy::default();
    policy.addresses.families = discovery_core::Families::V4;
    policy
}

/// R98 (birthday attack): a thousand lookups of one name cause only the four attempts of the question, and no two of them
/// share id, port or letters.
#[tokio::test(start_paused = true)]
async fn identical_queries_are_never_more_than_the_attempts_of_one_question() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let builder = Discovery::builder(client())
        .policy(v4())
        .name_servers([silent.local_addr().unwrap()])
        .probe_routes(false);
    let discovery = discovery_tokio::spawn(builder).unwrap();
    let name = "matrix-with-a-long-name.example.org:8448";
    let waiting: Vec<_> = (0..1000).map(|_| discovery.resolve(name)).collect();
    for outcome in waiting {
        let outcome = outcome.await;
        assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::DnsFailure);
    }
    let (mut ids, mut ports, mut letters) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut buffer = [0; 4096];
    let mut count = 0;
    while let Ok((length, from)) = silent.recv_from(&mut buffer) {
        let query = Message::from_vec(&buffer[..length]).unwrap();
        count += 1;
        ids.insert(query.metadata.id);
        ports.insert(from.port());
        letters.insert(query.queries[0].name().to_string());
    }
    // The fourth attempt uses TCP, because there was no reply over UDP.
    assert_eq!((count, ids.len(), ports.len(), letters.len()), (3, 3, 3, 3));
}

/// R98: ids and letter cases are not drawn from a small set.
#[test]
fn ids_and_letters_are_as_many_as_there_are() {
    let (mut ids, mut letters) = (BTreeSet::new(), BTreeSet::new());
    let mut entropy = Predictable::new(7);
    for _ in 0..4000 {
        let request = DnsRequest::new(
            DnsId::from_number(1),
            DnsName::parse("matrix.example.org").unwrap(),
            RecordType::A,
        );
        let server = SocketAddr::from((TRUTH, 53));
        let mut exchange = Exchange::dns(&request, server, &mut entropy);
        exchange.opened();
        let query = written(&mut exchange);
        ids.insert(query.metadata.id);
        letters.insert(query.queries[0].name().to_string());
    }
    // Of 65,536 ids about 3,880 differ, and as many spellings.
    assert!(ids.len() > 3800 && letters.len() > 3800, "{} {}", ids.len(), letters.len());
}

fn refused(_: &discovery_core::HttpGet) -> Web {
    Web::Refused
}

/// RFC 5452 §6: a reply about one name says nothing about another name.
#[test]
fn records_beside_the_question_are_neither_used_nor_remembered() {
    let victim = |m: &mut Message| {
        for section in 0..3 {
            let lie = Record::from_rdata(name("victim.example"), 86_400, RData::A(A(LIE)));
            match section {
                0 => m.add_answer(lie),
                1 => m.add_authority(lie),
                _ => m.add_additional(lie),
            };
        }
    };
    let server = move |query: &Message, _| {
        let owner = query.queries[0].name().to_string().to_ascii_lowercase();
        let truth = query.queries[0].query_type() == rr::RecordType::A;
        vec![reply(query, |m| match owner.as_str() {
            // Before the true reply and after it.
            "evil.example." if truth => {
                victim(m);
                address(m, TRUTH);
                victim(m);
            }
            "victim.example." if truth => address(m, TRUTH),
            _ => victim(m),
        })]
    };
    let mut stack = Stack::new(Policy::default(), client(), server, refused);
    for host in ["evil.example:8448", "nothing.evil.example:8448", "victim.example:8448"] {
        let outcome = stack.resolve(host);
        let truth = [SocketAddr::from((TRUTH, 8448))];
        match outcome.as_ref() {
            Ok(resolved) => assert_eq!(resolved.socket_addrs().collect::<Vec<_>>(), truth),
            Err(failed) => assert_eq!(failed.kind, ErrorKind::NoAddresses, "{host}"),
        }
    }
    let own = |asked: &&DnsRequest| asked.name.as_str() == "victim.example";
    assert_eq!(stack.asked.iter().filter(own).count(), 2, "it is asked for all the same");
}

/// R94: an alias is followed from the question's own name, not into a chain that begins elsewhere.
#[test]
fn an_alias_that_does_not_begin_at_the_question_leads_nowhere() {
    let server = |query: &Message, _| {
        vec![reply(query, |m| {
            let lie = RData::CNAME(CNAME(name("evil.example")));
            m.add_answer(Record::from_rdata(name("other.example"), 300, lie));
            m.add_answer(Record::from_rdata(name("evil.example"), 300, RData::A(A(LIE))));
        })]
    };
    let mut stack = Stack::new(v4(), client(), server, refused);
    let outcome = stack.resolve("host.example:8448");
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::NoAddresses);
}

/// A name server that answers every name with a new alias is followed for eight names, once each.
#[test]
fn a_maze_of_aliases_ends_after_eight() {
    let mut count = 0;
    let server = move |query: &Message, _| {
        count += 1;
        let target = name(&format!("a{count}.maze.example"));
        vec![reply(query, |m| {
            let owner = m.queries[0].name().clone();
            m.add_answer(Record::from_rdata(owner, 0, RData::CNAME(CNAME(target))));
        })]
    };
    let mut stack = Stack::new(v4(), client(), server, refused);
    let outcome = stack.resolve("host.example:8448");
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::DnsFailure);
    assert_eq!(stack.asked.len(), 9);
}

/// A loop of as many aliases as fit into a message is read once and refused.
#[test]
fn a_ring_of_aliases_in_one_message_ends() {
    let server = |query: &Message, _| {
        vec![reply(query, |m| {
            let mut owner = m.queries[0].name().clone();
            for n in 0..600 {
                let target = name(&format!("a{}.ring.example", n % 300));
                let alias = RData::CNAME(CNAME(target.clone()));
                m.add_answer(Record::from_rdata(owner, 300, alias));
                owner = target;
            }
        })]
    };
    let mut stack = Stack::new(v4(), client(), server, refused);
    let outcome = stack.resolve("host.example:8448");
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::DnsFailure);
    assert_eq!(stack.asked.len(), 1);
}

/// Compressed names that point at each other, at themselves, forwards or past the end.
#[test]
fn names_that_are_compressed_into_loops_are_malformed() {
    let (_, query) = asking(RecordType::A);
    let base = reply(&query, |_| {});
    let fixed = [0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 6, 6, 6, 6];
    let here = u16::try_from(base.len()).unwrap();
    for target in [here, here + 1, here + 2, 0x3fff, here + 400] {
        let mut message = base.clone();
        message[7] = 1;
        message.extend((0xc000 | target).to_be_bytes());
        message.extend(fixed);
        let (mut exchange, _) = asking(RecordType::A);
        exchange.read(&message, None);
        assert_eq!(ended(exchange), Err(DnsError::Malformed), "to {target}");
    }
    // Two pointers that point at each other.
    let mut message = base.clone();
    message[7] = 1;
    message.extend((0xc000 | (here + 2)).to_be_bytes());
    message.extend((0xc000 | here).to_be_bytes());
    message.extend(fixed);
    let (mut exchange, _) = asking(RecordType::A);
    exchange.read(&message, None);
    assert_eq!(ended(exchange), Err(DnsError::Malformed));
}

/// A decompression bomb: 64 KiB over TCP with thousands of pointers to a name of 255 octets.
#[test]
fn a_bomb_of_compressed_names_is_refused_before_it_unfolds() {
    let (mut exchange, query) = asking(RecordType::Srv);
    exchange.read(&reply(&query, |m| m.metadata.truncation = true), None);
    exchange.opened();
    let query = written(&mut exchange);
    let mut message = reply(&query, |_| {});
    let long = u16::try_from(message.len()).unwrap() + 2 + 10 + 6;
    let mut count = 0_u16;
    loop {
        // The owner points to the question. The target is the longest name, once in full and then as a pointer.
        let mut record = vec![0xc0, 12, 0, 33, 0, 1, 0, 0, 1, 44];
        let target = if count == 0 {
            let mut target = Vec::new();
            for length in [63_u8, 63, 63, 61] {
                target.push(length);
                target.extend(std::iter::repeat_n(b'a', usize::from(length)));
            }
            target.push(0);
            target
        } else {
            (0xc000 | long).to_be_bytes().to_vec()
        };
        record.extend((6 + u16::try_from(target.len()).unwrap()).to_be_bytes());
        record.extend([0, 1, 0, 1, 33, 0]);
        record.extend(target);
        if message.len() + record.len() > usize::from(u16::MAX) {
            break;
        }
        message.extend(record);
        count += 1;
    }
    assert!(count > 3000, "{count}");
    message[6..8].copy_from_slice(&count.to_be_bytes());
    let prefix = u16::try_from(message.len()).unwrap().to_be_bytes();
    exchange.read(&[&prefix[..], &message].concat(), None);
    assert_eq!(ended(exchange), Err(DnsError::Malformed));
}

/// A message whose header counts more records than it holds.
#[test]
fn counts_without_records_behind_them_cost_nothing() {
    let (mut exchange, query) = asking(RecordType::A);
    let mut message = reply(&query, |m| address(m, LIE));
    message[6..12].copy_from_slice(&[0xff; 6]);
    exchange.read(&message, None);
    assert_eq!(ended(exchange), Err(DnsError::Malformed));
}

/// The longest possible message, with one unrelated record.
#[test]
fn a_huge_record_beside_the_question_is_read_over() {
    let (mut exchange, query) = asking(RecordType::A);
    exchange.read(&reply(&query, |m| m.metadata.truncation = true), None);
    exchange.opened();
    let query = written(&mut exchange);
    let message = reply(&query, |m| {
        let text = TXT::new(vec!["x".repeat(255); 240]);
        let owner = m.queries[0].name().clone();
        m.add_answer(Record::from_rdata(owner, 300, RData::TXT(text)));
        address(m, TRUTH);
    });
    assert!(message.len() > 61_000);
    let prefix = u16::try_from(message.len()).unwrap().to_be_bytes();
    for piece in [&prefix[..], &message].concat().chunks(1000) {
        exchange.read(piece, None);
    }
    assert_eq!(addresses(exchange), [RecordData::A(TRUTH)]);
}

/// An attacker who has guessed the id can send a FORMERR without a question. It causes a query without EDNS, with a new id,
/// and then an error.
#[test]
fn a_forged_format_error_does_no_more_than_repeat_the_question() {
    let (mut exchange, query) = asking(RecordType::A);
    let forge = |query: &Message| {
        reply(query, |m| {
            m.queries.clear();
            m.metadata.response_code = ResponseCode::FormErr;
            m.add_answer(Record::from_rdata(name("host.example"), 300, RData::A(A(LIE))));
        })
    };
    exchange.read(&forge(&query), None);
    let second = written(&mut exchange);
    assert_ne!(second.metadata.id, query.metadata.id);
    exchange.read(&forge(&query), None);
    assert_eq!(exchange.wants(), Want::Read);
    exchange.read(&reply(&second, |m| address(m, TRUTH)), None);
    assert_eq!(addresses(exchange), [RecordData::A(TRUTH)]);
}

/// R97: neither an error of a name server nor silence leads to a later step, so making an SRV lookup fail does not send
/// traffic to port 8448.
#[test]
fn broken_srv_lookup_causes_no_connection() {
    let breaks: [fn(&mut Message); 4] = [
        |m| m.metadata.response_code = ResponseCode::ServFail,
        |m| m.metadata.response_code = ResponseCode::Refused,
        |m| m.metadata.response_code = ResponseCode::NotImp,
        |m| m.queries.clear(),
    ];
    for broken in breaks {
        let server = move |query: &Message, _| {
            vec![reply(query, |m| match query.queries[0].query_type() {
                rr::RecordType::SRV => broken(m),
                _ => address(m, TRUTH),
            })]
        };
        let mut stack = Stack::new(v4(), client(), server, refused);
        let outcome = stack.resolve("host.example");
        let failed = outcome.as_ref().unwrap_err();
        assert_eq!((failed.kind, failed.is_temporary()), (ErrorKind::DnsFailure, true));
    }
}

/// R96, R101: a forged answer lives no longer than the limits, whatever its TTL.
#[test]
fn no_record_is_believed_for_longer_than_the_cap() {
    let server = |query: &Message, _| {
        vec![reply(query, |m| {
            let owner = m.queries[0].name().clone();
            let soa = SOA::new(name("ns.example"), name("me.example"), 1, 2, 3, 4, 0x7fff_ffff);
            match query.queries[0].query_type() {
                rr::RecordType::A => {
                    m.add_answer(Record::from_rdata(owner, 0x7fff_ffff, RData::A(A(LIE))))
                }
                _ => m.add_authority(Record::from_rdata(owner, 0x7fff_ffff, RData::SOA(soa))),
            };
        })]
    };
    let mut stack = Stack::new(Policy::default(), client(), server, refused);
    let outcome = stack.resolve("host.example:8448");
    let fresh = outcome.as_ref().unwrap().expires.unwrap();
    let cap = Policy::default().dns.negative_max_ttl;
    let life = fresh.saturating_duration_since(discovery_core::Instant::ORIGIN);
    assert!(life <= cap + Duration::from_secs(1), "{life:?}");
}

/// Of thousands of SRV records with different targets, sixteen targets are looked up.
#[test]
fn thousands_of_services_ask_for_sixteen_hosts() {
    let server = |query: &Message, transport| {
        let kind = query.queries[0].query_type();
        let service = query.queries[0].name().to_string().to_ascii_lowercase();
        if kind != rr::RecordType::SRV || !service.starts_with("_matrix-fed.") {
            return vec![reply(query, |m| m.metadata.response_code = ResponseCode::NXDomain)];
        }
        if transport == Transport::Udp {
            return vec![reply(query, |m| m.metadata.truncation = true)];
        }
        let mut message = reply(query, |_| {});
        message[6..8].copy_from_slice(&2000_u16.to_be_bytes());
        for n in 0..2000_u16 {
            message.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 1, 44, 0, 13]);
            message.extend([n.to_be_bytes(), [0, 0], 443_u16.to_be_bytes()].concat());
            message.push(5);
            message.extend(format!("h{n:04}").bytes());
            message.push(0);
        }
        vec![message]
    };
    let mut stack = Stack::new(v4(), client(), server, refused);
    let outcome = stack.resolve("host.example");
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::NoAddresses);
    let targets = |asked: &&DnsRequest| asked.name.labels().count() == 1;
    let targets = stack.asked.iter().filter(targets).count();
    assert_eq!(targets, usize::from(Policy::default().spec.max_srv_targets));
}
