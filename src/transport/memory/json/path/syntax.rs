//! The parts of a path.

/// A step from values to values in them.
pub(super) enum Step {
    /// `..`: the value itself, and everything in it.
    Descend,
    /// `*`
    All,
    /// `.name` or `["name", …]`
    Names(Vec<Box<str>>),
    /// `[0, -1, …]`
    Indices(Vec<i64>),
    /// `[start:end:step]`
    Range { start: Option<i64>, end: Option<i64>, step: usize },
    /// `[?…]`
    Filter(Filter),
}

/// A filter holds if one of its lists of conditions holds. A list holds if all of its conditions do.
pub(super) struct Filter {
    pub(super) any: Vec<Vec<Condition>>,
}

pub(super) enum Condition {
    Nested(Filter),
    Exists(Term),
    Compare(Term, Operator, Term),
}

#[derive(Clone, Copy)]
pub(super) enum Operator {
    GreaterOrEqual,
    Greater,
    LessOrEqual,
    Less,
    Equal,
    NotEqual,
    /// `=~`: a regular expression finds something in a string.
    Matches,
}

pub(super) enum Term {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// `@…`
    Current(Vec<Step>),
    /// `$…`
    Root(Vec<Step>),
}
