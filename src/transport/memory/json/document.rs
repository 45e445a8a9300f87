//! A document: the value of a key, and how much memory it takes.

use super::path::{Key, Place};
use super::value::{Json, member_bytes};
use super::writing::TOO_LARGE;
use crate::{Error, Result};

/// The most containers in each other, as for texts that are read.
const MAX_DEPTH: usize = 127;
/// The most bytes that one command may add to a document at all its places together.
const MAX_ADDED: usize = if cfg!(target_arch = "wasm32") { 64 << 20 } else { 512 << 20 };

/// The message of `serde_json` for a text that nests too many containers.
const TOO_DEEP: &str = "recursion limit exceeded";

/// A document. It counts its bytes as it changes, so that a small change of a large document takes little time.
#[derive(Clone, Default)]
pub(in crate::transport::memory) struct Document {
    root: Json,
    bytes: usize,
}

impl Document {
    pub(in crate::transport::memory) fn new(root: Json) -> Self {
        Self { bytes: root.bytes(), root }
    }

    pub(in crate::transport::memory) fn root(&self) -> &Json {
        &self.root
    }

    /// About how many bytes of memory it takes.
    pub(in crate::transport::memory) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The value at a place, if there still is one.
    pub(in crate::transport::memory) fn get(&self, place: &[Key]) -> Option<&Json> {
        place.iter().try_fold(&self.root, |value, key| match (value, key) {
            (Json::Object(members), Key::Name(name)) => members.get(name),
            (Json::Array(items), Key::Index(index)) => items.get(*index),
            _ => None,
        })
    }

    fn get_mut(&mut self, place: &[Key]) -> Option<&mut Json> {
        place.iter().try_fold(&mut self.root, |value, key| match (value, key) {
            (Json::Object(members), Key::Name(name)) => members.get_mut(name),
            (Json::Array(items), Key::Index(index)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// Changes the value at a place. The function is given a count of bytes, which it adjusts for what it adds and removes.
    pub(in crate::transport::memory) fn change<R>(
        &mut self,
        place: &[Key],
        change: impl FnOnce(&mut Json, &mut usize) -> R,
    ) -> Option<R> {
        let mut bytes = self.bytes;
        let result = change(self.get_mut(place)?, &mut bytes);
        self.bytes = bytes;
        Some(result)
    }

    /// Sets the value at a place. Returns whether the place is still there.
    pub(in crate::transport::memory) fn set(&mut self, place: &[Key], new: Json) -> bool {
        let set = |value: &mut Json, bytes: &mut usize| {
            *bytes = (*bytes + new.bytes()).saturating_sub(value.bytes());
            *value = new;
        };
        self.change(place, set).is_some()
    }

    /// Adds a member to the object at a place. Returns whether there is such an object and the member is a new one.
    pub(in crate::transport::memory) fn add(
        &mut self,
        place: &[Key],
        name: &str,
        new: Json,
    ) -> bool {
        let add = |value: &mut Json, bytes: &mut usize| match value {
            Json::Object(members) if !members.contains_key(name) => {
                *bytes += member_bytes(name, &new);
                members.insert(name.into(), new);
                true
            }
            _ => false,
        };
        self.change(place, add).unwrap_or(false)
    }

    /// Removes the values at places in removal order, and returns how many there were. The root stays.
    pub(in crate::transport::memory) fn remove(&mut self, places: &[Place]) -> usize {
        let container = |place: &Place| place.split_last().map_or(0, |(_, outer)| outer.len());
        let siblings = |left: &Place, right: &Place| {
            let length = container(left);
            left.len() == right.len() && left[..length] == right[..length]
        };
        let mut removed = 0;
        for places in places.chunk_by(siblings) {
            let Some((_, container)) = places.first().and_then(|place| place.split_last()) else {
                continue;
            };
            let keys = places.iter().filter_map(|place| place.last());
            let here = self.change(container, |value, bytes| remove_from(value, keys, bytes));
            removed += here.unwrap_or(0);
        }
        removed
    }

    /// Merges a value into the one at a place (RFC 7396). Returns whether the place is still there.
    pub(in crate::transport::memory) fn merge(&mut self, place: &[Key], patch: &Json) -> bool {
        let merge_here = |value: &mut Json, bytes: &mut usize| merge(value, patch, bytes);
        self.change(place, merge_here).is_some()
    }

    /// Refuses to put a value at places where it would lie too deep, or would take too much memory in all.
    pub(in crate::transport::memory) fn check_room<'a>(
        places: impl ExactSizeIterator<Item = &'a Place>,
        new: &Json,
        below: usize,
    ) -> Result<()> {
        let count = places.len();
        let deepest = places.map(|place| place.len()).max().unwrap_or(0);
        if deepest + below + new.depth() > MAX_DEPTH {
            return Err(Error::server(TOO_DEEP));
        }
        if count > 1 && new.bytes().saturating_mul(count) > MAX_ADDED {
            return Err(Error::server(TOO_LARGE));
        }
        Ok(())
    }
}

/// Removes values from one container, and returns how many there were. The indices fall.
fn remove_from<'a>(
    container: &mut Json,
    keys: impl Iterator<Item = &'a Key>,
    bytes: &mut usize,
) -> usize {
    match container {
        Json::Object(members) => {
            let mut removed = 0;
            for key in keys {
                let Key::Name(name) = key else { continue };
                if let Some(value) = members.swap_remove(name) {
                    *bytes = bytes.saturating_sub(member_bytes(name, &value));
                    removed += 1;
                }
            }
            removed
        }
        Json::Array(items) => {
            let index = |key: &Key| match key {
                Key::Index(index) => Some(*index),
                Key::Name(_) => None,
            };
            let mut indices: Vec<usize> = keys.filter_map(index).collect();
            let (before, mut position) = (items.len(), 0);
            items.retain(|value| {
                let goes = indices.last() == Some(&position);
                if goes {
                    indices.pop();
                    *bytes = bytes.saturating_sub(value.bytes());
                }
                position += 1;
                !goes
            });
            before - items.len()
        }
        _ => 0,
    }
}

fn merge(value: &mut Json, patch: &Json, bytes: &mut usize) {
    let Json::Object(changes) = patch else {
        *bytes = (*bytes + patch.bytes()).saturating_sub(value.bytes());
        *value = patch.clone();
        return;
    };
    if !matches!(value, Json::Object(_)) {
        let empty = Json::Object(Box::default());
        *bytes = (*bytes + empty.bytes()).saturating_sub(value.bytes());
        *value = empty;
    }
    let Json::Object(members) = value else { return };
    for (name, change) in changes.iter() {
        if matches!(change, Json::Null) {
            if let Some(old) = members.swap_remove(name) {
                *bytes = bytes.saturating_sub(member_bytes(name, &old));
            }
            continue;
        }
        let member = members.entry(name.clone()).or_insert_with(|| {
            *bytes += member_bytes(name, &Json::Null);
            Json::Null
        });
        merge(member, change, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::memory::json::{Budget, Path, in_removal_order};

    fn document(text: &str) -> Document {
        Document::new(Json::read(text).expect("it is JSON"))
    }

    fn places(document: &Document, path: &str) -> Vec<Place> {
        let path = Path::parse(path).expect("it is a path");
        let found = path.find_places(document.root(), &Budget::new()).expect("it is little work");
        found.into_iter().map(|found| found.place).collect()
    }

    fn text(document: &Document) -> String {
        let text = crate::transport::memory::json::Writer::compact(document.root());
        String::from_utf8(text.expect("it is short")).expect("it is text")
    }

    #[test]
    fn what_several_steps_find_is_removed_once() {
        for (path, left, count) in [
            ("$.l[2,0,2]", r#"{"l":[2,4],"o":{"a":1,"b":{"a":2}}}"#, 2),
            ("$..a", r#"{"l":[1,2,3,4],"o":{"b":{}}}"#, 2),
            ("$.l[1:3]", r#"{"l":[1,4],"o":{"a":1,"b":{"a":2}}}"#, 2),
            ("$..*", "{}", 2),
            ("$.o[?(@.a==2)]", r#"{"l":[1,2,3,4],"o":{"a":1}}"#, 1),
        ] {
            let mut document = document(r#"{"l":[1,2,3,4],"o":{"a":1,"b":{"a":2}}}"#);
            let places = in_removal_order(places(&document, path));
            assert_eq!(document.remove(&places), count, "{path}");
            assert_eq!(text(&document), left, "{path}");
            assert_eq!(document.bytes(), document.root().bytes(), "{path}");
        }
    }

    #[test]
    fn many_elements_are_removed_in_one_pass() {
        let items: Vec<String> = (0..200_000).map(|number| number.to_string()).collect();
        let mut document = document(&format!("[{}]", items.join(",")));
        let places = in_removal_order(places(&document, "$[:100000]"));
        assert_eq!(document.remove(&places), 100_000);
        assert_eq!(document.root().length(), Some(100_000));
        assert_eq!(document.bytes(), document.root().bytes());
    }

    #[test]
    fn its_bytes_are_counted_as_it_changes() {
        let mut document = document(r#"{"a":{"b":[1,"two"]},"c":null}"#);
        let patches = [r#"{"a":{"b":null,"n":{"x":1}}}"#, r#"{"c":{"d":"e"}}"#, "[1]", "{}", "7"];
        for patch in patches {
            assert!(document.merge(&[], &Json::read(patch).expect("it is JSON")));
            assert_eq!(document.bytes(), document.root().bytes(), "{patch}");
        }
        assert!(document.set(&[], Json::Object(Box::default())));
        assert!(document.add(&[], "name", Json::String("value".to_owned())));
        assert!(!document.add(&[], "name", Json::Null));
        assert_eq!(document.bytes(), document.root().bytes());
    }
}
