//! The parts that the parser of paths expected where it could not go on, for the error.

/// A part of a path, in the order in which errors list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    End,
    Name,
    NameList,
    PositiveNumber,
    Number,
    Decimal,
    NumberList,
    Range,
    RightRange,
    AllRange,
    LeftRange,
    FullRange,
    FromCurrent,
    FromRoot,
    GreaterOrEqual,
    Greater,
    LessOrEqual,
    Less,
    Equal,
    NotEqual,
    Matches,
    True,
    False,
    Null,
    Comparison,
    And,
    Or,
    Filter,
    All,
    Descend,
    Steps,
}

impl Part {
    /// RedisJSON's name of the part.
    fn label(self) -> &'static str {
        match self {
            Self::End => "EOI",
            Self::Name => "<string>",
            Self::NameList => "'<string>[,<string>,...]'",
            Self::PositiveNumber => "pos_number",
            Self::Number => "'<number>'",
            Self::Decimal => "decimal",
            Self::NumberList => "'<number>[,<number>,...]'",
            Self::Range => "['start:end:steps']",
            Self::RightRange => "right_range",
            Self::AllRange => "all_range",
            Self::LeftRange => "left_range",
            Self::FullRange => "full_range",
            Self::FromCurrent => "from_current",
            Self::FromRoot => "from_root",
            Self::GreaterOrEqual => "ge",
            Self::Greater => "gt",
            Self::LessOrEqual => "le",
            Self::Less => "lt",
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Matches => "re",
            Self::True => "boolean_true",
            Self::False => "boolean_false",
            Self::Null => "null",
            Self::Comparison => "single_filter",
            Self::And => "and",
            Self::Or => "or",
            Self::Filter => "'[?(filter_expression)]'",
            Self::All => "'*'",
            Self::Descend => "'..'",
            Self::Steps => "root",
        }
    }
}

/// The parts that were tried and not found at the farthest position. As in RedisJSON, a part stands for the parts in it if
/// several of them were tried at its own beginning.
#[derive(Default)]
pub(super) struct Expected {
    position: usize,
    parts: Vec<Part>,
}

/// The expected parts before a part was tried.
#[derive(Clone, Copy)]
pub(super) struct Before {
    kept: usize,
    attempts: usize,
}

impl Expected {
    pub(super) fn before(&self, position: usize) -> Before {
        let attempts = self.attempts_at(position);
        Before { kept: attempts, attempts }
    }

    fn attempts_at(&self, position: usize) -> usize {
        if position == self.position { self.parts.len() } else { 0 }
    }

    /// Records that a part is not at a position.
    pub(super) fn missing(&mut self, part: Part, position: usize, before: Before) {
        if self.attempts_at(position).saturating_sub(before.attempts) == 1 {
            return;
        }
        if position == self.position {
            self.parts.truncate(before.kept);
        }
        if position > self.position {
            self.parts.clear();
            self.position = position;
        }
        if position == self.position {
            self.parts.push(part);
        }
    }

    /// The error of a path that cannot be read.
    pub(super) fn message(mut self, path: &str) -> String {
        self.parts.sort_unstable();
        self.parts.dedup();
        let labels: Vec<_> = self.parts.iter().map(|part| part.label()).collect();
        let (read, rest) = path.split_at_checked(self.position).unwrap_or((path, ""));
        let place = match rest {
            "" => format!("{read} <<<<----"),
            _ => format!("{read} ---->>>> {rest}"),
        };
        let expected = match labels.is_empty() {
            true => "parsing error".to_owned(),
            false => format!("expected one of the following: {}", labels.join(", ")),
        };
        format!("Error occurred on position {}, \"{place}\", {expected}.", self.position)
    }
}
