//! Tests of what the name servers say, message by message.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use discovery_sim::Scenario;
use hickory_proto::op::{Edns, Query};
use hickory_proto::rr::{Name, RData};

use super::*;

fn world(text: &str) -> World {
    Scenario::parse(text).unwrap().world_at(Duration::ZERO)
}

fn query(name: &str, kind: rr::RecordType, edns: Option<u16>) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    if let Some(size) = edns {
        let mut edns = Edns::new();
        edns.set_max_payload(size);
        message.set_edns(edns);
    }
    message.to_vec().unwrap()
}

fn message(said: Said) -> Message {
    match said {
        Said::Message(bytes) => Message::from_vec(&bytes).unwrap(),
        other @ (Said::Nothing | Said::HangUp) => panic!("{other:?}"),
    }
}

fn udp(world: &World, query: &[u8]) -> Message {
    message(react(world, 0, 0, Transport::Udp, query).said)
}

#[test]
fn what_does_not_fit_into_a_datagram_is_told_over_tcp() {
    let world = world("dns a.example A 192.0.2.1 repeat=60\n");
    // 60 records of 16 octets: too many without EDNS, not with it.
    let plain = query("a.example.", rr::RecordType::A, None);
    let short = udp(&world, &plain);
    assert!(short.metadata.truncation && short.answers.is_empty());
    assert_eq!(udp(&world, &query("a.example.", rr::RecordType::A, Some(4096))).answers.len(), 60);
    let whole = message(react(&world, 0, 0, Transport::Tcp, &plain).said);
    assert_eq!(whole.answers.len(), 60);
    assert_eq!(whole.answers[59].data, RData::A("192.0.2.60".parse().unwrap()));
}

#[test]
fn the_question_comes_back_in_its_own_letters() {
    let world = world("dns a.example A 192.0.2.1\n");
    let reply = udp(&world, &query("A.eXample.", rr::RecordType::A, Some(1232)));
    assert_eq!(reply.queries[0].name().to_string(), "A.eXample.");
    assert_eq!(reply.answers.len(), 1);
    assert!(reply.edns.is_some());
}

#[test]
fn a_negative_answer_says_for_how_long() {
    let world = world("dns a.example A NODATA soa=77\n");
    let reply = udp(&world, &query("a.example.", rr::RecordType::A, None));
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    let RData::SOA(soa) = &reply.authorities[0].data else { panic!("{reply:?}") };
    assert_eq!((soa.minimum, reply.authorities[0].ttl), (77, 77));
    let reply = udp(&world, &query("gone.example.", rr::RecordType::A, None));
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn aliases_stand_before_what_they_are_aliases_of() {
    let world = world("dns a.example CNAME b.example\ndns b.example A 192.0.2.1\n");
    let reply = udp(&world, &query("a.example.", rr::RecordType::A, None));
    let owners: Vec<String> = reply.answers.iter().map(|record| record.name.to_string()).collect();
    assert_eq!(owners, ["a.example.", "b.example."]);
}

#[test]
fn other_types_have_no_records_and_noise_has_no_reply() {
    let world = world("dns a.example A 192.0.2.1\n");
    let reply = udp(&world, &query("a.example.", rr::RecordType::TXT, None));
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
    for noise in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 12], &[0; 600]] {
        let reaction = react(&world, 0, 0, Transport::Udp, noise);
        assert_eq!(reaction.asked, None, "{noise:?}");
    }
    // Nobody answers an answer: two servers would go on for ever.
    let mut response = query("a.example.", rr::RecordType::A, None);
    response[2] |= 0x80;
    assert_eq!(react(&world, 0, 0, Transport::Udp, &response).said, Said::Nothing);
}

#[test]
fn attempts_count_queries_until_an_answer() {
    let query = query("a.example.", rr::RecordType::A, None);
    let mut attempts = Attempts::default();
    let asked = Some(("a.example".parse().unwrap(), RecordType::A));
    let note = |said, again| Reaction { asked: asked.clone(), after: Duration::ZERO, said, again };
    assert_eq!([attempts.of(&query), attempts.of(&query)], [0, 1]);
    attempts.note(&note(Said::Nothing, true));
    assert_eq!([attempts.of(&query), attempts.of(&query)], [1, 2], "asked once more, then anew");
    attempts.note(&note(Said::Message(vec![0; 12]), false));
    assert_eq!(attempts.of(&query), 0);
}

#[test]
fn messages_come_out_of_a_stream_however_it_is_cut() {
    let stream = [framed(b"one"), framed(b""), framed(&[7; 300])].concat();
    for size in 1..=stream.len() {
        let (mut messages, mut out) = (Messages::default(), Vec::new());
        for part in stream.chunks(size) {
            messages.push(part);
            out.extend(std::iter::from_fn(|| messages.next_message()));
        }
        assert_eq!(out, [&b"one"[..], b"", &[7; 300]], "{size}");
    }
}

#[test]
fn the_weather_is_the_same_every_time_and_loses_its_share() {
    let weather = Weather { seed: 1, loss_percent: 20, delay: Duration::from_millis(100) };
    let fate = |n: u8| {
        let name: DnsName = format!("n{n}.example").parse().unwrap();
        weather.fate(&name, RecordType::A, 0)
    };
    let fates: Vec<_> = (0..250).map(fate).collect();
    assert_eq!(fates, (0..250).map(fate).collect::<Vec<_>>());
    let lost = fates.iter().filter(|fate| fate.is_none()).count();
    assert!((30..=70).contains(&lost), "{lost} of 250 are lost");
    let delays: Vec<Duration> = fates.into_iter().flatten().collect();
    assert!(delays.iter().all(|delay| *delay < weather.delay));
    assert!(delays.iter().any(|delay| *delay > weather.delay / 2));
    let calm = Weather::default();
    assert_eq!(calm.fate(&"a.example".parse().unwrap(), RecordType::A, 0), Some(Duration::ZERO));
}
