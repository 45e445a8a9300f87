//! The settings of `cjson`.

/// The settings that scripts can change. They stay for later scripts, as in Redis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Whether an array with too many gaps becomes an object, instead of being an error.
    pub(super) sparse_convert: bool,
    /// An array has too many gaps if it is longer than this many times its items, unless this is 0.
    pub(super) sparse_ratio: i64,
    /// Arrays up to this length never have too many gaps.
    pub(super) sparse_safe: i64,
    pub(super) encode_depth: i64,
    pub(super) decode_depth: i64,
    pub(super) precision: usize,
    pub(super) encode_invalid: Invalid,
    pub(super) decode_invalid: bool,
    pub(super) keep_buffer: bool,
}

/// How to write a number that JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    Refused,
    Written,
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
            keep_buffer: true,
        }
    }
}
