//! The grammar of server names as the texts write it, rule by rule, and a matcher for such rules.
//!
//! Written from the ABNF of the Matrix specification's appendix (R1–R7) and of RFC 3986 §3.2.2, not from `ServerName`, whose judge it is.
//! Rules are data of a fixed depth, so nothing here recurses on what comes from outside.

use std::collections::BTreeSet;

/// A rule of ABNF.
enum Rule {
    /// One of these characters.
    Of(fn(u8) -> bool),
    /// Exactly this.
    Text(&'static str),
    /// From so many times to so many.
    Times(usize, usize, Box<Rule>),
    /// One after the other.
    All(Vec<Rule>),
    /// Either.
    Any(Vec<Rule>),
}

use Rule::{All, Any, Of, Text, Times};

impl Rule {
    /// Every place where a match that begins at one of these places can end.
    fn ends(&self, text: &[u8], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
        let after = |length: usize, fits: &dyn Fn(&[u8]) -> bool| {
            let end = |at: &usize| {
                let end = at.saturating_add(length);
                text.get(*at..end).is_some_and(fits).then_some(end)
            };
            starts.iter().filter_map(end).collect()
        };
        match self {
            Of(class) => after(1, &|one| one.iter().copied().all(class)),
            Text(exact) => after(exact.len(), &|read| read == exact.as_bytes()),
            All(rules) => rules.iter().fold(starts.clone(), |at, rule| rule.ends(text, &at)),
            Any(rules) => rules.iter().flat_map(|rule| rule.ends(text, starts)).collect(),
            Times(least, most, rule) => {
                let mut at = starts.clone();
                let mut ends = if *least == 0 { at.clone() } else { BTreeSet::new() };
                for count in 1..=*most {
                    at = rule.ends(text, &at);
                    if at.is_empty() {
                        break;
                    }
                    if count >= *least {
                        ends.extend(&at);
                    }
                }
                ends
            }
        }
    }

    fn matches(&self, text: &[u8]) -> bool {
        self.ends(text, &BTreeSet::from([0])).contains(&text.len())
    }
}

fn digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn times(least: usize, most: usize, rule: Rule) -> Rule {
    Times(least, most, Box::new(rule))
}

/// `IPv4address` of RFC 3986: octets without leading zeros, up to 255.
fn ipv4() -> Rule {
    let octet = || {
        Any(vec![
            Of(digit),
            All(vec![Of(|byte| (b'1'..=b'9').contains(&byte)), Of(digit)]),
            All(vec![Text("1"), times(2, 2, Of(digit))]),
            All(vec![Text("2"), Of(|byte| (b'0'..=b'4').contains(&byte)), Of(digit)]),
            All(vec![Text("25"), Of(|byte| (b'0'..=b'5').contains(&byte))]),
        ])
    };
    let dotted = || All(vec![octet(), Text(".")]);
    All(vec![dotted(), dotted(), dotted(), octet()])
}

/// `IPv6address` of RFC 3986.
fn ipv6() -> Rule {
    let h16 = || times(1, 4, Of(|byte| byte.is_ascii_hexdigit()));
    let piece = || All(vec![h16(), Text(":")]);
    let ls32 = || Any(vec![All(vec![h16(), Text(":"), h16()]), ipv4()]);
    // What stands before `::`, at most so many pieces and one more.
    let before = |most| times(0, 1, All(vec![times(0, most, piece()), h16()]));
    let mut forms = vec![All(vec![times(6, 6, piece()), ls32()])];
    forms.push(All(vec![Text("::"), times(5, 5, piece()), ls32()]));
    for most in 0..=4 {
        let behind = 4_usize.saturating_sub(most);
        forms.push(All(vec![before(most), Text("::"), times(behind, behind, piece()), ls32()]));
    }
    forms.push(All(vec![before(5), Text("::"), h16()]));
    forms.push(All(vec![before(6), Text("::")]));
    Any(forms)
}

/// What a text is by the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// No server name.
    None,
    /// A server name whose host is an IPv4 address.
    V4,
    /// A server name whose host is an IPv6 address.
    V6,
    /// A server name whose host is a name.
    Name,
}

/// Reads a text by the grammar alone. A port must also be one: 1 to 65535 (R2).
pub fn form(text: &[u8]) -> Form {
    let port = || times(1, 5, Of(digit));
    let with_port = |host| All(vec![host, times(0, 1, All(vec![Text(":"), port()]))]);
    let is = |host| with_port(host).matches(text);
    // `IPv6address = 2*45IPv6char` is what the appendix writes, and that it is one of RFC 3986 what it means.
    let chars = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    let bracketed = |inner| All(vec![Text("["), inner, Text("]")]);
    let name_chars = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let form = if is(ipv4()) {
        Form::V4
    } else if is(bracketed(times(2, 45, Of(chars)))) && is(bracketed(ipv6())) {
        Form::V6
    } else if is(times(1, 255, Of(name_chars))) {
        Form::Name
    } else {
        return Form::None;
    };
    let host_end = text.iter().rposition(|byte| *byte == b']').unwrap_or(0);
    let digits = text.get(host_end..).unwrap_or_default();
    let port = digits.iter().position(|byte| *byte == b':').and_then(|at| digits.get(at..));
    let value = |port: &[u8]| {
        let digits = port.iter().skip(1).map(|digit| u32::from(digit.saturating_sub(b'0')));
        digits.fold(0_u32, |value, digit| value.saturating_mul(10).saturating_add(digit))
    };
    match port.map(value) {
        Some(0 | 65536..) => Form::None,
        Some(_) | None => form,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_tells_names_from_addresses() {
        for (text, is) in [
            ("a.example", Form::Name),
            ("a.example:8448", Form::Name),
            ("1.2.3.4", Form::V4),
            ("1.2.3.4:1", Form::V4),
            ("01.2.3.4", Form::Name),
            ("1.2.3.256", Form::Name),
            ("[::]", Form::V6),
            ("[1:2:3:4:5:6:7:8]:65535", Form::V6),
            ("[1:2:3:4:5:6:1.2.3.4]", Form::V6),
            ("[1::8]", Form::V6),
            ("[1:2:3:4:5:6:7::]", Form::V6),
            ("[::2:3:4:5:6:7:8]", Form::V6),
            ("[1:2:3:4:5:6:7:8:9]", Form::None),
            ("[1:2:3:4:5:6:7]", Form::None),
            ("[::1%1]", Form::None),
            ("[12345::]", Form::None),
            ("::1", Form::None),
            ("", Form::None),
            ("a.example:", Form::None),
            ("a.example:0", Form::None),
            ("a.example:65536", Form::None),
            ("a.example:000001", Form::None),
            ("a.example:00001", Form::Name),
            ("a_b", Form::None),
        ] {
            assert_eq!(form(text.as_bytes()), is, "{text}");
        }
    }
}
