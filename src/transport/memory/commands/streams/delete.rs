//! XDEL, XTRIM, and the options by which XADD trims.

use super::super::replies::length;
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::stream::{References, Stream, StreamId, Threshold};
use crate::{Error, Result, Value};

/// `MAXLEN|MINID [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED]`.
#[derive(Default)]
pub(super) struct Trim {
    threshold: Option<Threshold>,
    approximate: bool,
    limit: Option<usize>,
    references: Option<References>,
}

/// How many entries a trim that need not be exact deletes at most, unless it says so: a hundred nodes of a hundred entries.
const DEFAULT_LIMIT: usize = 10_000;

impl Trim {
    /// Reads an option at a position. The position after it, if there was one.
    pub(super) fn option(&mut self, args: Args<'_>, at: usize) -> Result<Option<usize>> {
        let has_more = args.len() > at + 1;
        match args.word(at).as_str() {
            word @ ("MAXLEN" | "MINID") if has_more => {
                if self.threshold.is_some() {
                    let same = matches!(
                        (word, self.threshold),
                        ("MAXLEN", Some(Threshold::MaxLength(_)))
                            | ("MINID", Some(Threshold::MinId(_)))
                    );
                    if !same {
                        return Err(Error::server(
                            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                        ));
                    }
                }
                let mut at = at + 1;
                self.approximate = false;
                if args.len() > at + 1 && matches!(args.at(at)?, b"~" | b"=") {
                    self.approximate = args.at(at)? == b"~";
                    at += 1;
                }
                self.threshold = Some(if word == "MAXLEN" {
                    let length = args.int(at)?;
                    let length = usize::try_from(length)
                        .map_err(|_| Error::server("ERR The MAXLEN argument must be >= 0."))?;
                    Threshold::MaxLength(length)
                } else {
                    Threshold::MinId(StreamId::parse_exact(args.at(at)?, 0)?)
                });
                Ok(Some(at + 1))
            }
            "LIMIT" if has_more => {
                let limit = usize::try_from(args.int(at + 1)?)
                    .map_err(|_| Error::server("ERR The LIMIT argument must be >= 0."))?;
                self.limit = Some(limit);
                Ok(Some(at + 2))
            }
            word if self.references.is_none() => {
                self.references = References::parse(word);
                Ok(self.references.map(|_| at + 1))
            }
            _ => Ok(None),
        }
    }

    /// Checks that the options go together.
    pub(super) fn check(&self) -> Result<()> {
        if self.limit.is_some_and(|limit| limit > 0) && self.threshold.is_none() {
            return Err(Error::server(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        // A limit of 0 too, in contrast to the check before.
        if self.limit.is_some() && !self.approximate {
            return Err(Error::server(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        Ok(())
    }

    pub(super) fn run(&self, stream: &mut Stream) -> usize {
        let Some(threshold) = self.threshold else { return 0 };
        let references = self.references.unwrap_or_default();
        if references != References::Keep {
            // Of entries whose references matter, Redis trims none approximately.
            let exact = !self.approximate;
            return if exact { stream.trim_released(threshold, references) } else { 0 };
        }
        let most = match self.limit {
            _ if !self.approximate => usize::MAX,
            None => DEFAULT_LIMIT,
            Some(0) => usize::MAX,
            Some(limit) => limit,
        };
        stream.trim(threshold, !self.approximate, most)
    }
}

pub(super) fn xtrim(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let trim = trim_of(args)?;
    run_trim(db, args, &trim)
}

/// XTRIM that trims to its threshold, also where it need not be exact.
pub(in crate::transport::memory::commands) fn xtrim_exactly(
    db: &mut Keyspace,
    args: Args<'_>,
) -> Result<Value> {
    let trim = Trim { approximate: false, ..trim_of(args)? };
    run_trim(db, args, &trim)
}

fn trim_of(args: Args<'_>) -> Result<Trim> {
    let mut trim = Trim::default();
    let mut at = 1;
    while at < args.len() {
        at = trim.option(args, at)?.ok_or_else(syntax)?;
    }
    trim.check()?;
    if trim.threshold.is_none() {
        return Err(Error::server(
            "ERR syntax error, XTRIM must be called with a trimming strategy",
        ));
    }
    Ok(trim)
}

fn run_trim(db: &mut Keyspace, args: Args<'_>, trim: &Trim) -> Result<Value> {
    let deleted = db.change::<Stream, _>(args.at(0)?, |stream| Ok(trim.run(stream)))?;
    Ok(length(deleted.unwrap_or(0)))
}

pub(super) fn xdel(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    if db.read::<Stream>(args.at(0)?)?.is_none() {
        return Ok(Value::Integer(0));
    }
    let ids: Vec<StreamId> =
        args.from(1).map(|text| StreamId::parse_exact(text, 0)).collect::<Result<_>>()?;
    let deleted = db.change::<Stream, _>(args.at(0)?, |stream| {
        Ok(ids.into_iter().filter(|id| stream.delete(*id)).count())
    })?;
    Ok(length(deleted.unwrap_or(0)))
}
