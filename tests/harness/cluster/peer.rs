//! What a node says of the others: CLUSTER NODES.

/// What one node says of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) id: String,
    pub(super) port: u16,
    /// The id of its primary; `None` if it is a primary itself.
    pub(super) primary: Option<String>,
    pub(super) failing: bool,
    /// The node that says it has a link to this one.
    pub(super) linked: bool,
    pub(super) slots: Vec<(u16, u16)>,
}

/// A line of CLUSTER NODES.
pub(super) fn peer(line: &str) -> Option<Peer> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[id, address, flags, primary, ..] = words.as_slice() else { return None };
    let port = address.split('@').next()?.rsplit(':').next()?.parse().ok()?;
    let flag = |name: &str| flags.split(',').any(|flag| flag == name);
    // A slot that is on the move is listed in brackets.
    let slots = words.iter().skip(8).filter(|word| !word.starts_with('['));
    let slots = slots.filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    Some(Peer {
        id: id.to_owned(),
        port,
        primary: (primary != "-").then(|| primary.to_owned()),
        failing: ["fail", "fail?", "handshake", "noaddr"].into_iter().any(flag),
        linked: words.get(7) == Some(&"connected"),
        slots: slots.collect(),
    })
}
