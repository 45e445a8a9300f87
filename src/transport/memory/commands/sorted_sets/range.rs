//! Ranges of ranks, scores and members.

use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::commands::lists::range;
use crate::transport::memory::sorted_set::{LexRange, Members, ScoreRange, SortedSet};
use crate::{Error, Result};

pub(super) fn score_range(args: Args<'_>, min: usize, max: usize) -> Result<ScoreRange> {
    ScoreRange::parse(args.at(min)?, args.at(max)?)
        .ok_or_else(|| Error::server("ERR min or max is not a float"))
}

pub(super) fn lex_range(args: Args<'_>, min: usize, max: usize) -> Result<LexRange> {
    LexRange::parse(args.at(min)?, args.at(max)?)
        .ok_or_else(|| Error::server("ERR min or max not valid string range item"))
}

/// `min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`.
pub(super) struct RangeQuery {
    by: By,
    rev: bool,
    limit: (usize, usize),
    pub(super) with_scores: bool,
}

enum By {
    Rank(i64, i64),
    Score(ScoreRange),
    Lex(LexRange),
}

/// What a command's name fixes of a range.
#[derive(Clone, Copy)]
pub(super) struct Fixed {
    pub(super) by: &'static str,
    pub(super) rev: bool,
}

impl RangeQuery {
    /// The query of ZRANGE and ZRANGESTORE, which choose by options.
    pub(super) fn parse(args: Args<'_>, start: usize) -> Result<Self> {
        Self::read(args, start, None, false)
    }

    /// The query of ZRANGE where LIMIT goes with ranks too.
    pub(super) fn parse_with_limit(args: Args<'_>, start: usize) -> Result<Self> {
        Self::read(args, start, None, true)
    }

    /// The query of a command whose name says what the range is by.
    pub(super) fn fixed(args: Args<'_>, fixed: Fixed) -> Result<Self> {
        Self::read(args, 1, Some(fixed), false)
    }

    fn read(
        args: Args<'_>,
        start: usize,
        fixed: Option<Fixed>,
        limits_ranks: bool,
    ) -> Result<Self> {
        let (mut by, mut rev) = fixed.map_or(("", false), |fixed| (fixed.by, fixed.rev));
        let (mut limit, mut with_scores) = (None, false);
        let mut at = start + 2;
        while at < args.len() {
            match args.word(at).as_str() {
                "BYSCORE" if fixed.is_none() && by.is_empty() => by = "score",
                "BYLEX" if fixed.is_none() && by.is_empty() => by = "lex",
                "REV" if fixed.is_none() && !rev => rev = true,
                "WITHSCORES" if args.command().name() != "ZRANGESTORE" => with_scores = true,
                "LIMIT" if at + 2 < args.len() => {
                    limit = Some((args.int(at + 1)?, args.int(at + 2)?));
                    at += 2;
                }
                _ => return Err(syntax()),
            }
            at += 1;
        }
        // A count of -1 is no limit.
        if limit.is_some_and(|(_, count)| count != -1) && by.is_empty() && !limits_ranks {
            return Err(Error::server(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == "lex" {
            return Err(Error::server(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (min, max) = if rev { (start + 1, start) } else { (start, start + 1) };
        let by = match by {
            "score" => By::Score(score_range(args, min, max)?),
            "lex" => By::Lex(lex_range(args, min, max)?),
            _ => By::Rank(args.int(start)?, args.int(start + 1)?),
        };
        let limit = match limit.filter(|_| limits_ranks || !matches!(by, By::Rank(..))) {
            None => (0, usize::MAX),
            // With a negative offset there is no result. A negative count is no limit.
            Some((offset, count)) => match usize::try_from(offset) {
                Ok(offset) => (offset, usize::try_from(count).unwrap_or(usize::MAX)),
                Err(_) => (0, 0),
            },
        };
        Ok(Self { by, rev, limit, with_scores })
    }

    pub(super) fn run(&self, set: &SortedSet) -> Members {
        let ranks = match &self.by {
            By::Rank(start, stop) => {
                let ranks = range(set.len(), *start, *stop);
                let last = set.len();
                if self.rev { last - ranks.end..last - ranks.start } else { ranks }
            }
            By::Score(range) => set.ranks_by_score(range),
            By::Lex(range) => set.ranks_by_lex(range),
        };
        let (offset, count) = (self.limit.0.min(ranks.len()), self.limit.1);
        let count = count.min(ranks.len() - offset);
        if self.rev {
            let end = ranks.end - offset;
            let mut found = set.by_rank(end - count..end);
            found.reverse();
            return found;
        }
        let start = ranks.start + offset;
        set.by_rank(start..start + count)
    }
}
