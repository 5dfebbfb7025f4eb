//! Numbers that look random and are functions of a seed and of what they are for.

use crate::draw::Draw;

/// The number for this purpose, of this one and that.
pub(super) fn draw(seed: u64, purpose: &str, one: u64, that: u64) -> u64 {
    let mut state = mix(seed);
    for byte in purpose.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mix(mix(state ^ mix(one)).wrapping_add(that))
}

/// The element that a number falls on.
pub(super) fn pick<T: Copy>(from: &[T], number: u64) -> Option<T> {
    let length = u64::try_from(from.len()).ok()?;
    let at = number.checked_rem(length)?;
    from.get(usize::try_from(at).ok()?).copied()
}

fn mix(number: u64) -> u64 {
    Draw::new(number).next()
}
