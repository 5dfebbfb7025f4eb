//! Base64 by RFC 4648 §4, read.
//!
//! A dozen lines instead of a dependency.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The octets that a text stands for; None if it is no Base64. White space and padding may be left out or in.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let (mut held, mut bits) = (0_u32, 0_u32);
    for letter in text.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=') {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        held = (held << 6) | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            octets.push(u8::try_from((held >> bits) & 0xff).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    (bits < 6).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn texts_of_the_rfc_are_read() {
        for (text, octets) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decode(text).as_deref(), Some(octets.as_bytes()), "{text}");
        }
        assert_eq!(decode("//8"), Some(vec![0xff, 0xff]));
        assert_eq!(decode("Z"), None);
        assert_eq!(decode("Zm9!"), None);
    }
}
