//! The cluster slot of a key.

/// The hash tag of a key, which decides its cluster slot, if it has one (Redis Cluster specification).
pub(super) fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let rest = &key[open + 1..];
    let tag = &rest[..rest.iter().position(|byte| *byte == b'}')?];
    (!tag.is_empty()).then_some(tag)
}

/// The cluster slot of a key.
pub(crate) fn slot_of(key: impl AsRef<[u8]>) -> u16 {
    let key = key.as_ref();
    slot(hash_tag(key).unwrap_or(key))
}

/// The cluster slot of a key without a hash tag, or of a hash tag: CRC16 (XMODEM) modulo 16384.
pub(super) fn slot(text: &[u8]) -> u16 {
    /// The CRC of each value of the upper byte.
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = (byte as u16) << 8;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    let crc = text
        .iter()
        .fold(0, |crc: u16, byte| crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)]);
    crc % 16384
}

/// The smallest number whose decimal text is in this slot.
pub(super) fn number_of_slot(wanted: u16) -> u32 {
    (0..MAX_NUMBER_OF_SLOT)
        .find(|number| slot(number.to_string().as_bytes()) == wanted)
        .unwrap_or(0)
}

/// All slots have a number below this one.
const MAX_NUMBER_OF_SLOT: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_number() {
        let mut missing = [true; 16384];
        (0..MAX_NUMBER_OF_SLOT)
            .for_each(|number| missing[usize::from(slot(number.to_string().as_bytes()))] = false);
        assert!(!missing.contains(&true));
    }
}
