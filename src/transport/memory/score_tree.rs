//! The order of a sorted set: a tree that knows how many members each branch has, so that a rank is found as fast as a
//! score. It is balanced by weight (Adams 1992, with the factors 3 and 2 that Hirai and Yamamoto proved right).

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;

use super::steps;

#[derive(Default, Clone)]
pub(super) struct ScoreTree {
    root: Link,
}

type Link = Option<Box<Node>>;

#[derive(Clone)]
struct Node {
    score: f64,
    member: Bytes,
    left: Link,
    right: Link,
    size: usize,
}

/// How many times heavier one side of a node may be than the other.
const DELTA: usize = 3;
/// How many times heavier the inner branch of the heavier side may be than the outer one for one rotation to do.
const GAMMA: usize = 2;

impl ScoreTree {
    /// A tree of different members in any order.
    pub(super) fn new(mut members: Vec<(Bytes, f64)>) -> Self {
        members.sort_unstable_by(|(member, score), (other, of_other)| {
            compare(*score, member, *of_other, other)
        });
        let size = members.len();
        Self { root: balanced(&mut members.into_iter(), size) }
    }

    /// Adds a member that is not in the tree.
    pub(super) fn insert(&mut self, member: Bytes, score: f64) {
        insert(&mut self.root, Node { score, member, left: None, right: None, size: 1 });
    }

    /// Removes a member. Returns whether it was there with this score.
    pub(super) fn remove(&mut self, member: &[u8], score: f64) -> bool {
        remove(&mut self.root, member, score)
    }

    /// How many members there are before the first for which the predicate is false. The predicate must be false for all
    /// members after that one.
    pub(super) fn count_while(&self, holds: impl Fn(&Bytes, f64) -> bool) -> usize {
        let (mut count, mut link) = (0, &self.root);
        while let Some(node) = link {
            steps::count(1);
            link = if holds(&node.member, node.score) {
                count += size(&node.left) + 1;
                &node.right
            } else {
                &node.left
            };
        }
        count
    }

    /// The members at some ranks, in order.
    pub(super) fn range(&self, ranks: Range<usize>) -> Vec<(Bytes, f64)> {
        let mut found = Vec::with_capacity(ranks.len().min(size(&self.root)));
        collect(&self.root, 0, &ranks, &mut found);
        found
    }

    /// Removes the members at some ranks.
    pub(super) fn take(&mut self, ranks: Range<usize>) -> Vec<(Bytes, f64)> {
        let (before, rest) = split(self.root.take(), ranks.start);
        let (taken, after) = split(rest, ranks.len());
        self.root = merge(before, after);
        let mut members = Vec::with_capacity(size(&taken));
        drain(taken, &mut members);
        members
    }
}

/// 0 and -0 are one score, and no score is NaN.
fn compare(score: f64, member: &[u8], other: f64, of_other: &[u8]) -> Ordering {
    score.partial_cmp(&other).unwrap_or(Ordering::Equal).then_with(|| member.cmp(of_other))
}

fn size(link: &Link) -> usize {
    link.as_ref().map_or(0, |node| node.size)
}

fn weight(link: &Link) -> usize {
    size(link) + 1
}

fn balanced(members: &mut impl Iterator<Item = (Bytes, f64)>, count: usize) -> Link {
    if count == 0 {
        return None;
    }
    steps::count(1);
    let left = balanced(members, count / 2);
    let (member, score) = members.next()?;
    let right = balanced(members, count - count / 2 - 1);
    Some(Box::new(Node { score, member, left, right, size: count }))
}

fn insert(link: &mut Link, new: Node) {
    steps::count(1);
    let Some(node) = link else {
        *link = Some(Box::new(new));
        return;
    };
    match compare(new.score, &new.member, node.score, &node.member) {
        Ordering::Less => insert(&mut node.left, new),
        _ => insert(&mut node.right, new),
    }
    rebalance(node);
}

fn remove(link: &mut Link, member: &[u8], score: f64) -> bool {
    steps::count(1);
    let Some(node) = link else {
        return false;
    };
    let removed = match compare(score, member, node.score, &node.member) {
        Ordering::Less => remove(&mut node.left, member, score),
        Ordering::Greater => remove(&mut node.right, member, score),
        Ordering::Equal => {
            *link = merge(node.left.take(), node.right.take());
            return true;
        }
    };
    rebalance(node);
    removed
}

/// Balances a node after a member was added to or removed from one of its branches.
fn rebalance(node: &mut Box<Node>) {
    let (left, right) = (weight(&node.left), weight(&node.right));
    node.size = left + right - 1;
    if right > DELTA * left {
        if let Some(heavy) = &mut node.right
            && weight(&heavy.left) >= GAMMA * weight(&heavy.right)
        {
            rotate_right(heavy);
        }
        rotate_left(node);
    } else if left > DELTA * right {
        if let Some(heavy) = &mut node.left
            && weight(&heavy.right) >= GAMMA * weight(&heavy.left)
        {
            rotate_left(heavy);
        }
        rotate_right(node);
    }
}

fn rotate_left(node: &mut Box<Node>) {
    if let Some(mut right) = node.right.take() {
        node.right = right.left.take();
        node.size = size(&node.left) + size(&node.right) + 1;
        std::mem::swap(node, &mut right);
        node.left = Some(right);
        node.size = size(&node.left) + size(&node.right) + 1;
    }
}

fn rotate_right(node: &mut Box<Node>) {
    if let Some(mut left) = node.left.take() {
        node.left = left.right.take();
        node.size = size(&node.left) + size(&node.right) + 1;
        std::mem::swap(node, &mut left);
        node.right = Some(left);
        node.size = size(&node.left) + size(&node.right) + 1;
    }
}

/// Removes the first node of a tree.
fn take_first(link: &mut Link) -> Link {
    steps::count(1);
    let node = link.as_mut()?;
    if node.left.is_some() {
        let first = take_first(&mut node.left);
        rebalance(node);
        return first;
    }
    let mut first = link.take()?;
    *link = first.right.take();
    Some(first)
}

/// Joins two trees and a node between them.
fn join(left: Link, mut node: Box<Node>, right: Link) -> Box<Node> {
    steps::count(1);
    match (left, right) {
        (left, Some(mut right)) if right.size + 1 > DELTA * weight(&left) => {
            right.left = Some(join(left, node, right.left.take()));
            rebalance(&mut right);
            right
        }
        (Some(mut left), right) if left.size + 1 > DELTA * weight(&right) => {
            left.right = Some(join(left.right.take(), node, right));
            rebalance(&mut left);
            left
        }
        (left, right) => {
            node.size = size(&left) + size(&right) + 1;
            (node.left, node.right) = (left, right);
            node
        }
    }
}

/// Joins two trees, where all members of the first are before those of the second.
fn merge(left: Link, mut right: Link) -> Link {
    match take_first(&mut right) {
        Some(first) => Some(join(left, first, right)),
        None => left,
    }
}

/// Splits a tree into its first members, as many as given, and the others.
fn split(link: Link, at: usize) -> (Link, Link) {
    steps::count(1);
    let Some(mut node) = link else {
        return (None, None);
    };
    let (left, right) = (node.left.take(), node.right.take());
    if at <= size(&left) {
        let (first, rest) = split(left, at);
        (first, Some(join(rest, node, right)))
    } else {
        let (first, rest) = split(right, at - size(&left) - 1);
        (Some(join(left, node, first)), rest)
    }
}

fn collect(link: &Link, before: usize, ranks: &Range<usize>, found: &mut Vec<(Bytes, f64)>) {
    let Some(node) = link else {
        return;
    };
    steps::count(1);
    let rank = before + size(&node.left);
    if ranks.start < rank {
        collect(&node.left, before, ranks, found);
    }
    if ranks.contains(&rank) {
        found.push((node.member.clone(), node.score));
    }
    if ranks.end > rank + 1 {
        collect(&node.right, rank + 1, ranks, found);
    }
}

fn drain(link: Link, members: &mut Vec<(Bytes, f64)>) {
    if let Some(node) = link {
        steps::count(1);
        let Node { score, member, left, right, .. } = *node;
        drain(left, members);
        members.push((member, score));
        drain(right, members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the sizes and the balance of all nodes, and returns the size of the tree.
    fn checked(link: &Link) -> usize {
        let Some(node) = link else {
            return 0;
        };
        let (left, right) = (checked(&node.left), checked(&node.right));
        assert_eq!(node.size, left + right + 1);
        assert!(left < DELTA * (right + 1) && right < DELTA * (left + 1), "{left} {right}");
        node.size
    }

    #[test]
    fn random_changes_leave_it_in_order_and_balanced() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut tree = ScoreTree::default();
        let mut model: Vec<(Bytes, f64)> = Vec::new();
        let sort = |model: &mut Vec<(Bytes, f64)>| {
            model.sort_by(|(a, x), (b, y)| compare(*x, a, *y, b));
        };
        for _ in 0..3000 {
            match random.u8(..20) {
                0 => {
                    let start = random.usize(..=model.len());
                    let end = (start + random.usize(..8)).min(model.len());
                    let taken: Vec<_> = model.drain(start..end).collect();
                    assert_eq!(tree.take(start..end), taken);
                }
                1 => tree = ScoreTree::new(model.clone()),
                2..5 if !model.is_empty() => {
                    let (member, score) = model.swap_remove(random.usize(..model.len()));
                    assert!(tree.remove(&member, score));
                    assert!(!tree.remove(&member, score));
                    sort(&mut model);
                }
                _ => {
                    let member = Bytes::from(random.u32(..).to_string());
                    let score = f64::from(random.u8(..8));
                    if model.iter().all(|(other, _)| *other != member) {
                        tree.insert(member.clone(), score);
                        model.push((member, score));
                        sort(&mut model);
                    }
                }
            }
            assert_eq!(checked(&tree.root), model.len());
            let start = random.usize(..=model.len());
            let end = random.usize(start..=model.len());
            assert_eq!(tree.range(start..end), model[start..end]);
            let score = f64::from(random.u8(..8));
            let below = model.iter().filter(|(_, of)| *of < score).count();
            assert_eq!(tree.count_while(|_, of| of < score), below);
        }
        assert!(model.len() > 300, "{}", model.len());
    }
}
