//! The moves of a task from one state to another: the native implementation of `queue.lua`.

use bytes::Bytes;

use super::native::Server;
use super::record::{NEVER, Record, State};
use crate::command::Command;
use crate::{Result, Value};

impl Server<'_> {
    fn make_ready(&mut self, id: &[u8], record: &mut Record) -> Result<()> {
        record.state = State::Ready;
        self.write(id, record)?;
        self.add(self.ready, record.rank(), id)?;
        self.wakes |= self.was_empty;
        Ok(())
    }

    fn limit_of(&mut self, group: &[u8]) -> Result<i64> {
        let limit = self.field_number(&[b"#limit:", group].concat())?;
        Ok(limit.unwrap_or(self.group_concurrency))
    }

    fn used_by(&mut self, group: &[u8]) -> Result<i64> {
        Ok(self.field_number(&[b"#used:", group].concat())?.unwrap_or(0))
    }

    /// Makes a task ready, or lets it wait for its group.
    pub(super) fn offer(&mut self, id: &[u8], record: &mut Record) -> Result<()> {
        if let Some(group) = record.group().map(Bytes::copy_from_slice) {
            if self.used_by(&group)? >= self.limit_of(&group)? {
                record.state = State::Grouped;
                self.write(id, record)?;
                return self.add(self.grouped, 0, &record.grouped_member(id));
            }
            self.add_to_field(&[b"#used:", &*group].concat(), 1)?;
        }
        self.make_ready(id, record)
    }

    /// Makes the next tasks of a group ready, at most `most`.
    pub(super) fn fill(&mut self, group: &[u8], most: usize) -> Result<()> {
        let mut used = self.used_by(group)?;
        let limit = self.limit_of(group)?;
        for _ in 0..most {
            if used >= limit {
                return Ok(());
            }
            let command = Command::new("ZRANGEBYLEX").arg(self.grouped);
            let command = command.arg([b"[", group, b"\x01"].concat());
            let command = command.arg([b"(", group, b"\x02"].concat());
            let found: Vec<Bytes> = self.run(command.arg("LIMIT").arg(0).arg(1))?;
            let Some(member) = found.into_iter().next() else { return Ok(()) };
            self.remove(self.grouped, &member)?;
            let Some(id) = member.splitn(3, |byte| *byte == 1).nth(2) else { continue };
            if let Some(mut record) = self.read(id)?
                && record.state == State::Grouped
            {
                used = self.add_to_field(&[b"#used:", group].concat(), 1)?;
                self.make_ready(id, &mut record)?;
            }
        }
        Ok(())
    }

    fn vacate(&mut self, record: &Record) -> Result<()> {
        let Some(group) = record.group() else { return Ok(()) };
        let field = [b"#used:", group].concat();
        if self.add_to_field(&field, -1)? <= 0 {
            self.remove_field(&field)?;
        }
        self.fill(group, 10)
    }

    /// Removes a task from the index of its state.
    pub(super) fn leave(&mut self, id: &[u8], record: &Record) -> Result<()> {
        match record.state {
            State::Ready => {
                self.remove(self.ready, id)?;
                self.vacate(record)
            }
            State::Active => {
                self.remove(self.active, id)?;
                self.vacate(record)
            }
            State::Grouped => self.remove(self.grouped, &record.grouped_member(id)),
            State::Dead => self.remove(self.dead, id),
            State::Delayed | State::Parent => self.remove(self.delayed, id),
        }
    }

    pub(super) fn delay(&mut self, id: &[u8], record: &mut Record, due: u64) -> Result<()> {
        record.state = State::Delayed;
        record.due = due;
        self.write(id, record)?;
        self.add(self.delayed, due, id)?;
        self.wakes = self.wakes || self.first(self.delayed)?.as_deref() == Some(id);
        Ok(())
    }

    pub(super) fn start(&mut self, id: &[u8], record: &mut Record, due: u64) -> Result<()> {
        if record.ttl != 0 {
            record.expires = due.saturating_add(record.ttl);
        }
        if due > self.now {
            return self.delay(id, record, due);
        }
        record.due = due;
        self.offer(id, record)
    }

    /// Begins a queue that is new, or whose tasks were evicted. In the second case the other keys refer to tasks that are gone.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.field(b"#tasks")?.is_some() {
            return Ok(());
        }
        self.set_field(b"#tasks", 0)?;
        self.set_field(b"#seq", self.now)?;
        // Deduplication keys of another epoch are those of tasks that are gone.
        self.set_field(b"#epoch", self.micros)?;
        let mut command = Command::new("UNLINK").arg(self.payloads);
        for index in [self.ready, self.delayed, self.active, self.dead, self.grouped] {
            command = command.arg(index);
        }
        self.run::<Value>(command)?;
        self.was_empty = true;
        Ok(())
    }

    /// Adds a task that is in no index yet, with the next sequence number.
    pub(super) fn insert(&mut self, id: &[u8], payload: &[u8], record: &mut Record) -> Result<()> {
        self.add_to_field(b"#tasks", 1)?;
        self.run::<Value>(Command::new("HSET").arg(self.payloads).arg(id).arg(payload))?;
        record.seq = self.add_to_field(b"#seq", 1)?.unsigned_abs();
        Ok(())
    }

    /// Lets a task wait for its children.
    pub(super) fn await_children(&mut self, id: &[u8], record: &mut Record) -> Result<()> {
        record.state = State::Parent;
        self.write(id, record)?;
        self.add(self.delayed, NEVER, id)
    }

    /// Makes an active task ready again, at its former place. It still counts in its group.
    pub(super) fn give_back(&mut self, id: &[u8], record: &mut Record) -> Result<()> {
        record.token = Bytes::from_static(b"-");
        self.release(id, record)
    }

    /// As [`give_back`](Self::give_back), for a request of the holder: the token stays, so that a repeated request is recognised.
    pub(super) fn release(&mut self, id: &[u8], record: &mut Record) -> Result<()> {
        self.remove(self.active, id)?;
        self.make_ready(id, record)
    }

    pub(super) fn is_remembered(&mut self, id: &[u8]) -> Result<bool> {
        let oldest = self.now.saturating_sub(self.remembered_for) * 1024;
        Ok(self.score(self.done, id)?.is_some_and(|ended| ended >= oldest))
    }

    pub(super) fn forget(&mut self, id: &[u8]) -> Result<()> {
        if self.remove_field(id)? == 1 {
            self.add_to_field(b"#tasks", -1)?;
        }
        self.run::<Value>(Command::new("HDEL").arg(self.payloads).arg(id)).map(drop)
    }

    pub(super) fn child_ended(&mut self, record: &Record, how: Ended) -> Result<()> {
        let Some(id) = record.parent() else { return Ok(()) };
        let Some(mut parent) = self.read(id)? else { return Ok(()) };
        if how != Ended::Done {
            if how == Ended::Gone {
                parent.children = parent.children.saturating_sub(1);
                self.write(id, &parent)?;
            }
            return match parent.state {
                State::Parent => self.bury(id, &mut parent, "child"),
                _ => Ok(()),
            };
        }
        parent.children = parent.children.saturating_sub(1);
        if parent.children == 0 && parent.state == State::Parent {
            self.leave(id, &parent)?;
            return self.start(id, &mut parent, self.now);
        }
        self.write(id, &parent)
    }

    /// Makes a task a dead letter, and the tasks that wait for it.
    pub(super) fn bury(
        &mut self,
        id: &[u8],
        record: &mut Record,
        reason: &'static str,
    ) -> Result<()> {
        self.end_badly(id, record, reason)?;
        // Not by recursion: a chain of parents may be long.
        let (mut buried, mut child) = (1, record.clone());
        while let Some(id) = child.parent() {
            let parent = self.read(id)?.filter(|parent| parent.state == State::Parent);
            let Some(mut parent) = parent else { break };
            self.end_badly(id, &mut parent, "child")?;
            (buried, child) = (buried + 1, parent);
        }
        for _ in 0..2 * buried {
            if self.count(self.dead)? <= self.dead_letters {
                continue;
            }
            let Some(oldest) = self.first(self.dead)? else { continue };
            let of = self.read(&oldest)?;
            self.remove(self.dead, &oldest)?;
            self.forget(&oldest)?;
            if let Some(of) = of {
                self.child_ended(&of, Ended::Gone)?;
            }
        }
        Ok(())
    }

    fn end_badly(&mut self, id: &[u8], record: &mut Record, reason: &'static str) -> Result<()> {
        self.leave(id, record)?;
        record.state = State::Dead;
        record.reason = Bytes::from_static(reason.as_bytes());
        self.write(id, record)?;
        self.add(self.dead, self.now, id)
    }

    /// Remembers the end of a task: its time, and the delivery that ended it.
    pub(super) fn remember(&mut self, id: &[u8], record: &Record) -> Result<()> {
        self.add(self.done, self.now * 1024 + mark(&record.token, record.number), id)?;
        for _ in 0..2 {
            let Some(oldest) = self.first(self.done)? else { continue };
            let Some(score) = self.score(self.done, &oldest)? else { continue };
            let is_old = score < self.now.saturating_sub(self.remembered_for) * 1024;
            if is_old || self.count(self.done)? > self.remembered {
                self.remove(self.done, &oldest)?;
            }
        }
        Ok(())
    }
}

/// How a child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Dead,
    /// It was removed or dropped, so that its parent does not wait for it any more.
    Gone,
}

/// What the score of a task's end holds of the delivery that ended it: six bits of its number, so that it differs from the marks of
/// the 63 deliveries before, and the first digit of its token.
pub(super) fn mark(token: &[u8], number: u64) -> u64 {
    let digit = token.first().and_then(|&digit| char::from(digit).to_digit(16)).unwrap_or(0);
    number % 64 * 16 + u64::from(digit)
}

#[cfg(test)]
mod tests {
    use super::mark;

    #[test]
    fn deliveries_of_a_task_have_different_marks() {
        for number in 0..63 {
            assert_ne!(mark(b"a1", number), mark(b"a1", number + 1));
            assert_ne!(mark(b"a1", 0), mark(b"f3", number + 1));
        }
        assert_ne!(mark(b"a1", 1), mark(b"b1", 1));
        assert!(mark(b"f", u64::MAX) < 1024);
        assert_eq!(mark(b"", 1), mark(b"\xff", 1));
    }
}
