//! The table of all commands. To add a command, add its row to `rows.rs`; `row.rs` defines the fields of a row.
//!
//! This file finds the row of a command. The other files interpret its arguments by the row: `keys.rs` finds its keys,
//! `waits.rs` how long it waits, `resend.rs` whether it may be sent again. `options.rs` parses options for them.

mod keys;
mod options;
mod resend;
mod row;
mod rows;
mod waits;

pub(crate) use keys::Role;
use options::COPY_OPTIONS;
use row::Reach;
pub use row::{Access, CommandDocs, CommandInfo, Group, KeyPositions, Refusal, ReplyKeys, Resend};
use rows::{DOCS, TABLE};

use super::Command;

const HASH_START: u32 = 0x811c_9dc5;
const SLOTS: usize = 1024;

const fn hash(state: u32, byte: u8) -> u32 {
    (state ^ byte as u32).wrapping_mul(0x0100_0193)
}

const fn hash_all(mut state: u32, bytes: &[u8]) -> u32 {
    let mut at = 0;
    while at < bytes.len() {
        state = hash(state, bytes[at]);
        at += 1;
    }
    state
}

const fn slot(hash: u32) -> usize {
    (hash ^ hash >> 15) as usize % SLOTS
}

/// The indexes of the rows by the hash of their names. Every command that is sent is looked up.
static INDEX: [u16; SLOTS] = {
    let mut index = [u16::MAX; SLOTS];
    let mut row = 0;
    while row < TABLE.len() {
        let mut at = slot(hash_all(HASH_START, TABLE[row].name.as_bytes()));
        while index[at] != u16::MAX {
            at = (at + 1) % SLOTS;
        }
        index[at] = row as u16;
        row += 1;
    }
    index
};

fn find(hash: u32, is_it: impl Fn(&str) -> bool) -> Option<&'static CommandInfo> {
    let mut at = slot(hash);
    // Less than half of the slots are taken, so the search ends.
    while let Some(row) = TABLE.get(usize::from(INDEX[at])) {
        if is_it(row.name) {
            return Some(row);
        }
        at = (at + 1) % SLOTS;
    }
    None
}

impl CommandInfo {
    /// Every known command, sorted by name.
    pub fn all() -> &'static [Self] {
        &TABLE
    }

    /// The command's group, the version that introduced it, and a summary. They are linked only if this is called.
    pub fn docs(&self) -> Option<&'static CommandDocs> {
        TABLE.binary_search_by(|row| row.name.cmp(self.name)).ok().map(|at| &DOCS[at])
    }

    /// The row of this name, in upper case.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        find(hash_all(HASH_START, name.as_bytes()), |row| row == name)
    }
}

impl Command {
    /// The row of this command. Unknown commands count as unsafe writes without keys. Unknown subcommands have the row of
    /// their container.
    ///
    /// ```
    /// use edgecask::command::{Access, Command};
    ///
    /// assert_eq!(Command::new("get").arg("k").info().access, Access::Read);
    /// assert_eq!(Command::new("SCRIPT").arg("load").arg("return 1").info().name, "SCRIPT LOAD");
    /// ```
    pub fn info(&self) -> &'static CommandInfo {
        let Some(row) = CommandInfo::find(self.name()) else { return &CommandInfo::UNKNOWN };
        if !row.is_container {
            return row;
        }
        let Some(sub) = self.get(0) else { return row };
        let start = hash(hash_all(HASH_START, row.name.as_bytes()), b' ');
        let hash = sub.iter().fold(start, |state, byte| hash(state, byte.to_ascii_uppercase()));
        let is_it = |name: &str| {
            let name = name.as_bytes().split_at_checked(row.name.len() + 1);
            name.is_some_and(|(container, rest)| {
                container.starts_with(row.name.as_bytes()) && rest.eq_ignore_ascii_case(sub)
            })
        };
        find(hash, is_it).unwrap_or(row)
    }

    /// Whether this is an unknown subcommand of a known command.
    pub(crate) fn is_unknown_subcommand(&self) -> bool {
        let info = self.info();
        // COMMAND without a subcommand is a command too.
        info.is_container && (info.reach != Reach::NoKeys || self.args().len() > 0)
    }

    /// Whether this moves or copies keys to another database or server.
    pub(crate) fn reaches_elsewhere(&self) -> bool {
        match self.info().reach {
            Reach::Elsewhere => true,
            Reach::Db => {
                let mut names_db = false;
                self.options(2, COPY_OPTIONS, |word, _| names_db |= word == "DB");
                names_db
            }
            _ => false,
        }
    }

    /// Whether this is for a server that is busy with a script: SCRIPT KILL, FUNCTION KILL, FUNCTION STATS. It must not be
    /// queued behind other commands, because the script may be one of them.
    pub(crate) fn serves_when_busy(&self) -> bool {
        self.info().serves_when_busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn every_row_is_found_by_its_name() {
        for row in &TABLE {
            let words = row.name.to_ascii_lowercase();
            let mut words = words.split(' ').map(str::to_owned);
            let command = Command::new(words.next().unwrap_or_default()).args_from(words);
            assert_eq!(command.info().name, row.name);
            assert!(row.docs().is_some_and(|docs| docs.summary.ends_with('.')));
        }
        assert_eq!(Command::new("CLIENT").arg("NEW").info().name, "CLIENT");
        assert!(Command::new("CLIENT").arg("NEW").is_unknown_subcommand());
        assert!(Command::new("CLIENT").is_unknown_subcommand());
        assert!(!Command::new("COMMAND").is_unknown_subcommand());
        assert_eq!(Command::new("NEW").info().name, "");
        assert_eq!(Command::new("SCRIPT LOADED").info().name, "");
    }
}
