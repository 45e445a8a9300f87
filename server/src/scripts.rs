//! Upstash's own script flag. Redis does not know `#!lua flags=allow-key-locking`, so the flag is removed
//! before a script is sent there. This changes the script's sha, so a table maps the client's sha to the other one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use edgecask::{Command, Value};

const FLAG: &str = "allow-key-locking";

/// How many scripts the table holds. A full table is emptied: a client whose sha is gone gets NOSCRIPT, and sends the source.
const MOST_SCRIPTS: usize = 10_000;

#[derive(Default)]
pub(crate) struct Scripts {
    /// The client's sha, with the sha in Redis.
    shas: Mutex<HashMap<String, String>>,
}

/// A command that Redis understands.
pub(crate) struct Translated {
    pub(crate) command: Command,
    pub(crate) answer: Answer,
}

/// How Redis's reply is answered.
pub(crate) enum Answer {
    Same,
    /// By this reply instead.
    Fixed(Value),
    /// By a part of its items.
    Page {
        skip: usize,
        most: usize,
    },
}

impl Answer {
    pub(crate) fn of(self, reply: Value) -> Value {
        match (self, reply) {
            (Self::Fixed(reply), _) => reply,
            (Self::Page { skip, most }, Value::Array(items)) => {
                Value::Array(items.into_iter().skip(skip).take(most).collect())
            }
            (_, reply) => reply,
        }
    }
}

impl Scripts {
    /// `None` if the command can be sent unchanged.
    pub(crate) fn translate(&self, command: &Command) -> Option<Translated> {
        match command.name() {
            "EVAL" | "EVAL_RO" => {
                let (_, plain) = self.learn(command.get(0)?)?;
                Some(Translated { command: replaced(command, 0, &plain), answer: Answer::Same })
            }
            "SCRIPT" if is(command, "LOAD") => {
                let (sha, plain) = self.learn(command.get(1)?)?;
                let answer = Answer::Fixed(Value::bulk(sha));
                Some(Translated { command: replaced(command, 1, &plain), answer })
            }
            "EVALSHA" | "EVALSHA_RO" => self.with_known_shas(command, 0..1),
            "SCRIPT" if is(command, "EXISTS") => self.with_known_shas(command, 1..usize::MAX),
            "FUNCTION" if is(command, "LOAD") => {
                let at = command.args().len().checked_sub(1)?;
                let plain = without_flags_of_functions(command.get(at)?)?;
                Some(Translated { command: replaced(command, at, &plain), answer: Answer::Same })
            }
            _ => None,
        }
    }

    /// The sha that the client knows, and the source without the flag.
    fn learn(&self, source: &[u8]) -> Option<(String, String)> {
        let plain = without_flag(source)?;
        let (sha, redis_sha) = (sha1(source), sha1(plain.as_bytes()));
        let mut shas = self.shas.lock().unwrap_or_else(PoisonError::into_inner);
        if shas.len() >= MOST_SCRIPTS && !shas.contains_key(&sha) {
            shas.clear();
        }
        shas.insert(sha.clone(), redis_sha);
        Some((sha, plain))
    }

    fn with_known_shas(
        &self,
        command: &Command,
        places: std::ops::Range<usize>,
    ) -> Option<Translated> {
        let shas = self.shas.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |arg: &[u8]| shas.get(&String::from_utf8_lossy(arg).to_ascii_lowercase());
        let mut found = false;
        let args = command.args().enumerate().map(|(at, arg)| {
            match known(arg).filter(|_| places.contains(&at)) {
                Some(sha) => {
                    found = true;
                    sha.as_bytes()
                }
                None => arg,
            }
        });
        let command = Command::new(command.name().to_owned()).args_from(args);
        found.then_some(Translated { command, answer: Answer::Same })
    }
}

fn is(command: &Command, word: &str) -> bool {
    command.get(0).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
}

fn replaced(command: &Command, place: usize, by: &str) -> Command {
    let args =
        command.args().enumerate().map(|(at, arg)| if at == place { by.as_bytes() } else { arg });
    Command::new(command.name().to_owned()).args_from(args)
}

/// The source without the flag, if it has the flag. The number of lines does not change, because Lua's errors name lines.
fn without_flag(source: &[u8]) -> Option<String> {
    let source = std::str::from_utf8(source).ok()?;
    let (first, rest) = source.split_once('\n')?;
    let shebang = first.trim_end_matches('\r').strip_prefix("#!")?;
    if !shebang.contains(FLAG) {
        return None;
    }
    let words = shebang.split_whitespace().filter_map(|word| match word.strip_prefix("flags=") {
        Some(flags) => {
            let others: Vec<&str> = flags.split(',').filter(|flag| *flag != FLAG).collect();
            (!others.is_empty()).then(|| format!("flags={}", others.join(",")))
        }
        None => Some(word.to_owned()),
    });
    let words: Vec<String> = words.collect();
    Some(format!("#!{}\n{rest}", words.join(" ")))
}

/// The source of a library without the flag: on its first line, and as the text that is the flag of a function. There it becomes
/// a flag that Redis knows, and which has a meaning for replicas alone.
fn without_flags_of_functions(source: &[u8]) -> Option<String> {
    const KNOWN: &str = "allow-stale";
    let first = without_flag(source);
    let source = first.as_deref().or_else(|| std::str::from_utf8(source).ok())?;
    let quoted = ["'", "\""].map(|quote| [FLAG, KNOWN].map(|flag| [quote, flag, quote].concat()));
    let plain = quoted.iter().fold(source.to_owned(), |text, [from, to]| text.replace(from, to));
    (first.is_some() || plain != source).then_some(plain)
}

fn sha1(source: &[u8]) -> String {
    sha1_smol::Sha1::from(source).digest().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_flag_is_taken_out() {
        let plain = |source: &str| without_flag(source.as_bytes());
        assert_eq!(
            plain("#!lua flags=allow-key-locking\nreturn 1").as_deref(),
            Some("#!lua\nreturn 1")
        );
        assert_eq!(
            plain("#!lua name=x flags=no-writes,allow-key-locking\r\nreturn 1").as_deref(),
            Some("#!lua name=x flags=no-writes\nreturn 1")
        );
        assert_eq!(plain("#!lua flags=no-writes\nreturn 1"), None);
        assert_eq!(plain("return 'flags=allow-key-locking'\n"), None);
    }

    #[test]
    fn functions_lose_the_flag_too() {
        let plain = |source: &str| without_flags_of_functions(source.as_bytes());
        let library = |flag: &str| format!("#!lua name=x\nf{{flags={{ {flag}, 'no-writes'}}}}");
        assert_eq!(plain(&library("'allow-key-locking'")), Some(library("'allow-stale'")));
        assert_eq!(plain(&library("\"allow-key-locking\"")), Some(library("\"allow-stale\"")));
        assert_eq!(plain(&library("'allow-oom'")), None);
        let both = "#!lua name=x flags=allow-key-locking\n'allow-key-locking'";
        assert_eq!(plain(both).as_deref(), Some("#!lua name=x\n'allow-stale'"));
    }

    #[test]
    fn the_table_does_not_grow_without_end() {
        let scripts = Scripts::default();
        for number in 0..=MOST_SCRIPTS {
            let source = format!("#!lua flags={FLAG}\nreturn {number}");
            assert!(scripts.translate(&Command::new("EVAL").arg(source).arg(0)).is_some());
        }
        assert_eq!(scripts.shas.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_client_goes_on_using_its_own_sha() {
        let scripts = Scripts::default();
        let source = "#!lua flags=allow-key-locking\nreturn 1";
        let evalsha = Command::new("EVALSHA").arg(sha1(source.as_bytes()).to_uppercase()).arg(0);
        assert!(scripts.translate(&evalsha).is_none());
        let load = scripts.translate(&Command::new("SCRIPT").arg("load").arg(source));
        let sha = Value::bulk(sha1(source.as_bytes()));
        assert_eq!(load.map(|load| load.answer.of(Value::Nil)), Some(sha));
        let sent = scripts.translate(&evalsha).map(|translated| translated.command);
        let plain = sha1(b"#!lua\nreturn 1");
        assert_eq!(sent.and_then(|sent| Some(sent.get(0)? == plain.as_bytes())), Some(true));
    }
}
