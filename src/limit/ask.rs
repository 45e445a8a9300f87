//! One round trip: the script's keys and arguments, and its reply.

use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use super::clock::Time;
use super::decision::{Decision, PolicyState, Reason};
use super::keys::Keys;
use super::policy::{Algorithm, Policy};
use super::request::Request;
use super::scripts::TAKE;
use crate::client::ScriptBatch;
use crate::command::Arguments;
use crate::platform::{self, Instant};
use crate::{Client, Error, ErrorKind, Result};

/// How often the script is sent while its windows have moved. After that, this process's estimate of the server's clock decides.
const ATTEMPTS: u32 = 4;

/// The operation on the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// Counts a call in all of them, if all have room.
    Take,
    /// Adds to all of them, whether they have room or not.
    Add,
    /// Gives back what a call cost.
    Refund,
    /// Counts nothing.
    Peek,
}

/// The policies that concern a request.
pub(super) type Plan<'a> = SmallVec<[(&'a Policy, &'a str, Keys); 2]>;

/// The operation of one round trip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a, 'r> {
    pub(super) op: Op,
    pub(super) request: &'a Request<'r>,
    /// The lease to take; empty if there is none.
    pub(super) lease: &'a str,
    /// The identity of the request.
    pub(super) id: Option<&'a str>,
    /// The microsecond in whose windows it counts, if that is not the time when the script runs.
    pub(super) at: Option<u64>,
}

/// The server that counts.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) client: Client,
    pub(super) time: Time,
    /// How long a reply is remembered.
    pub(super) remember_for: Duration,
    /// The longest that a decision may take.
    pub(super) timeout: Duration,
    /// The key of the deny list, if it is used.
    pub(super) deny_list: Option<String>,
    /// Whether limits are read from a key that all clients share.
    pub(super) dynamic_limit: bool,
}

impl Remote {
    /// [`Remote::ask`] in the time that a decision may take.
    pub(super) async fn ask_in_time(
        &self,
        asking: Asking<'_, '_>,
        plan: &Plan<'_>,
    ) -> Result<Decision> {
        let answer = platform::timeout(self.timeout, self.ask(asking, plan)).await;
        answer.unwrap_or_else(|| Err(Error::timed_out(self.timeout)))
    }

    /// Asks the server about the policies. One round trip; one more where a window ended on the way, or the first call meets
    /// a clock that differs.
    pub(super) async fn ask(&self, asking: Asking<'_, '_>, plan: &Plan<'_>) -> Result<Decision> {
        let leases =
            |(policy, ..): &(&Policy, _, _)| matches!(policy.algorithm, Algorithm::Lease { .. });
        // A second run of the script changes nothing.
        let repeatable = asking.id.is_some() || asking.op == Op::Peek || plan.iter().all(leases);
        let mut attempt = 1;
        loop {
            let sent = Instant::now();
            let now = asking.at.unwrap_or_else(|| self.time.now());
            let by_server = self.time.is_server() && asking.at.is_none() && attempt < ATTEMPTS;
            let (keys, args) = self.arguments(asking, plan, now, by_server);
            let reply: Bytes = if repeatable {
                let mut batch = ScriptBatch::new(&self.client);
                let place = batch.script(&TAKE, keys.iter(), args.iter());
                batch.exec().await?.take(place)?
            } else {
                self.client.run_script(&TAKE, keys.iter(), args.iter()).await?
            };
            let answer = Answer::parse(&reply, plan.len()).ok_or_else(|| {
                Error::new(ErrorKind::Protocol, "the script of a rate limit sent an unknown reply")
            })?;
            // A remembered reply has the time of the first request. If the script was given the time, the reply repeats that.
            let is_old =
                !by_server || asking.id.is_some() && !matches!(answer.verdict, Verdict::Moved);
            if self.time.is_server() && !is_old {
                self.time.learn(answer.now, sent);
            }
            match answer.verdict {
                Verdict::Moved => attempt += 1,
                Verdict::Listed(place) => {
                    let mut decision = Decision::new(false, Reason::DenyList, answer.now);
                    decision.denied = asking.request.denied_by().nth(place - 1).map(str::to_owned);
                    return Ok(decision);
                }
                Verdict::Admitted(admitted, repeated) => {
                    let reason = if admitted { Reason::Allowed } else { Reason::Exceeded };
                    let mut decision = Decision::new(admitted, reason, answer.now);
                    decision.repeated = repeated;
                    let states = plan.iter().zip(answer.states);
                    decision.states =
                        states.map(|((policy, ..), state)| policy.state(state)).collect();
                    return Ok(decision);
                }
            }
        }
    }

    /// Asks for the server's time, if no reply has told it yet.
    pub(super) async fn learn_time(&self) -> Result<()> {
        if self.time.is_unknown() {
            let request = &Request::new("-");
            let asking = Asking { op: Op::Peek, request, lease: "", id: None, at: None };
            // Without policies no key is read, so the content of none can make it fail.
            let _ = self.ask(asking, &Plan::new()).await?;
        }
        Ok(())
    }

    fn arguments(
        &self,
        asking: Asking<'_, '_>,
        plan: &Plan<'_>,
        now: u64,
        by_server: bool,
    ) -> (Arguments, Arguments) {
        let Asking { op, request, lease, id, .. } = asking;
        let (mut keys, mut args) = (Arguments::default(), Arguments::default());
        args.push_bytes(match op {
            Op::Take => b"take",
            Op::Add | Op::Refund => b"add",
            Op::Peek => b"peek",
        });
        if by_server {
            args.push_bytes(b"");
        } else {
            args.extend([now]);
        }
        // Only a call is remembered, under a key beside those of the first policy.
        let remember = id.filter(|_| op == Op::Take).zip(plan.first());
        args.extend([remember.map_or(0, |_| self.remember_for.as_millis() as u64)]);
        let values = match &self.deny_list {
            Some(list) if op == Op::Take => {
                keys.extend([list]);
                request.denied_by().count()
            }
            _ => 0,
        };
        args.extend([values as u64]);
        args.extend(request.denied_by().take(values));
        let cost = i64::try_from(request.cost).unwrap_or(i64::MAX);
        for (policy, prefix, policy_keys) in plan {
            let algorithm = policy.algorithm;
            let window = algorithm.window();
            let number = now / 1000 / window;
            keys.extend([policy_keys.key(algorithm, number)]);
            if let Algorithm::Sliding { .. } = algorithm {
                keys.extend([policy_keys.key(algorithm, number.saturating_sub(1))]);
            }
            args.extend([match algorithm {
                Algorithm::Fixed { .. } | Algorithm::Calendar(_) => "fixed",
                Algorithm::Sliding { .. } => "sliding",
                Algorithm::Bucket { .. } => "bucket",
                Algorithm::Gcra { .. } => "gcra",
                Algorithm::Lease { .. } => "lease",
            }]);
            args.extend([if op == Op::Refund { -cost } else { cost }]);
            args.extend([policy.limit, window]);
            match algorithm {
                Algorithm::Bucket { refill, .. } => args.extend([refill]),
                Algorithm::Gcra { burst: Some(burst), .. } => args.extend([burst]),
                Algorithm::Gcra { burst: None, .. } => args.push_bytes(b""),
                Algorithm::Calendar(_) => args.push_bytes(b"renew"),
                Algorithm::Lease { .. } => args.extend([lease]),
                Algorithm::Fixed { .. } | Algorithm::Sliding { .. } => args.push_bytes(b""),
            }
            match algorithm.has_windows() {
                true => args.extend([number]),
                false => args.push_bytes(b""),
            }
            args.extend([u16::from(policy.shadow)]);
            match &policy.limits {
                Some(limits) => {
                    keys.extend([policy_keys.under(&limits.prefix)]);
                    args.extend([&limits.limit, &limits.burst]);
                }
                None if self.dynamic_limit && !matches!(algorithm, Algorithm::Lease { .. }) => {
                    keys.extend([dynamic_key(prefix)]);
                    args.extend(["=", ""]);
                }
                None => args.extend(["", ""]),
            }
        }
        if let Some((id, (.., first))) = remember {
            keys.extend([first.once(id)]);
        }
        (keys, args)
    }
}

/// The key of the limit that all clients read.
pub(super) fn dynamic_key(prefix: &str) -> String {
    format!("{prefix}:dynamic:global")
}

impl Policy {
    pub(super) fn state(&self, [room, limit, remaining, reset, retry]: [i64; 5]) -> PolicyState {
        let positive = |number: i64| u64::try_from(number).unwrap_or(0);
        PolicyState {
            name: self.name.clone(),
            has_room: room == 1,
            shadow: self.shadow,
            limit: positive(limit),
            remaining: positive(remaining),
            reset_after: Duration::from_micros(positive(reset)),
            retry_after: u64::try_from(retry).ok().map(Duration::from_micros),
            window: self.window(),
        }
    }
}

struct Answer {
    now: u64,
    verdict: Verdict,
    states: SmallVec<[[i64; 5]; 2]>,
}

enum Verdict {
    /// Whether the call was admitted, and whether that is the answer to an earlier request.
    Admitted(bool, bool),
    /// Windows have ended on the way.
    Moved,
    /// The value at this place is on the deny list.
    Listed(usize),
}

impl Answer {
    /// The reply that the script describes, about this many policies.
    fn parse(reply: &[u8], policies: usize) -> Option<Self> {
        let mut numbers = std::str::from_utf8(reply).ok()?.split(' ').map(str::parse::<i64>);
        let mut next = || numbers.next()?.ok();
        let now = u64::try_from(next()?).ok()?;
        let verdict = match next()? {
            0 => Verdict::Admitted(false, false),
            1 => Verdict::Admitted(true, false),
            2 => Verdict::Admitted(true, true),
            -1 => Verdict::Moved,
            -2 => Verdict::Listed(usize::try_from(next()?).ok().filter(|&place| place > 0)?),
            _ => return None,
        };
        let mut states = SmallVec::new();
        if let Verdict::Admitted(..) = verdict {
            for _ in 0..policies {
                states.push([next()?, next()?, next()?, next()?, next()?]);
            }
        }
        Some(Self { now, verdict, states })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_reply_is_refused() {
        for wrong in
            ["", "1", "x 1", "-1 1", "1 2", "1 3", "1 -2", "1 -2 0", "1 1 1 2 3 4", "1 1 a b c d e"]
        {
            assert!(Answer::parse(wrong.as_bytes(), 1).is_none(), "{wrong:?}");
        }
        assert!(Answer::parse(b"\xff 1", 0).is_none());
        assert!(Answer::parse(b"5 1 1 10 9 60000 0", 1).is_some_and(|answer| answer.now == 5));
    }
}
