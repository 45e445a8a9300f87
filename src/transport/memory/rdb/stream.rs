//! Streams: entries in listpacks, and groups of consumers with what they have not acknowledged.

use bytes::Bytes;

use super::kind;
use super::lengths::{put_length, put_string};
use super::listpack::{Builder, Listpack};
use super::reader::{Failure, Reader, malformed};
use crate::transport::memory::stream::{Consumer, Fields, Group, Pending, Stream, StreamId};

/// An entry was deleted.
const DELETED: i64 = 1;
/// An entry has the fields of the first one of its node.
const SAME_FIELDS: i64 = 2;

/// A node ends with this many entries, or with the entry that reaches this many bytes, as in Redis by default.
const NODE_ENTRIES: usize = 100;
const NODE_BYTES: usize = 4096;

/// Means that the number of entries that a group has read is not known.
const UNKNOWN: u64 = u64::MAX;

/// Whether a consumer was active at another time than it was seen, which the older encoding does not tell.
pub(super) fn has_activity(stream: &Stream) -> bool {
    let mut consumers = stream.groups.values().flat_map(|group| group.consumers.values());
    consumers.any(|consumer| consumer.active_at != Some(consumer.seen_at))
}

pub(super) fn put(out: &mut Vec<u8>, stream: &Stream) {
    let with_activity = has_activity(stream);
    let mut nodes = Vec::new();
    let mut count = 0;
    let mut entries = stream.range(StreamId::MIN..=StreamId::MAX).peekable();
    while entries.peek().is_some() {
        put_node(&mut nodes, &mut entries);
        count += 1;
    }
    put_length(out, count);
    out.append(&mut nodes);
    put_length(out, stream.len() as u64);
    put_id(out, stream.last_id);
    put_id(out, stream.first_id().unwrap_or(StreamId::MIN));
    put_id(out, stream.max_deleted_id);
    put_length(out, stream.entries_added);
    put_length(out, stream.groups.len() as u64);
    for (name, group) in &stream.groups {
        put_string(out, name);
        put_group(out, group, with_activity);
    }
}

/// Writes the entries of one node.
fn put_node<'a>(
    out: &mut Vec<u8>,
    entries: &mut std::iter::Peekable<impl Iterator<Item = (StreamId, &'a Fields)>>,
) {
    let Some((first, master)) = entries.peek().copied() else { return };
    let has_same_fields = |fields: &Fields| {
        fields.len() == master.len()
            && fields.iter().zip(master.iter()).all(|((field, _), (other, _))| field == other)
    };
    let mut taken = Vec::new();
    let mut bytes = 0;
    while taken.len() < NODE_ENTRIES && bytes < NODE_BYTES {
        let Some((id, fields)) = entries.next() else { break };
        bytes += fields.iter().map(|(field, value)| field.len() + value.len() + 4).sum::<usize>();
        taken.push((id, fields));
    }
    let mut node = Builder::new();
    node.integer(taken.len() as i64);
    node.integer(0);
    node.integer(master.len() as i64);
    for (field, _) in master.iter() {
        node.text(field);
    }
    node.integer(0);
    for (id, fields) in taken {
        let same = has_same_fields(fields);
        node.integer(if same { SAME_FIELDS } else { 0 });
        node.integer(id.millis.wrapping_sub(first.millis) as i64);
        node.integer(id.sequence.wrapping_sub(first.sequence) as i64);
        // The number of the elements of this entry, for those who read backward.
        let mut elements = 3 + fields.len();
        if !same {
            node.integer(fields.len() as i64);
            elements += fields.len() + 1;
        }
        for (field, value) in fields.iter() {
            if !same {
                node.text(field);
            }
            node.text(value);
        }
        node.integer(elements as i64);
    }
    put_length(out, 16);
    out.extend(raw_id(first));
    let node = node.finish();
    put_length(out, node.len() as u64);
    out.extend(node);
}

fn put_group(out: &mut Vec<u8>, group: &Group, with_activity: bool) {
    put_id(out, group.last_id);
    put_length(out, group.entries_read.unwrap_or(UNKNOWN));
    put_length(out, group.pending.len() as u64);
    for (id, pending) in &group.pending {
        out.extend(raw_id(*id));
        out.extend(pending.delivered_at.to_le_bytes());
        put_length(out, pending.deliveries);
    }
    put_length(out, group.consumers.len() as u64);
    for (name, consumer) in &group.consumers {
        put_string(out, name);
        out.extend(consumer.seen_at.to_le_bytes());
        if with_activity {
            let active_at = consumer.active_at.and_then(|at| i64::try_from(at).ok());
            out.extend(active_at.unwrap_or(-1).to_le_bytes());
        }
        put_length(out, consumer.pending.len() as u64);
        for id in &consumer.pending {
            out.extend(raw_id(*id));
        }
    }
}

fn put_id(out: &mut Vec<u8>, id: StreamId) {
    put_length(out, id.millis);
    put_length(out, id.sequence);
}

/// An id in the order of bytes that sorts as ids do.
fn raw_id(id: StreamId) -> [u8; 16] {
    ((u128::from(id.millis) << 64) | u128::from(id.sequence)).to_be_bytes()
}

fn id_of(raw: [u8; 16]) -> StreamId {
    let both = u128::from_be_bytes(raw);
    StreamId::new((both >> 64) as u64, both as u64)
}

fn read_id(reader: &mut Reader<'_>) -> Result<StreamId, Failure> {
    Ok(StreamId::new(reader.length()?, reader.length()?))
}

/// Reads a stream of one of its three encodings.
pub(super) fn read(reader: &mut Reader<'_>, encoding: u8) -> Result<Stream, Failure> {
    let mut stream = Stream::default();
    for _ in 0..reader.count()? {
        let key = reader.string()?;
        let Ok(raw) = <[u8; 16]>::try_from(&key[..]) else {
            return malformed("a node of a stream has no id");
        };
        read_node(&mut stream, id_of(raw), reader.string()?)?;
    }
    if reader.length()? != stream.len() as u64 {
        return malformed("a stream has other entries than it counts");
    }
    let newest = stream.newest_id().unwrap_or(StreamId::MIN);
    stream.last_id = read_id(reader)?;
    if stream.last_id < newest {
        return malformed("a stream has entries after its last id");
    }
    stream.entries_added = stream.len() as u64;
    if encoding != kind::STREAM {
        // The first id is known.
        read_id(reader)?;
        stream.max_deleted_id = read_id(reader)?;
        stream.entries_added = reader.length()?;
        if stream.entries_added < stream.len() as u64 {
            return malformed("a stream has more entries than were ever added");
        }
    }
    for _ in 0..reader.count()? {
        let name = reader.string()?;
        let mut group = read_group(reader, encoding)?;
        if encoding == kind::STREAM {
            group.entries_read = stream.entries_up_to(group.last_id);
        }
        if stream.groups.insert(name, group).is_some() {
            return malformed("a stream has a group twice");
        }
    }
    Ok(stream)
}

fn read_node(stream: &mut Stream, first: StreamId, node: Bytes) -> Result<(), Failure> {
    let mut node = Listpack::new(node)?;
    let (mut live, mut deleted) = (node.integer()?, node.integer()?);
    let count = field_count(&mut node)?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(node.bytes()?);
    }
    if node.integer()? != 0 {
        return malformed("a node of a stream has another head than it says");
    }
    while node.left() > 0 {
        let flags = node.integer()?;
        let (millis, sequence) = (node.integer()?, node.integer()?);
        let id = StreamId::new(
            first.millis.wrapping_add(millis as u64),
            first.sequence.wrapping_add(sequence as u64),
        );
        let mut fields = Vec::new();
        if flags & SAME_FIELDS != 0 {
            for name in &names {
                fields.push((name.clone(), node.bytes()?));
            }
        } else {
            for _ in 0..field_count(&mut node)? {
                fields.push((node.bytes()?, node.bytes()?));
            }
        }
        // For those who read backward.
        node.integer()?;
        if flags & DELETED != 0 {
            deleted = deleted.wrapping_sub(1);
            continue;
        }
        live = live.wrapping_sub(1);
        let is_next = stream.newest_id().is_none_or(|newest| newest < id);
        if !is_next || id == StreamId::MIN {
            return malformed("a stream has entries that are not in order");
        }
        stream.append(id, fields.into());
    }
    match (live, deleted) {
        (0, 0) => Ok(()),
        _ => malformed("a node of a stream has other entries than it counts"),
    }
}

/// How many fields follow, or how many values.
fn field_count(node: &mut Listpack) -> Result<usize, Failure> {
    match usize::try_from(node.integer()?) {
        Ok(count) if count <= node.left() => Ok(count),
        _ => malformed("an entry of a stream has fewer fields than it counts"),
    }
}

fn read_group(reader: &mut Reader<'_>, encoding: u8) -> Result<Group, Failure> {
    let last_id = read_id(reader)?;
    let entries_read = match encoding {
        kind::STREAM => UNKNOWN,
        _ => reader.length()?,
    };
    let mut group = Group::new(last_id, Some(entries_read).filter(|read| *read != UNKNOWN));
    for _ in 0..reader.count()? {
        let id = id_of(reader.array()?);
        let delivered_at = reader.millis()?.unwrap_or(0);
        let deliveries = reader.length()?;
        let pending = Pending { consumer: Bytes::new(), delivered_at, deliveries };
        if group.pending.insert(id, pending).is_some() {
            return malformed("a group has a pending entry twice");
        }
    }
    let mut owned = 0;
    for _ in 0..reader.count()? {
        let name = reader.string()?;
        let seen_at = reader.millis()?.unwrap_or(0);
        let active_at = match encoding {
            kind::STREAM_3 => reader.millis()?,
            _ => Some(seen_at),
        };
        let mut consumer = Consumer { seen_at, active_at, ..Consumer::default() };
        for _ in 0..reader.count()? {
            let id = id_of(reader.array()?);
            let Some(pending) = group.pending.get_mut(&id) else {
                return malformed("a consumer has an entry that is not pending");
            };
            pending.consumer = name.clone();
            owned += usize::from(consumer.pending.insert(id));
        }
        if group.consumers.insert(name, consumer).is_some() {
            return malformed("a group has a consumer twice");
        }
    }
    // Each pending entry has one consumer: as many owners as entries, and none of them was replaced.
    let is_owned = |(id, pending): (&StreamId, &Pending)| {
        let owner = group.consumers.get(&pending.consumer);
        owner.is_some_and(|owner| owner.pending.contains(id))
    };
    match owned == group.pending.len() && group.pending.iter().all(is_owned) {
        true => Ok(group),
        false => malformed("a pending entry has no consumer, or more than one"),
    }
}
