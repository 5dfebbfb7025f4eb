//! Texts of exports: what is read back, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]
use super::*;

use crate::export::{BadExport, Impossible};

/// One fact of every kind, as lines of an export.
const LINES: [&str; 12] = [
    r#"{"q":{"dns":["a.example","AAAA"]},"f":{"addresses":{"addresses":["2001:db8::1"],"alias":null}},"age":5,"left":7}"#,
    r#"{"q":{"dns":["a.example","A"]},"f":{"addresses":{"addresses":["192.0.2.1","192.0.2.2"],"alias":"b.example"}},"age":5,"left":7}"#,
    r#"{"q":{"dns":["_matrix._tcp.a.example","SRV"]},"f":{"services":[{"priority":1,"weight":2,"port":3,"target":"b.example"}]},"age":0,"left":7}"#,
    r#"{"q":{"dns":["_matrix._tcp.b.example","SRV"]},"f":"unusable_services","age":0,"left":7}"#,
    r#"{"q":{"dns":["c.example","A"]},"f":{"alias":"b.example"},"age":0,"left":7}"#,
    r#"{"q":{"dns":["d.example","A"]},"f":{"not_found":"nx_domain"},"age":0,"left":7}"#,
    r#"{"q":{"dns":["e.example","A"]},"f":{"failed":{"dns":"server_failure"}},"age":9,"failures":2,"good":{"f":{"not_found":"no_data"},"age":20}}"#,
    r#"{"q":{"get":"https://a.example/.well-known/matrix/server"},"f":{"document":"b.example:443"},"age":1,"left":2,"never_stale":true}"#,
    r#"{"q":{"get":"https://b.example/.well-known/matrix/server"},"f":{"redirect":"https://c.example/else?where"},"age":1,"left":2}"#,
    r#"{"q":{"get":"https://c.example/else?where"},"f":{"unusable":{"status":404}},"age":1,"left":2}"#,
    r#"{"q":{"get":"https://d.example/.well-known/matrix/server"},"f":{"unusable":{"status":503}},"age":1,"left":2,"failures":16}"#,
    r#"{"q":{"get":"https://e.example/.well-known/matrix/server"},"f":{"failed":{"http":"certificate"}},"age":1,"left":2,"failures":1}"#,
];

const HEAD: &str =
    r#"{"format":"matrix-discovery-facts","version":1,"at":1764000000000,"cursor":"7-8-9"}"#;

/// A whole text of these lines.
fn sealed(lines: &[&str]) -> String {
    let mut sum = SipHasher13::new();
    lines.iter().for_each(|line| add(&mut sum, line.as_bytes()));
    let count = lines.len() - 1;
    let end = format!(r#"{{"end":{count},"sum":"{}"}}"#, total(&sum));
    format!("{}\n{end}\n", lines.join("\n"))
}

fn all() -> String {
    sealed(&[&[HEAD], &LINES[..]].concat())
}

fn refused(line: &str) -> BadExport {
    Export::read(sealed(&[HEAD, line]).as_bytes()).unwrap_err()
}

#[test]
fn every_kind_of_fact_is_read_and_written_letter_for_letter() {
    let export = Export::read(all().as_bytes()).unwrap();
    assert_eq!(export.len(), LINES.len());
    assert_eq!(export.to_text(), all());
    assert_eq!(export.cursor().to_string(), "7-8-9");
    let empty = sealed(&[HEAD]);
    assert_eq!(Export::read(empty.as_bytes()).unwrap().to_text(), empty);
}

#[test]
fn a_text_that_is_cut_off_anywhere_is_refused() {
    let text = all();
    for end in 0..text.len() {
        let bad = Export::read(&text.as_bytes()[..end]).unwrap_err();
        let head = end <= HEAD.len();
        assert_eq!(bad, if head { BadExport::Foreign } else { BadExport::CutOff }, "{end}");
    }
}

#[test]
fn a_text_of_which_one_bit_has_changed_is_refused() {
    let text = all();
    for at in 0..text.len() {
        for bit in [0, 1, 5] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            assert!(Export::read(&bytes).is_err(), "{at}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn what_is_not_an_export_of_this_version_says_so() {
    for foreign in ["", "\n", "{}\n", "hello\n", "{\"format\":\"other\",\"version\":1}\n", "[]"] {
        assert_eq!(Export::read(foreign.as_bytes()), Err(BadExport::Foreign), "{foreign}");
    }
    let newer = all().replacen("\"version\":1", "\"version\":2,\"more\":[]", 1);
    assert_eq!(Export::read(newer.as_bytes()), Err(BadExport::Version(2)));
    let twice = format!("{}{}", all(), all());
    assert_eq!(Export::read(twice.as_bytes()), Err(BadExport::Trailing));
    let fewer = all().replacen(LINES[3], LINES[4], 1);
    assert_eq!(Export::read(fewer.as_bytes()), Err(BadExport::Damaged));
    let long = format!("{HEAD}\n{}", "x".repeat(usize::try_from(MAX_LINE).unwrap() + 1));
    assert_eq!(Export::read(long.as_bytes()), Err(BadExport::TooLarge));
}

#[test]
fn a_line_that_no_resolver_could_have_written_is_refused_with_its_number() {
    let of = |question: &str, rest: &str| format!("{{\"q\":{question},\"f\":{rest},\"age\":1}}");
    let a = |rest: &str| of(r#"{"dns":["a.example","A"]}"#, rest);
    let srv = |rest: &str| of(r#"{"dns":["_matrix._tcp.a.example","SRV"]}"#, rest);
    let get = |rest: &str| of(r#"{"get":"https://a.example/.well-known/matrix/server"}"#, rest);
    let addresses =
        |list: &str| format!(r#"{{"addresses":{{"addresses":[{list}],"alias":null}}}}"#);
    let failures = |rest: &str| format!("{rest},\"age\":1,\"failures\":1");
    let many: Vec<String> =
        (0..=256).map(|n| format!("\"10.0.{}.{}\"", n / 256, n % 256)).collect();
    let cases = [
        (a(r#"{"document":"b.example"}"#), Impossible::OtherQuestion),
        (a("\"unusable_services\""), Impossible::OtherQuestion),
        (a(r#"{"unusable":{"status":404}}"#), Impossible::OtherQuestion),
        (srv(&addresses("\"192.0.2.1\"")), Impossible::OtherQuestion),
        (get(&addresses("\"192.0.2.1\"")), Impossible::OtherQuestion),
        (get(r#"{"not_found":"no_data"}"#), Impossible::OtherQuestion),
        (get(r#"{"failed":{"dns":"refused"}}"#), Impossible::OtherQuestion),
        (a(&addresses("")), Impossible::Addresses),
        (a(&addresses("\"2001:db8::1\"")), Impossible::Addresses),
        (a(&addresses("\"192.0.2.1\",\"192.0.2.1\"")), Impossible::Addresses),
        (a(&addresses(&many.join(","))), Impossible::Addresses),
        (srv(r#"{"services":[]}"#), Impossible::Services),
        (a(r#"{"alias":"a.example"}"#), Impossible::AliasLoop),
        (get(r#"{"document":"a..b"}"#), Impossible::Unresolvable),
        (get(r#"{"unusable":{"status":200}}"#), Impossible::Status),
        (get(r#"{"unusable":{"status":302}}"#), Impossible::Status),
        (get(r#"{"unusable":{"status":99}}"#), Impossible::Status),
        (a("\"late\""), Impossible::OwnSide),
        (
            a(&failures(r#"{"failed":{"dns":"local"}}"#).replace(",\"age\":1", "")),
            Impossible::OwnSide,
        ),
        (get(r#"{"failed":{"http":"no_route"}}"#), Impossible::OwnSide),
        (a(r#"{"not_found":"static"}"#), Impossible::NotKept),
        (of(r#"{"dns":[".","A"]}"#, r#"{"not_found":"no_data"}"#), Impossible::Root),
        (a(r#"{"failed":{"dns":"timeout"}}"#), Impossible::Failures),
        (a(r#"{"failed":{"dns":"timeout"}},"failures":17"#), Impossible::Failures),
        (a(r#"{"not_found":"no_data"},"failures":1"#), Impossible::Failures),
        (
            a(r#"{"not_found":"no_data"},"good":{"f":{"not_found":"no_data"},"age":2}"#),
            Impossible::Stale,
        ),
        (
            a(
                r#"{"failed":{"dns":"timeout"}},"failures":1,"good":{"f":{"failed":{"dns":"timeout"}},"age":2}"#,
            ),
            Impossible::Stale,
        ),
        (
            a(
                r#"{"failed":{"dns":"timeout"}},"failures":1,"good":{"f":{"document":"b.example"},"age":2}"#,
            ),
            Impossible::OtherQuestion,
        ),
    ];
    for (line, why) in cases {
        assert_eq!(refused(&line), BadExport::Impossible { line: 2, why }, "{line}");
    }
    for line in [
        get(r#"{"redirect":"http://b.example/"}"#),
        get(r#"{"redirect":"https://user@b.example/"}"#),
        get(r#"{"document":"b.example:0"}"#),
        srv(r#"{"services":[{"priority":1,"weight":2,"port":3,"target":"b..example"}]}"#),
        srv(r#"{"services":[{"priority":1,"weight":2,"port":65536,"target":"b.example"}]}"#),
        of(r#"{"dns":["a..example","A"]}"#, r#"{"not_found":"no_data"}"#),
        of(r#"{"get":"http://a.example/"}"#, r#"{"unusable":{"status":404}}"#),
        a(r#"{"not_found":"no_data"},"age":1"#),
        a(r#"{"not_found":"no_data"},"more":1"#),
        a(r#"{"not_found":"no_data"},"left":-1"#),
    ] {
        assert!(matches!(refused(&line), BadExport::Unreadable { line: 2, .. }), "{line}");
    }
}

#[test]
fn pages_become_one_and_no_fact_gets_younger_by_that() {
    let mut whole = Export::read(sealed(&[HEAD, LINES[0]]).as_bytes()).unwrap();
    let later = HEAD.replace("1764000000000", "1764000000003").replace("7-8-9", "7-a-0");
    let page = Export::read(sealed(&[&later, LINES[1], LINES[6]]).as_bytes()).unwrap();
    whole.append(page);
    assert_eq!((whole.len(), whole.cursor().to_string().as_str()), (3, "7-a-0"));
    let told = |at: usize| (whole.facts[at].age().as_millis(), whole.facts[at].left().as_millis());
    assert_eq!((told(0), told(1), told(2)), ((5, 7), (8, 4), (12, 0)));
    whole.retain(|question| matches!(question, Question::Dns(_, crate::RecordType::A)));
    assert_eq!(whole.len(), 2);
}

/// A hundred thousand addresses, each compared with each, would take very long: of so many none is compared.
#[test]
fn a_line_full_of_addresses_is_refused_before_they_are_compared() {
    let many: Vec<String> = (0..120_000_u32)
        .map(|n| format!("\"{}\"", std::net::Ipv4Addr::from(0x0A00_0000 | n)))
        .collect();
    let line = format!(
        r#"{{"q":{{"dns":["a.example","A"]}},"f":{{"addresses":{{"addresses":[{}],"alias":null}}}},"age":1}}"#,
        many.join(",")
    );
    let why = Impossible::Addresses;
    assert_eq!(refused(&line), BadExport::Impossible { line: 2, why });
}

#[test]
fn what_is_said_of_a_hostile_line_is_short_and_legible() {
    let deep = "[".repeat(100_000);
    let long = "x".repeat(1_000_000);
    let lines = [
        format!(r#"{{"q":{deep}"#),
        format!(r#"{{"{long}":1}}"#),
        r#"{"\u001b[2J\nline 1 is fine":1}"#.to_owned(),
        format!(r#"{{"q":{{"dns":["{long}","A"]}},"f":"late","age":1}}"#),
        r#"{"q":{"dns":["a\u0000.example","A"]},"f":"late","age":1}"#.to_owned(),
        r#"{"age":1,"age":1}"#.to_owned(),
        "\0".to_owned(),
        r#"{"age":99999999999999999999999999}"#.to_owned(),
    ];
    for line in lines {
        let text = refused(&line).to_string();
        assert!(text.len() < 1000 && !text.contains(char::is_control), "{text}");
    }
    // A line without an end is refused at its longest, not at the end of the text.
    let endless = "x".repeat(usize::try_from(MAX_LINE).unwrap() + 1);
    assert_eq!(Export::read(endless.as_bytes()).unwrap_err(), BadExport::TooLarge);
    let text = format!("{HEAD}\n{endless}\n");
    assert_eq!(Export::read(text.as_bytes()).unwrap_err(), BadExport::TooLarge);
}

#[test]
fn a_text_may_come_in_pieces_and_a_reader_that_fails_is_told() {
    struct Breaks;
    impl Read for Breaks {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let text = all();
    let pieces = |text| io::BufReader::with_capacity(7, text);
    assert_eq!(Export::read_from(pieces(text.as_bytes())), Export::read(text.as_bytes()));
    let broken = io::BufReader::new(text.as_bytes()[..400].chain(Breaks));
    assert_eq!(Export::read_from(broken), Err(BadExport::Read(io::ErrorKind::StorageFull)));
    // A line without an end is read no further than any fact is long.
    let endless = io::BufReader::new(io::repeat(b'0'));
    assert_eq!(Export::read_from(endless), Err(BadExport::TooLarge));
}
