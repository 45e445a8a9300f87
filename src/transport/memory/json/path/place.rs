//! Where a value lies in its document.

use std::cmp::Ordering;

use crate::transport::memory::json::Json;

/// A step from a container to one of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport::memory) enum Key {
    Name(Box<str>),
    Index(usize),
}

/// The steps from the root to a value.
pub(in crate::transport::memory) type Place = Vec<Key>;

/// A value that a path has found.
pub(in crate::transport::memory) struct Found<'a> {
    pub(in crate::transport::memory) value: &'a Json,
    /// Empty if the search was not asked for places.
    pub(in crate::transport::memory) place: Place,
}

impl Key {
    /// In the order in which RedisJSON removes values: names before indices, greater indices before smaller ones. It takes a
    /// name of digits for an index.
    fn removal_order(&self, other: &Self) -> Ordering {
        match (self.index(), other.index()) {
            (Some(left), Some(right)) => right.cmp(&left),
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (None, None) => self.name().cmp(other.name()),
        }
    }

    fn index(&self) -> Option<usize> {
        match self {
            Self::Name(name) => name.parse().ok(),
            Self::Index(index) => Some(*index),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Index(_) => "",
        }
    }
}

/// Sorts places so that a change at one of them leaves the later ones where they are, and drops those that lie inside others or
/// are there twice.
pub(in crate::transport::memory) fn in_removal_order(mut places: Vec<Place>) -> Vec<Place> {
    places.sort_by(|left, right| {
        let differ = left.iter().zip(right).map(|(left, right)| left.removal_order(right));
        // A container stands before what it holds.
        differ.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
    });
    let mut kept: Vec<Place> = Vec::with_capacity(places.len());
    for place in places {
        let holds = |outer: &Place| place.starts_with(outer);
        if !kept.last().is_some_and(holds) {
            kept.push(place);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        let key = |word: &str| match word.parse() {
            Ok(index) => Key::Index(index),
            Err(_) => Key::Name(word.into()),
        };
        text.split_whitespace().map(key).collect()
    }

    #[test]
    fn what_lies_inside_another_place_goes_with_it() {
        let places = ["a 0 b", "a 2", "c", "a 0", "a 2", "a 10", "b x", "a 1 z", "ab"];
        let sorted = in_removal_order(places.map(place).to_vec());
        let expected = ["a 10", "a 2", "a 1 z", "a 0", "ab", "b x", "c"];
        assert_eq!(sorted, expected.map(place));
    }
}
