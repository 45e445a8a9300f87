//! The heads and bodies that this process holds, so that a hit reads from Redis only the index.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

/// Heads and bodies by the hash of their content. An item never changes, so that none is out of date.
pub(super) struct Memory(Option<quick_cache::sync::Cache<String, (MemoryItem, u64), Weighter>>);

#[derive(Clone)]
enum MemoryItem {
    Head(Arc<HeaderMap>),
    Body(Bytes),
}

#[derive(Clone)]
struct Weighter;

impl quick_cache::Weighter<String, (MemoryItem, u64)> for Weighter {
    fn weight(&self, _: &String, (_, bytes): &(MemoryItem, u64)) -> u64 {
        *bytes
    }
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / 1024).unwrap_or(usize::MAX).clamp(16, 1 << 18);
        Self((bytes > 0).then(|| quick_cache::sync::Cache::with_weighter(items, bytes, Weighter)))
    }

    fn get(&self, name: &str) -> Option<MemoryItem> {
        Some(self.0.as_ref()?.get(name)?.0)
    }

    fn put(&self, name: &str, item: MemoryItem, bytes: usize) {
        // About what the map and the name take.
        const OVERHEAD: u64 = 200;
        if let Some(entries) = &self.0 {
            entries.insert(name.to_owned(), (item, OVERHEAD + bytes as u64));
        }
    }

    /// The head of this name. Where it is not held, `read` returns it and its size in bytes, and it is held from now on.
    pub(super) fn head_or(
        &self,
        name: &str,
        read: impl FnOnce() -> (HeaderMap, usize),
    ) -> Arc<HeaderMap> {
        if let Some(MemoryItem::Head(head)) = self.get(name) {
            return head;
        }
        let (head, bytes) = read();
        let head = Arc::new(head);
        self.put(name, MemoryItem::Head(Arc::clone(&head)), bytes);
        head
    }

    pub(super) fn body(&self, name: &str) -> Option<Bytes> {
        match self.get(name)? {
            MemoryItem::Body(body) => Some(body),
            MemoryItem::Head(_) => None,
        }
    }

    pub(super) fn put_body(&self, name: &str, body: &Bytes) {
        self.put(name, MemoryItem::Body(body.clone()), body.len());
    }
}
