//! Reads a path. Each alternative of the grammar is tried in RedisJSON's order, and none is read twice, so the time is linear.

use super::expected::{Expected, Part};
use super::syntax::Step;
use crate::{Error, Result};

/// Reads the parts of a path from its beginning to its end.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    expected: Expected,
    /// How many steps there are in the path and in its filters, and how many filters lie in each other. Both bound how deep
    /// a search calls itself.
    steps: usize,
    pub(super) nested: usize,
    pub(super) is_too_complex: bool,
}

const MAX_STEPS: usize = 256;

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            expected: Expected::default(),
            steps: 0,
            nested: 0,
            is_too_complex: false,
        }
    }

    /// The whole path.
    pub(super) fn path(mut self) -> Result<Vec<Step>> {
        self.eat("$");
        let steps = self.then(Self::steps).unwrap_or_default();
        let end = self
            .then(|parser| parser.part(Part::End, |parser| parser.rest().is_empty().then_some(())));
        if self.is_too_complex {
            return Err(Error::server(
                "ERR the path is more complex than the embedded engine allows",
            ));
        }
        match end {
            Some(()) => Ok(steps),
            None => Err(Error::server(&self.expected.message(self.text))),
        }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Reads these characters.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let is_there = self.rest().starts_with(text);
        if is_there {
            self.at += text.len();
        }
        is_there
    }

    /// Reads characters as long as they are wanted.
    pub(super) fn eat_while(&mut self, is_wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|letter| !is_wanted(letter)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Reads something, or goes back to where it began.
    pub(super) fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.at;
        let found = read(self);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// Skips spaces, and reads something. Without it, only the spaces are read.
    pub(super) fn then<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.eat_while(|letter| letter == ' ');
        self.attempt(read)
    }

    /// Reads a part that errors can name.
    pub(super) fn part<T>(
        &mut self,
        part: Part,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let start = self.at;
        let before = self.expected.before(start);
        let found = self.attempt(read);
        if found.is_none() {
            self.expected.missing(part, start, before);
        }
        found
    }

    /// Reads a part that is these characters.
    pub(super) fn token(&mut self, part: Part, text: &str) -> Option<()> {
        self.part(part, |parser| parser.eat(text).then_some(()))
    }

    /// One step or more.
    pub(super) fn steps(&mut self) -> Option<Vec<Step>> {
        self.part(Part::Steps, |parser| {
            let mut steps = Vec::new();
            if !parser.step(&mut steps) {
                steps.push(parser.name().or_else(|| parser.all())?);
            }
            while parser.then(|parser| parser.step(&mut steps).then_some(())).is_some() {
                parser.steps += 1;
                if parser.steps > MAX_STEPS {
                    parser.is_too_complex = true;
                    return None;
                }
            }
            Some(steps)
        })
    }

    fn step(&mut self, steps: &mut Vec<Step>) -> bool {
        let step = self
            .attempt(|parser| parser.eat(".").then(|| parser.then(Self::name)).flatten())
            .or_else(|| self.attempt(|parser| parser.descent(steps)))
            .or_else(|| {
                self.attempt(|parser| parser.eat(".").then(|| parser.then(Self::all)).flatten())
            })
            .or_else(|| {
                self.attempt(|parser| {
                    parser.eat(".");
                    parser.then(Self::brackets)
                })
            });
        let is_there = step.is_some();
        steps.extend(step);
        is_there
    }

    /// `..`, and what is looked for.
    fn descent(&mut self, steps: &mut Vec<Step>) -> Option<Step> {
        self.token(Part::Descend, "..")?;
        let step = self
            .then(Self::name)
            .or_else(|| self.all())
            .or_else(|| self.attempt(Self::brackets))?;
        steps.push(Step::Descend);
        Some(step)
    }

    fn name(&mut self) -> Option<Step> {
        self.part(Part::Name, |parser| {
            let is_part =
                |letter: char| letter.is_ascii_alphanumeric() || "-_`~+#%$^/:".contains(letter);
            let name = parser.eat_while(is_part);
            (!name.is_empty()).then(|| Step::Names(vec![name.into()]))
        })
    }

    fn all(&mut self) -> Option<Step> {
        self.token(Part::All, "*").map(|()| Step::All)
    }

    fn brackets(&mut self) -> Option<Step> {
        self.eat("[").then_some(())?;
        let step = self.then(|parser| {
            parser
                .range()
                .or_else(|| parser.indices())
                .or_else(|| parser.names())
                .or_else(|| parser.all())
                .or_else(|| {
                    parser.eat("?").then_some(())?;
                    parser.then(Self::filter).map(Step::Filter)
                })
        })?;
        self.then(|parser| parser.eat("]").then_some(()))?;
        Some(step)
    }

    /// One or more of something, with commas between them.
    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = vec![read(self)?];
        while let Some(item) = self.then(|parser| {
            parser.eat(",").then_some(())?;
            parser.then(&mut read)
        }) {
            items.push(item);
        }
        Some(items)
    }

    fn names(&mut self) -> Option<Step> {
        let names = self.part(Part::NameList, |parser| {
            parser.list(|parser| parser.string().map(String::into_boxed_str))
        });
        names.map(Step::Names)
    }

    fn indices(&mut self) -> Option<Step> {
        self.part(Part::NumberList, |parser| parser.list(Self::number)).map(Step::Indices)
    }

    fn range(&mut self) -> Option<Step> {
        self.part(Part::Range, |parser| {
            parser
                .bounds(Part::FullRange, true, true)
                .or_else(|| parser.bounds(Part::RightRange, false, true))
                .or_else(|| parser.bounds(Part::AllRange, false, false))
                .or_else(|| parser.bounds(Part::LeftRange, true, false))
        })
    }

    fn bounds(&mut self, part: Part, has_start: bool, has_end: bool) -> Option<Step> {
        let colon = |parser: &mut Self| parser.eat(":").then_some(());
        self.part(part, |parser| {
            let start = if has_start { Some(parser.number()?) } else { None };
            parser.then(colon)?;
            let end = if has_end { Some(parser.then(Self::number)?) } else { None };
            let step = parser.then(|parser| {
                let step = parser.attempt(|parser| {
                    colon(parser)?;
                    parser.then(Self::positive_number)
                });
                step.or_else(|| colon(parser).map(|()| 1))
            });
            Some(Step::Range { start, end, step: step.unwrap_or(1) })
        })
    }

    /// An integer. One that does not fit is one that no array has.
    fn number(&mut self) -> Option<i64> {
        self.part(Part::Number, Self::digits).map(|digits| {
            let farthest = if digits.starts_with('-') { i64::MIN } else { i64::MAX };
            digits.parse().unwrap_or(farthest)
        })
    }

    /// The digits of an integer: no zero before others.
    pub(super) fn digits(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.eat("-");
        if !self.eat("0") {
            let digits = self.eat_while(|letter| letter.is_ascii_digit());
            (!digits.is_empty()).then_some(())?;
        }
        self.text.get(start..self.at)
    }

    fn positive_number(&mut self) -> Option<usize> {
        self.part(Part::PositiveNumber, |parser| {
            let digits = parser.eat_while(|letter| letter.is_ascii_digit());
            let is_positive = !digits.is_empty() && !digits.starts_with('0');
            is_positive.then(|| digits.parse().unwrap_or(usize::MAX))
        })
    }

    /// A text in single or double quotes, without the spaces at its beginning. A backslash stands before the quote or another
    /// backslash.
    pub(super) fn string(&mut self) -> Option<String> {
        self.quoted('\'').or_else(|| self.quoted('"'))
    }

    fn quoted(&mut self, quote: char) -> Option<String> {
        self.attempt(|parser| {
            let mut quotes = [0; 4];
            let quotes: &str = quote.encode_utf8(&mut quotes);
            parser.eat(quotes).then_some(())?;
            parser.eat_while(|letter| letter == ' ');
            let mut text = String::new();
            loop {
                text.push_str(parser.eat_while(|letter| letter != quote && letter != '\\'));
                if parser.eat(quotes) {
                    return Some(text);
                }
                parser.eat("\\").then_some(())?;
                let escaped = parser.rest().chars().next()?;
                (escaped == quote || escaped == '\\').then_some(())?;
                parser.at += escaped.len_utf8();
                text.push(escaped);
            }
        })
    }
}
