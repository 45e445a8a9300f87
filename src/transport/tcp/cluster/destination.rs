//! The server that a command is sent to, and where it is sent when that server does not run it.

use std::sync::Arc;
use std::time::Duration;

use super::connect::Unreached;
use super::node::Node;
use super::redirection::Redirection;
use super::slot_map::SlotMap;
use super::topology::Topology;
use crate::{Error, ErrorKind};

/// How often a command may be sent to another server.
const MOST_DETOURS: u32 = 8;
/// How long to wait while a slot is on its way, and before more than one detour.
pub(super) const SLOT_IS_MOVING: Duration = Duration::from_millis(20);

/// The server that has to run a command.
#[derive(Clone)]
pub(super) enum Target {
    /// The owner of this slot.
    Slot(u16),
    AnyPrimary,
    Node(Arc<Node>),
}

/// What to do after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Take it.
    Done,
    /// Send the command again.
    Send,
    /// Send the command again after [`SLOT_IS_MOVING`].
    Wait,
}

/// Where a command goes, and where it was sent on to.
pub(super) struct Destination {
    target: Target,
    /// Where the last server has sent it.
    redirected: Option<Arc<Node>>,
    /// Whether ASKING goes before the command.
    pub(super) asking: bool,
    detours: u32,
    /// How many primaries were not reached.
    unreached: usize,
}

impl Destination {
    pub(super) fn new(target: Target) -> Self {
        Self { target, redirected: None, asking: false, detours: 0, unreached: 0 }
    }

    /// The slot whose owner it looks for.
    pub(super) fn slot(&self) -> Option<u16> {
        match self.target {
            Target::Slot(slot) => Some(slot),
            _ => None,
        }
    }

    /// Whether any primary will do.
    pub(super) fn is_any(&self) -> bool {
        matches!(self.target, Target::AnyPrimary)
    }

    /// The server to send to. `any` chooses a primary for what any may run.
    pub(super) fn node(&self, slots: &SlotMap, any: usize) -> Result<Arc<Node>, Error> {
        if let Some(node) = &self.redirected {
            return Ok(Arc::clone(node));
        }
        let found = match &self.target {
            Target::Slot(slot) => slots.owner(*slot),
            Target::Node(node) => Some(node),
            Target::AnyPrimary => {
                let primaries = slots.primaries();
                let at = any.wrapping_add(self.unreached).checked_rem(primaries.len());
                at.map(|at| &primaries[at].node)
            }
        };
        found.cloned().ok_or_else(|| {
            Error::new(ErrorKind::Connect, "no server of the cluster serves the slot of this key")
        })
    }

    /// Follows a reply that redirects the command.
    pub(super) fn follow<T>(
        &mut self,
        topology: &Arc<Topology>,
        from: &Node,
        reply: &Result<T, Error>,
    ) -> Next {
        let Err(error) = reply else { return Next::Done };
        let redirection = match Redirection::of(error) {
            Some(redirection) if self.detours < MOST_DETOURS => redirection,
            _ => {
                if matches!(error.code(), Some("CLUSTERDOWN" | "READONLY" | "MASTERDOWN" | "MOVED"))
                {
                    topology.refresh_if_older(SLOT_IS_MOVING);
                }
                return Next::Done;
            }
        };
        let other = |mut address: super::node::Address| {
            if address.host.is_empty() {
                address.host.clone_from(&from.address.host);
            }
            Some(topology.node(&address))
        };
        self.detours += 1;
        let must_wait = self.detours > 1 || redirection == Redirection::TryAgain;
        self.asking = matches!(redirection, Redirection::Ask(_))
            || self.asking && redirection == Redirection::TryAgain;
        match redirection {
            Redirection::Moved(address) => {
                topology.refresh_if_older(SLOT_IS_MOVING);
                self.redirected = other(address);
            }
            Redirection::Ask(address) => self.redirected = other(address),
            Redirection::TryAgain => {}
        }
        if must_wait { Next::Wait } else { Next::Send }
    }

    /// Takes another way after a server was not reached; the error if there is none.
    pub(super) fn avoid(&mut self, slots: &SlotMap, unreached: &Unreached) -> Result<(), Error> {
        let was_redirected = self.redirected.take().is_some();
        self.asking = false;
        match (unreached, &self.target) {
            (Unreached::Replaced, Target::Slot(_) | Target::AnyPrimary)
                if self.detours < MOST_DETOURS =>
            {
                self.detours += 1;
                Ok(())
            }
            (Unreached::Failed(_), Target::AnyPrimary)
                if !was_redirected && self.unreached + 1 < slots.primaries().len() =>
            {
                self.unreached += 1;
                Ok(())
            }
            (Unreached::Replaced, _) => {
                Err(Error::new(ErrorKind::Connect, "the server has left the cluster"))
            }
            (Unreached::Failed(error), _) => Err(error.clone()),
        }
    }
}
