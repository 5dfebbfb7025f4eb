//! Durations as data: text such as `250ms`, `1.5s`, `2m`, `24h` or `1d`, or a whole number of seconds.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

const EXPECTED: &str = "a duration is a number and ms, s, m, h or d, or a whole number of seconds";

/// Most digits after the point that are read: nanoseconds for seconds.
const MAX_FRACTION: usize = 9;

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Seconds(u64),
    Text(String),
}

pub(crate) fn write(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match (nanos, seconds) {
        (0, seconds) if seconds > 0 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (0, seconds) if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (0, seconds) => format!("{seconds}s"),
        (nanos, _) if nanos % 1_000_000 == 0 => format!("{}ms", duration.as_millis()),
        (nanos, seconds) => format!("{seconds}.{nanos:09}s"),
    }
}

pub(crate) fn read(text: &str) -> Option<Duration> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let (number, unit) = text.split_at_checked(text.bytes().take_while(is_number).count())?;
    let unit = Duration::from_millis(match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    });
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if (1..=MAX_FRACTION).contains(&fraction.len()) => {
            (whole, fraction)
        }
        Some(_) => return None,
        None => (number, "0"),
    };
    let whole = unit.checked_mul(whole.parse().ok()?)?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = unit.as_nanos().checked_mul(fraction.parse().ok()?)?.checked_div(scale)?;
    whole.checked_add(Duration::from_nanos(u64::try_from(parts).ok()?))
}

fn of<E: de::Error>(written: Written) -> Result<Duration, E> {
    match written {
        Written::Seconds(seconds) => Ok(Duration::from_secs(seconds)),
        Written::Text(text) => read(&text).ok_or_else(|| E::custom(EXPECTED)),
    }
}

/// A duration that must be there.
pub(crate) mod required {
    use serde::Serializer;

    use super::{Deserialize, Deserializer, Duration, Written, of, write};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&write(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        of(Written::deserialize(from)?)
    }
}

/// A duration, or `none`.
pub(crate) mod optional {
    use serde::Serializer;

    use super::{Deserialize, Deserializer, Duration, Written, of, write};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => to.serialize_str(&write(*duration)),
            None => to.serialize_str("none"),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        match Written::deserialize(from)? {
            Written::Text(text) if text == "none" => Ok(None),
            written @ (Written::Seconds(_) | Written::Text(_)) => of(written).map(Some),
        }
    }
}
