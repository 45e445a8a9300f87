//! Bits of strings, numbered from the highest one of the first byte.

/// The number that these bits stand for. Bits behind the end are zeros.
pub(super) fn get(value: &[u8], offset: u64, width: u32) -> u64 {
    (offset..offset + u64::from(width)).fold(0, |number, at| {
        let byte = value.get((at >> 3) as usize).copied().unwrap_or(0);
        number << 1 | u64::from(byte >> (7 - (at & 7)) & 1)
    })
}

/// Writes the low bits of a number. Bits behind the end are not written.
pub(super) fn set(value: &mut [u8], offset: u64, width: u32, number: u64) {
    for place in 0..width {
        let at = offset + u64::from(place);
        let bit = (number >> (width - 1 - place) & 1) as u8;
        if let Some(byte) = value.get_mut((at >> 3) as usize) {
            let mask = 1 << (7 - (at & 7));
            *byte = (*byte & !mask) | (bit * mask);
        }
    }
}

/// How many bits are set from the first to the last one, both included.
pub(super) fn count(value: &[u8], first: u64, last: u64) -> u64 {
    bytes(value, first, last).map(|(_, byte, mask)| u64::from((byte & mask).count_ones())).sum()
}

/// The first bit that is set, or not set, from the first to the last one.
pub(super) fn find(value: &[u8], first: u64, last: u64, set: bool) -> Option<u64> {
    bytes(value, first, last).find_map(|(at, byte, mask)| {
        let found = if set { byte & mask } else { !byte & mask };
        (found != 0).then(|| at * 8 + u64::from(found.leading_zeros()))
    })
}

/// The bytes that hold these bits: position, byte, and a mask of the bits that are meant.
fn bytes(value: &[u8], first: u64, last: u64) -> impl Iterator<Item = (u64, u8, u8)> {
    let (from, to) = (first >> 3, last >> 3);
    let part = value.get(from as usize..=to as usize).unwrap_or_default();
    part.iter().enumerate().map(move |(at, byte)| {
        let at = from + at as u64;
        let mut mask = 0xff;
        if at == from {
            mask &= 0xff >> (first & 7);
        }
        if at == to {
            mask &= 0xff << (7 - (last & 7));
        }
        (at, *byte, mask)
    })
}
