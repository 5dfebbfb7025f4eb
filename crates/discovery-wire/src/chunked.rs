//! The chunked transfer coding (RFC 9112 §7.1), decoded strictly and within bounds.
//!
//! Knows nothing of heads, of TLS or of what the body is for.

/// Most bytes of chunk extensions and trailers in one body, all together.
const MAX_OVERHEAD: usize = 16 * 1024;
/// Most digits of a chunk's size: more would not fit 64 bits.
const MAX_SIZE_DIGITS: u8 = 16;

/// A decoder in the middle of a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Chunked {
    state: State,
    overhead: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// In the digits of a size.
    Size { value: u64, digits: u8 },
    /// In the blanks between a size and its extension.
    Blank { size: u64 },
    /// In the extensions behind a size.
    Extension { size: u64 },
    /// Behind the CR that ends a size line.
    SizeEnd { size: u64 },
    /// In the data of a chunk.
    Data { left: u64 },
    /// Behind the data of a chunk.
    DataEnd,
    /// Behind the CR behind the data of a chunk.
    DataLineEnd,
    /// At the start of a line of the trailer section.
    TrailerStart,
    /// Within a line of the trailer section.
    Trailer,
    /// Behind a CR within the trailer section; `empty` where the line holds nothing else.
    TrailerEnd { empty: bool },
    /// Behind the body.
    Done,
}

/// The coding is broken, or its overhead is beyond all bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl Chunked {
    pub(crate) const fn new() -> Self {
        Self { state: State::Size { value: 0, digits: 0 }, overhead: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes `bytes` onto `body`, at most up to `limit` bytes of it. Whatever stands behind the end is left unread.
    pub(crate) fn decode(
        &mut self,
        mut bytes: &[u8],
        body: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Broken> {
        while !self.is_done() && body.len() < limit {
            if let State::Data { left } = self.state {
                let room = limit.saturating_sub(body.len());
                let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(room);
                let (data, rest) = bytes.split_at(wanted.min(bytes.len()));
                if data.is_empty() {
                    return Ok(());
                }
                body.extend_from_slice(data);
                bytes = rest;
                let left = left.saturating_sub(data.len() as u64);
                self.state = if left == 0 { State::DataEnd } else { State::Data { left } };
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.state = self.step(*byte)?;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<State, Broken> {
        Ok(match (self.state, byte) {
            (State::Size { digits: 1.., value }, b'\r') => State::SizeEnd { size: value },
            (State::Size { digits: 1.., value }, b';') => State::Extension { size: value },
            // RFC 9112 §7.1.1: blanks may come before an extension. Without one behind them, others would read them differently.
            (State::Size { digits: 1.., value: size } | State::Blank { size }, b' ' | b'\t') => {
                self.count(State::Blank { size })?
            }
            (State::Blank { size }, b';') => State::Extension { size },
            // Digits only: a sign would be read differently by others.
            (State::Size { digits, value }, digit) if digits < MAX_SIZE_DIGITS => {
                let digit = char::from(digit).to_digit(16).ok_or(Broken)?;
                State::Size {
                    value: (value << 4) | u64::from(digit),
                    digits: digits.saturating_add(1),
                }
            }
            (State::Extension { size }, b'\r') => State::SizeEnd { size },
            (State::Extension { .. }, b'\t' | b' '..=b'~' | 0x80..) => self.count(self.state)?,
            (State::SizeEnd { size: 0 }, b'\n') => State::TrailerStart,
            (State::SizeEnd { size }, b'\n') => State::Data { left: size },
            (State::DataEnd, b'\r') => State::DataLineEnd,
            (State::DataLineEnd, b'\n') => State::Size { value: 0, digits: 0 },
            (State::TrailerStart, b'\r') => State::TrailerEnd { empty: true },
            (State::Trailer, b'\r') => State::TrailerEnd { empty: false },
            (State::TrailerStart | State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count(State::Trailer)?
            }
            (State::TrailerEnd { empty: true }, b'\n') => State::Done,
            (State::TrailerEnd { empty: false }, b'\n') => State::TrailerStart,
            (
                State::Size { .. }
                | State::Blank { .. }
                | State::Extension { .. }
                | State::SizeEnd { .. }
                | State::Data { .. }
                | State::DataEnd
                | State::DataLineEnd
                | State::TrailerStart
                | State::Trailer
                | State::TrailerEnd { .. }
                | State::Done,
                _,
            ) => return Err(Broken),
        })
    }

    fn count(&mut self, next: State) -> Result<State, Broken> {
        self.overhead = self.overhead.saturating_add(1);
        if self.overhead > MAX_OVERHEAD { Err(Broken) } else { Ok(next) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and whether it ended, decoded byte by byte.
    fn decode(text: &[u8], limit: usize) -> Result<(Vec<u8>, bool), Broken> {
        let (mut decoder, mut body) = (Chunked::new(), Vec::new());
        for byte in text {
            decoder.decode(&[*byte], &mut body, limit)?;
        }
        let (mut at_once, mut same) = (Chunked::new(), Vec::new());
        at_once.decode(text, &mut same, limit)?;
        assert_eq!((&at_once, &same), (&decoder, &body), "{text:?}");
        Ok((body, decoder.is_done()))
    }

    #[test]
    fn chunks_are_joined() {
        assert_eq!(
            decode(b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n", 99),
            Ok((b"abc0123456789".to_vec(), true))
        );
        assert_eq!(decode(b"0\r\n\r\n", 99), Ok((vec![], true)));
    }

    #[test]
    fn extensions_and_trailers_are_skipped() {
        let text = b"1;a=\"b\";c\r\nx\r\n0;z\r\nName: value\r\nOther: value\r\n\r\nbehind";
        assert_eq!(decode(text, 99), Ok((b"x".to_vec(), true)));
    }

    #[test]
    fn blanks_may_come_before_an_extension() {
        let text = b"1 ;a\r\nx\r\n2\t \t; b = c\r\nyz\r\n0 ;z\r\n\r\n";
        assert_eq!(decode(text, 99), Ok((b"xyz".to_vec(), true)));
    }

    #[test]
    fn what_is_unfinished_is_not_done() {
        for text in
            [&b""[..], b"3", b"3\r\nab", b"3\r\nabc\r\n", b"0\r\n", b"0\r\nA: b\r\n", b"0\r\n\r"]
        {
            assert_eq!(decode(text, 99).map(|(_, done)| done), Ok(false), "{text:?}");
        }
    }

    #[test]
    fn sizes_that_readers_would_differ_on_are_refused() {
        for text in [
            &b"+3\r\nabc"[..],
            b"-3\r\nabc",
            b" 3\r\nabc",
            b"3 \r\nabc",
            b"3 x\r\nabc",
            b"3 \t\r\nabc",
            b" ;x\r\nabc",
            b"3 4\r\nabc",
            b"0x3\r\nabc",
            b"\r\nabc",
            b";x\r\nabc",
            b"3\nabc",
            b"3\r3\nabc",
            b"00000000000000003\r\nabc",
            b"10000000000000000\r\n",
            b"3;a\nb\r\n",
            b"3\r\nabcd",
            b"3\r\nabc\n0",
            b"0\r\n\n",
            b"0\r\nA: b\nC: d\r\n\r\n",
        ] {
            assert_eq!(decode(text, 99), Err(Broken), "{text:?}");
        }
    }

    #[test]
    fn the_limit_ends_it() {
        assert_eq!(decode(b"ffffffffffffffff\r\n0123456789", 4), Ok((b"0123".to_vec(), false)));
        assert_eq!(decode(b"2\r\nab\r\n4\r\ncdef\r\n0\r\n\r\n", 5), Ok((b"abcde".to_vec(), false)));
    }

    #[test]
    fn overhead_is_bounded_over_all_chunks() {
        let mut text = Vec::new();
        for _ in 0..40 {
            text.extend_from_slice(b"1;");
            text.extend(std::iter::repeat_n(b'x', 500));
            text.extend_from_slice(b"\r\n.\r\n");
        }
        assert_eq!(decode(&text, 1000), Err(Broken));
        assert_eq!(decode(&[b"1".as_slice(), &[b' '; MAX_OVERHEAD + 1]].concat(), 9), Err(Broken));
        let mut endless = b"0\r\n".to_vec();
        endless.extend(b"A: b\r\n".repeat(5000));
        assert_eq!(decode(&endless, 1000), Err(Broken));
    }
}
