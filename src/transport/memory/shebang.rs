//! The first line of a script or a library: `#!lua flags=no-writes`, `#!lua name=mylib`.

use crate::{Error, Result};

/// The flags of Redis 8, and Upstash's `allow-key-locking`, which means nothing here.
const FLAGS: [&str; 6] = [
    "allow-cross-slot-keys",
    "allow-key-locking",
    "allow-oom",
    "allow-stale",
    "no-cluster",
    "no-writes",
];

/// What a script says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shebang {
    /// Whether there is such a line.
    pub(super) is_there: bool,
    /// Whether the script does not write.
    pub(super) no_writes: bool,
    /// Whether it runs although the engine is full.
    pub(super) allow_oom: bool,
    /// Where the code begins: with the line end, so that the numbers of lines stay.
    pub(super) code_at: usize,
}

impl Shebang {
    /// Of a script.
    pub(super) fn of_script(source: &[u8]) -> Result<Self> {
        if !source.starts_with(b"#!") {
            return Ok(Self::default());
        }
        let Some(code_at) = source.iter().position(|byte| *byte == b'\n') else {
            return Err(Error::server("ERR Invalid script shebang"));
        };
        let line = String::from_utf8_lossy(&source[..code_at]);
        let mut words = line.split_whitespace();
        let engine = words.next().unwrap_or_default();
        if engine != "#!lua" {
            return Err(Error::server(&format!(
                "ERR Unexpected engine in script shebang: {engine}"
            )));
        }
        let (mut no_writes, mut allow_oom) = (false, false);
        for word in words {
            let Some(flags) = word.strip_prefix("flags=") else {
                return Err(Error::server(&format!("ERR Unknown lua shebang option: {word}")));
            };
            for flag in flags.split(',').filter(|flag| !flag.is_empty()) {
                if !is_flag(flag) {
                    return Err(Error::server(&format!(
                        "ERR Unexpected flag in script shebang: {flag}"
                    )));
                }
                no_writes |= flag == "no-writes";
                allow_oom |= flag == "allow-oom";
            }
        }
        Ok(Self { is_there: true, no_writes, allow_oom, code_at })
    }
}

/// Whether scripts and functions may have this flag.
pub(super) fn is_flag(flag: &str) -> bool {
    FLAGS.contains(&flag)
}

/// The name that the first line of a library gives it, and where its code begins.
pub(super) fn library_name(source: &[u8]) -> Result<(String, usize)> {
    let error = |text: String| Err(Error::server(&text));
    if !source.starts_with(b"#!") {
        return error("ERR Missing library metadata".to_owned());
    }
    let Some(code_at) = source.iter().position(|byte| *byte == b'\n') else {
        return error("ERR Invalid library metadata".to_owned());
    };
    let line = String::from_utf8_lossy(&source[2..code_at]);
    let mut words = line.split_whitespace();
    let engine = words.next().unwrap_or_default();
    let mut given = None;
    for word in words {
        match (word.strip_prefix("name="), &given) {
            (Some(name), None) => given = Some(name),
            (Some(_), Some(_)) => {
                return error(
                    "ERR Invalid metadata value, name argument was given multiple times".to_owned(),
                );
            }
            (None, _) => return error(format!("ERR Invalid metadata value given: {word}")),
        }
    }
    match given {
        None => error("ERR Library name was not given".to_owned()),
        Some(name) if !is_name(name) => error(format!("ERR {BAD_NAME}")),
        Some(_) if !engine.eq_ignore_ascii_case("lua") => {
            error(format!("ERR Engine '{engine}' not found"))
        }
        Some(name) => Ok((name.to_owned(), code_at)),
    }
}

/// Redis's words for names that libraries and functions cannot have.
pub(super) const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Whether a library or a function may have this name.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
