//! SCAN over a cluster: one primary after the other.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::batch::{Call, Connections, run};
use super::destination::Target;
use super::node::Node;
use super::topology::Topology;
use crate::command::Command;
use crate::transport::Results;
use crate::{Error, ErrorKind, FromValue, Result, Value};

/// Where a scan stands, as text: `0`, or the cursor of a primary, `@`, its id, `@`, and the layout when the scan began.
struct Place {
    cursor: String,
    id: String,
    layout: u64,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('@');
        let (cursor, id, layout) = (parts.next()?, parts.next()?, parts.next()?);
        let layout = u64::from_str_radix(layout, 16).ok()?;
        Some(Self { cursor: cursor.to_owned(), id: id.to_owned(), layout })
    }

    fn write(&self) -> String {
        format!("{}@{}@{:x}", self.cursor, self.id, self.layout)
    }
}

/// One step of SCAN. When it begins and when it ends, the primaries are asked for their slots. If slots have moved meanwhile,
/// keys may have been missed, so the scan ends with an error.
pub(super) async fn scan(topology: &Arc<Topology>, command: &Command) -> Result<Value> {
    let given = command.get(0).map(String::from_utf8_lossy).unwrap_or_default();
    let place = match &*given {
        "0" => {
            let layout = layout(topology).await?;
            let slots = topology.slots();
            let first = slots.primaries().first().ok_or_else(changed)?;
            Place { cursor: "0".to_owned(), id: first.id.clone(), layout }
        }
        text => Place::read(text).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "this cursor does not come from a SCAN of a cluster",
            )
        })?,
    };
    let slots = topology.known_slots().await?;
    let at = slots.primaries().binary_search_by(|member| member.id.cmp(&place.id));
    let at = at.map_err(|_| changed())?;
    let step = Command::new("SCAN").arg(&place.cursor).args_from(command.args().skip(1));
    let page = ask(topology, &slots.primaries()[at].node, &[step]).await.remove(0)?;
    let (cursor, keys) = <(String, Value)>::from_value(page)?;
    let next = match (&*cursor, slots.primaries().get(at + 1)) {
        ("0", Some(next)) => Place { cursor, id: next.id.clone(), ..place },
        ("0", None) => {
            if layout(topology).await? != place.layout {
                return Err(changed());
            }
            return Ok(Value::Array(vec![Value::bulk("0"), keys]));
        }
        _ => Place { cursor, ..place },
    };
    Ok(Value::Array(vec![Value::bulk(next.write()), keys]))
}

/// The replies of one server.
async fn ask(topology: &Arc<Topology>, node: &Arc<Node>, commands: &[Command]) -> Results {
    let call = |command| Call::new(command, Target::Node(Arc::clone(node)));
    let mut calls: Vec<Call<'_>> = commands.iter().map(call).collect();
    run(topology, &mut calls, Connections::Shared).await;
    calls.into_iter().map(Call::into_result).collect()
}

/// A number that changes when slots move, or when a primary restarts and orders its keys anew.
async fn layout(topology: &Arc<Topology>) -> Result<u64> {
    let slots = topology.known_slots().await?;
    let questions = [Command::new("CLUSTER").arg("NODES"), Command::new("INFO").arg("server")];
    let own = slots.primaries().iter().map(async |member| {
        let mut answers = ask(topology, &member.node, &questions).await.into_iter();
        let mut text =
            || answers.next().unwrap_or_else(|| Err(changed())).and_then(String::from_value);
        let nodes = text()?;
        // A user may not be allowed to ask for it.
        let info = text().unwrap_or_default();
        let run = info.lines().find(|line| line.starts_with("run_id:")).unwrap_or_default();
        Ok::<_, Error>((own_slots(&nodes)?, run.to_owned()))
    });
    let own: Vec<(OwnSlots, String)> = try_join_all(own).await?;
    if own.iter().map(|(slots, _)| slots.count).sum::<usize>() != slots.served() {
        topology.refresh_if_older(Duration::ZERO);
        return Err(changed());
    }
    let mut hasher = DefaultHasher::new();
    own.hash(&mut hasher);
    Ok(hasher.finish())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OwnSlots {
    id: String,
    epoch: String,
    ranges: Vec<String>,
    count: usize,
}

/// The slots that a primary reports for itself in its reply to CLUSTER NODES. It is an error if one of them is on its way.
fn own_slots(nodes: &str) -> Result<OwnSlots> {
    let own = nodes
        .lines()
        .find(|line| line.split(' ').nth(2).is_some_and(|flags| flags.contains("myself")));
    let fields: Vec<&str> = own.unwrap_or_default().split_whitespace().collect();
    let [id, _, flags, _, _, _, epoch, _, ranges @ ..] = &fields[..] else { return Err(changed()) };
    if !flags.split(',').any(|flag| flag == "master")
        || ranges.iter().any(|range| range.starts_with('['))
    {
        return Err(changed());
    }
    let mut count = 0;
    for range in ranges {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<usize>().map_err(|_| changed());
        count += (number(last)? + 1).saturating_sub(number(first)?);
    }
    let ranges = ranges.iter().map(|range| (*range).to_owned()).collect();
    Ok(OwnSlots { id: (*id).to_owned(), epoch: (*epoch).to_owned(), ranges, count })
}

fn changed() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "slots of the cluster move or its servers have changed, so that the scan could miss keys: start it again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "07c3 127.0.0.1:1@2 myself,master - 0 0 7 connected";

    #[test]
    fn a_primary_tells_its_own_slots() {
        let nodes =
            format!("aaaa 127.0.0.1:3@4 master - 0 0 8 connected 5-9\n{LINE} 0-4 10 12-13\n");
        let own = own_slots(&nodes).unwrap();
        assert_eq!((&*own.id, &*own.epoch, own.count), ("07c3", "7", 8));
        for moving in ["[5->-aaaa]", "[10-<-aaaa]", "x-y"] {
            let error = own_slots(&format!("{LINE} 0-4 {moving}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
        assert!(own_slots(&LINE.replace("master", "slave")).is_err());
        assert!(own_slots("").is_err());
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let place = Place::read("12@07c3@ff").unwrap();
        assert_eq!((&*place.cursor, &*place.id, place.layout), ("12", "07c3", 255));
        assert_eq!(place.write(), "12@07c3@ff");
        for other in ["", "12", "12@a", "12@a@x"] {
            assert!(Place::read(other).is_none());
        }
    }
}
