//! SORT and SORT_RO. Compared with Redis 8 in the C locale.

use std::cmp::Ordering;

use bytes::Bytes;

use super::replies::length;
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::collections::{Hash, List};
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::{Data, Keyspace, wrong_type};
use crate::transport::memory::{number, steps};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "SORT" - 2 | db,
    args | sort(db, args, true),
    "SORT_RO" - 2 | db,
    args | sort(db, args, false),
];

struct Options<'a> {
    descending: bool,
    alpha: bool,
    start: i64,
    count: i64,
    by: Option<Pattern<'a>>,
    get: Vec<Pattern<'a>>,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, stores: bool) -> Result<Self> {
        let mut options = Self {
            descending: false,
            alpha: false,
            start: 0,
            count: -1,
            by: None,
            get: Vec::new(),
            store: None,
        };
        let mut at = 1;
        while at < args.len() {
            let left = args.len() - at - 1;
            match args.word(at).as_str() {
                "ASC" => options.descending = false,
                "DESC" => options.descending = true,
                "ALPHA" => options.alpha = true,
                "LIMIT" if left >= 2 => {
                    (options.start, options.count) = (args.int(at + 1)?, args.int(at + 2)?);
                    at += 2;
                }
                "STORE" if stores && left >= 1 => {
                    at += 1;
                    options.store = Some(args.at(at)?);
                }
                "BY" if left >= 1 => {
                    at += 1;
                    options.by = Some(Pattern::parse(args.at(at)?));
                }
                "GET" if left >= 1 => {
                    at += 1;
                    options.get.push(Pattern::parse(args.at(at)?));
                }
                _ => return Err(syntax()),
            }
            at += 1;
        }
        Ok(options)
    }
}

/// A pattern of BY or GET.
enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// Without `*`: no key.
    Constant,
    /// The key has the element in the place of the first `*`. It holds a string, or a hash with a field.
    Key { before: &'a [u8], after: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Self::Element;
        }
        let Some(star) = text.iter().position(|byte| *byte == b'*') else { return Self::Constant };
        let (before, rest) = (&text[..star], &text[star + 1..]);
        let arrow = rest.windows(2).position(|pair| pair == b"->");
        match arrow.filter(|arrow| arrow + 2 < rest.len()) {
            Some(arrow) => {
                Self::Key { before, after: &rest[..arrow], field: Some(&rest[arrow + 2..]) }
            }
            None => Self::Key { before, after: rest, field: None },
        }
    }

    fn look_up(&self, db: &mut Keyspace, element: &Bytes) -> Option<Bytes> {
        match self {
            Self::Element => Some(element.clone()),
            Self::Constant => None,
            Self::Key { before, after, field } => {
                let key = [before, &element[..], after].concat();
                match field {
                    Some(field) => {
                        // Its name is not among the command's keys.
                        db.settle(&key);
                        db.read::<Hash>(&key).ok()??.get(field).cloned()
                    }
                    None => db.read::<Bytes>(&key).ok()?.cloned(),
                }
            }
        }
    }
}

/// The elements to sort, in the order of a list or a sorted set; and whether the key is a set, which has no order.
fn elements(db: &Keyspace, key: &[u8]) -> Result<(Vec<Bytes>, bool)> {
    let Some(entry) = db.entry(key) else { return Ok((Vec::new(), false)) };
    db.note_use(entry);
    match &entry.data {
        Data::List(list) => Ok((list.range(0..list.len()).cloned().collect(), false)),
        Data::Set(set) => Ok((set.iter().cloned().collect(), true)),
        Data::SortedSet(set) => {
            let members = set.by_rank(0..set.len());
            steps::count(members.len());
            Ok((members.into_iter().map(|(member, _)| member).collect(), false))
        }
        _ => Err(wrong_type()),
    }
}

/// A text as C reads it, which ends at the first zero byte.
fn c_string(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn score(text: &[u8]) -> Result<f64> {
    let text = c_string(text);
    let score = match text {
        [] => Some(0.0),
        // What is too large for a float is no number.
        _ => number::float(text)
            .filter(|score| score.is_finite() || !text.iter().any(u8::is_ascii_digit)),
    };
    score.ok_or_else(|| Error::server("ERR One or more scores can't be converted into double"))
}

/// Sorts by the elements themselves or by what a pattern finds for them.
fn order(
    db: &mut Keyspace,
    elements: Vec<Bytes>,
    by: Option<&Pattern<'_>>,
    options: &Options<'_>,
) -> Result<Vec<Bytes>> {
    let mut weight = |element: &Bytes| match by {
        None => Some(element.clone()),
        Some(pattern) => pattern.look_up(db, element),
    };
    let direct = |order: Ordering| if options.descending { order.reverse() } else { order };
    if options.alpha {
        let mut weighed: Vec<_> =
            elements.into_iter().map(|element| (weight(&element), element)).collect();
        // What is stored is compared byte by byte.
        let part = |text: &Option<Bytes>| match (text, options.store) {
            (Some(text), None) => Some(text.slice_ref(c_string(text))),
            (text, _) => text.clone(),
        };
        weighed.sort_by(|(left, _), (right, _)| direct(part(left).cmp(&part(right))));
        return Ok(weighed.into_iter().map(|(_, element)| element).collect());
    }
    let mut weighed = Vec::with_capacity(elements.len());
    for element in elements {
        let score = weight(&element).map_or(Ok(0.0), |text| score(&text))?;
        weighed.push((score, element));
    }
    weighed.sort_by(|left, right| {
        let by_score = left.0.partial_cmp(&right.0).unwrap_or(Ordering::Equal);
        direct(by_score.then_with(|| left.1.cmp(&right.1)))
    });
    Ok(weighed.into_iter().map(|(_, element)| element).collect())
}

fn sort(db: &mut Keyspace, args: Args<'_>, stores: bool) -> Result<Value> {
    let options = Options::parse(args, stores)?;
    let (mut elements, is_set) = elements(db, args.at(0)?)?;
    let unsorted = matches!(options.by, Some(Pattern::Element | Pattern::Constant));
    if unsorted && is_set && options.store.is_some() {
        // So that the list does not depend on the order of a set.
        elements.sort();
        if options.descending {
            elements.reverse();
        }
    } else if !unsorted {
        elements = order(db, elements, options.by.as_ref(), &options)?;
    } else if options.descending && !is_set {
        elements.reverse();
    }
    let clamp = |number: i64| usize::try_from(number).unwrap_or(0).min(elements.len());
    let start = clamp(options.start);
    let end = match options.count {
        0.. => (start + clamp(options.count)).min(elements.len()),
        _ => elements.len(),
    };
    let sorted = elements.drain(start..end);
    let mut values = Vec::new();
    for element in sorted {
        if options.get.is_empty() {
            values.push(Some(element));
        } else {
            values.extend(options.get.iter().map(|pattern| pattern.look_up(db, &element)));
        }
    }
    let Some(target) = options.store else {
        return Ok(Value::Array(values.into_iter().map(Value::from).collect()));
    };
    let mut list = List::default();
    values.into_iter().for_each(|value| list.push_back(value.unwrap_or_default()));
    let count = list.len();
    db.put_collection(target, list);
    Ok(length(count))
}
