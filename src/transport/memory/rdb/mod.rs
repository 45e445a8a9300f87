//! Redis's format of values and of whole data sets (RDB): what DUMP gives, what RESTORE takes, and what a snapshot file holds.
//! Compared with Redis 8.0.
//!
//! Values are written in the plain encodings that Redis reads in every version from 7.2 on. Read are all encodings that Redis 7
//! and 8 write. Those of older versions (ziplists, zipmaps, scores as text) and values of modules other than RedisJSON are refused.

mod decode;
#[cfg(feature = "json")]
mod document;
mod encode;
#[cfg(not(target_arch = "wasm32"))]
pub(super) mod file;
mod lengths;
mod listpack;
mod payload;
mod reader;
mod stream;

pub(super) use self::payload::{dump, functions, restore, restore_functions};
#[cfg(not(target_arch = "wasm32"))]
pub(super) use self::reader::Failure;

/// The newest version of the format that is read.
const NEWEST_VERSION: u16 = 12;

/// The longest string that is read, as in Redis (`proto-max-bulk-len`).
const MAX_STRING: u64 = 512 << 20;

/// The numbers of the types of values, each an encoding.
mod kind {
    pub(super) const STRING: u8 = 0;
    pub(super) const LIST: u8 = 1;
    pub(super) const SET: u8 = 2;
    pub(super) const HASH: u8 = 4;
    pub(super) const ZSET: u8 = 5;
    #[cfg(feature = "json")]
    pub(super) const MODULE_2: u8 = 7;
    pub(super) const SET_INTSET: u8 = 11;
    pub(super) const STREAM: u8 = 15;
    pub(super) const HASH_LISTPACK: u8 = 16;
    pub(super) const ZSET_LISTPACK: u8 = 17;
    pub(super) const LIST_QUICKLIST: u8 = 18;
    /// With the counts of entries.
    pub(super) const STREAM_2: u8 = 19;
    pub(super) const SET_LISTPACK: u8 = 20;
    /// With the times at which consumers were active.
    pub(super) const STREAM_3: u8 = 21;
    /// With the lifetimes of fields.
    pub(super) const HASH_LIFETIMES: u8 = 24;
    pub(super) const HASH_LISTPACK_LIFETIMES: u8 = 25;
}

/// The bytes that stand in place of a type.
mod opcode {
    pub(super) const FUNCTION: u8 = 0xf5;
    pub(super) const FUNCTION_BEFORE_7: u8 = 0xf6;
}

/// The checksum of Redis: CRC-64 in the parameters of Jones.
const CHECKSUM: crc::Crc<u64, Lanes> = crc::Crc::<u64, Lanes>::new(&crc::CRC_64_REDIS);

/// Larger tables are faster, and a wasm module should be small.
#[cfg(not(target_arch = "wasm32"))]
type Lanes = crc::Table<16>;
#[cfg(target_arch = "wasm32")]
type Lanes = crc::NoTable;
