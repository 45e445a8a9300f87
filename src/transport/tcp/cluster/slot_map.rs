//! Which server owns which slot.

use std::sync::Arc;

use super::node::{Address, Node};
use crate::{Error, ErrorKind, FromValue, Result, Value};

/// How many slots a cluster has.
const SLOTS: usize = 16384;
const NO_OWNER: u16 = u16::MAX;

/// The servers of the cluster and the slots of each primary, as a server has told them.
pub(super) struct SlotMap {
    /// Sorted by id.
    primaries: Vec<Member>,
    replicas: Vec<Member>,
    /// For each slot the position of its primary; [`NO_OWNER`] if no server serves it.
    owners: Vec<u16>,
}

/// A server with its id in the cluster.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) node: Arc<Node>,
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.node, &other.node)
    }
}

/// The role of a server in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Replica,
    /// The cluster does not name it.
    Stranger,
}

impl SlotMap {
    /// Before any server was asked.
    pub(super) fn empty() -> Self {
        Self { primaries: Vec::new(), replicas: Vec::new(), owners: vec![NO_OWNER; SLOTS] }
    }

    /// The map of these ranges. `node` gives the server of an address.
    pub(super) fn new(ranges: &[SlotRange], mut node: impl FnMut(&Address) -> Arc<Node>) -> Self {
        let mut member =
            |server: &Server| Member { id: server.id.clone(), node: node(&server.address) };
        let mut primaries: Vec<Member> =
            ranges.iter().map(|range| member(&range.primary)).collect();
        primaries.sort_by(|one, other| one.id.cmp(&other.id));
        primaries.dedup_by(|one, other| one.id == other.id);
        let mut replicas: Vec<Member> =
            ranges.iter().flat_map(|range| &range.replicas).map(member).collect();
        replicas.sort_by(|one, other| one.id.cmp(&other.id));
        replicas.dedup_by(|one, other| one.id == other.id);
        let mut owners = vec![NO_OWNER; SLOTS];
        for range in ranges {
            let at = primaries.binary_search_by(|member| member.id.cmp(&range.primary.id));
            // More primaries than slots cannot be.
            let at = at.ok().and_then(|at| u16::try_from(at).ok()).unwrap_or(NO_OWNER);
            owners[usize::from(range.first)..=usize::from(range.last)].fill(at);
        }
        Self { primaries, replicas, owners }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.primaries.is_empty()
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.primaries == other.primaries
            && self.replicas == other.replicas
            && self.owners == other.owners
    }

    /// The primary that serves a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        let at = *self.owners.get(usize::from(slot))?;
        self.primaries.get(usize::from(at)).map(|member| &member.node)
    }

    /// The primaries, sorted by id.
    pub(super) fn primaries(&self) -> &[Member] {
        &self.primaries
    }

    /// The primaries and the replicas.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.primaries.iter().chain(&self.replicas)
    }

    pub(super) fn role(&self, node: &Node) -> Role {
        let is_it = |member: &Member| std::ptr::eq(&*member.node, node);
        if self.primaries.iter().any(is_it) {
            Role::Primary
        } else if self.replicas.iter().any(is_it) {
            Role::Replica
        } else {
            Role::Stranger
        }
    }

    /// How many slots have an owner.
    pub(super) fn served(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NO_OWNER).count()
    }
}

/// A range of slots, both ends included, and who serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotRange {
    first: u16,
    last: u16,
    primary: Server,
    replicas: Vec<Server>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    id: String,
    address: Address,
}

impl SlotRange {
    /// The ranges in the reply to CLUSTER SLOTS. A server without a host is the one at `asked`.
    pub(super) fn all_in(reply: Value, asked: &str) -> Result<Vec<Self>> {
        Vec::<Vec<Value>>::from_value(reply)?
            .into_iter()
            .map(|range| Self::of(range, asked))
            .collect()
    }

    fn of(range: Vec<Value>, asked: &str) -> Result<Self> {
        let mut items = range.into_iter();
        let mut slot = || u16::from_value(items.next().unwrap_or_default());
        let (first, last) = (slot()?, slot()?);
        if first > last || usize::from(last) >= SLOTS {
            return Err(unreadable());
        }
        let mut servers = items.map(|server| Server::of(server, asked));
        let primary = servers.next().ok_or_else(unreadable)??;
        // A replica whose address is not known yet is left out.
        let replicas = servers.filter_map(Result::ok).collect();
        Ok(Self { first, last, primary, replicas })
    }
}

impl Server {
    fn of(server: Value, asked: &str) -> Result<Self> {
        let mut items = Vec::<Value>::from_value(server)?.into_iter();
        let host = Option::<String>::from_value(items.next().unwrap_or_default())?;
        let port = u16::from_value(items.next().unwrap_or_default())?;
        let id = Option::<String>::from_value(items.next().unwrap_or_default())?;
        let host = match host.as_deref() {
            None | Some("") => asked.to_owned(),
            // The server that was asked does not know the host of this one.
            Some("?") => return Err(unreadable()),
            Some(host) => host.to_owned(),
        };
        if port == 0 {
            return Err(unreadable());
        }
        // Servers before Redis 4 tell no id.
        let id = id.unwrap_or_else(|| format!("{host}:{port}"));
        Ok(Self { id, address: Address { host, port } })
    }
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Protocol, "the server's reply to CLUSTER SLOTS cannot be read")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::super::endpoint::Endpoint;
    use super::*;
    use crate::transport::tcp::pool::PoolSize;

    fn server(host: &str, port: i64, id: &str) -> Value {
        Value::Array(vec![
            Value::bulk(host.to_owned()),
            Value::Integer(port),
            Value::bulk(id.to_owned()),
        ])
    }

    fn range(first: i64, last: i64, servers: Vec<Value>) -> Value {
        Value::Array([vec![Value::Integer(first), Value::Integer(last)], servers].concat())
    }

    #[test]
    fn every_slot_has_the_owner_that_the_server_names() {
        let reply = Value::Array(vec![
            range(0, 99, vec![server("", 7001, "b"), server("10.0.0.2", 7002, "c")]),
            range(100, 100, vec![server("10.0.0.1", 7000, "a"), server("?", 7005, "d")]),
            range(200, 16383, vec![server("", 7001, "b")]),
        ]);
        let ranges = SlotRange::all_in(reply, "10.0.0.9").unwrap();
        let mut nodes = HashMap::new();
        let map = SlotMap::new(&ranges, |address| {
            let endpoint = Endpoint::parse("redis://h").unwrap();
            let size = PoolSize { most: 1, min_idle: 0 };
            let new = || Arc::new(Node::new(address.clone(), endpoint, size));
            Arc::clone(nodes.entry(address.clone()).or_insert_with(new))
        });
        let port = |slot| map.owner(slot).map(|node| node.address.port);
        assert_eq!([port(0), port(99), port(100)], [Some(7001), Some(7001), Some(7000)]);
        assert_eq!([port(101), port(200), port(16383)], [None, Some(7001), Some(7001)]);
        assert_eq!(port(16384), None);
        assert_eq!(map.served(), 16384 - 99);
        assert_eq!(map.owner(0).unwrap().address.host, "10.0.0.9");
        let ids: Vec<&str> = map.members().map(|member| &*member.id).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(map.role(&map.primaries()[0].node), Role::Primary);
        assert!(map.is_same(&map) && !map.is_same(&SlotMap::empty()));
    }

    #[test]
    fn a_malformed_range_of_slots_is_refused() {
        let one = || vec![server("h", 1, "a")];
        for reply in [
            range(5, 4, one()),
            range(0, 16384, one()),
            range(-1, 4, one()),
            range(0, 1, vec![]),
            range(0, 1, vec![server("?", 1, "a")]),
            range(0, 1, vec![server("h", 0, "a")]),
            Value::Integer(1),
        ] {
            assert!(SlotRange::all_in(Value::Array(vec![reply]), "h").is_err());
        }
    }
}
