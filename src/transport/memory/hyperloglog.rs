//! HyperLogLog, with Redis's hash, registers and estimate, so that both give the same counts.
//!
//! It is stored in Redis's dense form. Redis's sparse form is read too.

use bytes::Bytes;

use super::steps;

/// How many bits of a hash choose the register.
const INDEX_BITS: u32 = 14;
const REGISTERS: usize = 1 << INDEX_BITS;
/// How many bits of a hash are counted.
const COUNTED_BITS: usize = 64 - INDEX_BITS as usize;
const HEADER: usize = 16;
/// A register has six bits in the dense form.
const DENSE: usize = HEADER + REGISTERS * 6 / 8;
const MAGIC: &[u8] = b"HYLL";

#[derive(Clone)]
pub(super) struct Registers(Box<[u8]>);

impl Default for Registers {
    fn default() -> Self {
        Self(vec![0; REGISTERS].into())
    }
}

impl Registers {
    /// Whether a string has the header of a HyperLogLog.
    pub(super) fn is_one(value: &[u8]) -> bool {
        value.len() >= HEADER
            && value.starts_with(MAGIC)
            && value[4] <= 1
            && (value[4] == 1 || value.len() == DENSE)
    }

    /// Reads both forms.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        steps::count(value.len());
        let mut registers = Self::default();
        let body = value.get(HEADER..)?;
        if value.get(4) == Some(&0) {
            for (at, register) in registers.0.iter_mut().enumerate() {
                let bit = at * 6;
                let low = u16::from(*body.get(bit / 8)?);
                let high = u16::from(body.get(bit / 8 + 1).copied().unwrap_or(0));
                *register = ((low | high << 8) >> (bit % 8) & 63) as u8;
            }
            return Some(registers);
        }
        let (mut at, mut bytes) = (0, body.iter());
        while let Some(byte) = bytes.next() {
            let (count, value) = match byte {
                0..64 => (usize::from(*byte) + 1, 0),
                64..128 => ((usize::from(byte & 63) << 8 | usize::from(*bytes.next()?)) + 1, 0),
                _ => (usize::from(byte & 3) + 1, (byte >> 2 & 31) + 1),
            };
            registers.0.get_mut(at..at + count)?.fill(value);
            at += count;
        }
        (at == REGISTERS).then_some(registers)
    }

    /// The dense form. The header says that the count is to be computed.
    pub(super) fn encode(&self) -> Bytes {
        steps::count(DENSE);
        let mut value = vec![0; DENSE];
        value[..MAGIC.len()].copy_from_slice(MAGIC);
        value[HEADER - 1] = 0x80;
        for (at, register) in self.0.iter().enumerate() {
            let bit = at * 6;
            let shifted = u16::from(*register) << (bit % 8);
            value[HEADER + bit / 8] |= shifted as u8;
            if shifted > 0xff {
                value[HEADER + bit / 8 + 1] |= (shifted >> 8) as u8;
            }
        }
        value.into()
    }

    /// Adds an element. Returns whether a register has changed.
    pub(super) fn add(&mut self, element: &[u8]) -> bool {
        steps::count(1);
        let hash = murmur64a(element);
        let register = &mut self.0[hash as usize & (REGISTERS - 1)];
        let rest = hash >> INDEX_BITS | 1 << COUNTED_BITS;
        let zeros = rest.trailing_zeros() as u8 + 1;
        let changes = zeros > *register;
        if changes {
            *register = zeros;
        }
        changes
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (one, other) in self.0.iter_mut().zip(&other.0) {
            *one = (*one).max(*other);
        }
    }

    /// How many elements there are, by "New cardinality estimation algorithms for HyperLogLog sketches", Otmar Ertl.
    pub(super) fn estimate(&self) -> u64 {
        /// 0.5 / ln 2.
        const ALPHA: f64 = 0.721_347_520_444_481_7;
        let mut histogram = [0_u32; 64];
        for register in &self.0 {
            histogram[usize::from(register & 63)] += 1;
        }
        let count = REGISTERS as f64;
        let share = |value: usize| f64::from(histogram[value]);
        let mut sum = count * tau((count - share(COUNTED_BITS + 1)) / count);
        for value in (1..=COUNTED_BITS).rev() {
            sum = (sum + share(value)) * 0.5;
        }
        sum += count * sigma(share(0) / count);
        (ALPHA * count * count / sum).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// MurmurHash64A, with Redis's seed.
fn murmur64a(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(M);
        word ^= word >> R;
        hash ^= word.wrapping_mul(M);
        hash = hash.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(M);
    }
    hash ^= hash >> R;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> R
}
