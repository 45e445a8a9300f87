//! Events: published to a channel and a history in one atomic call, received once and in order, with a gap where events are missing.
//!
//! Subscribers listen by Pub/Sub, and read the events that they missed from the history. Where there is no Pub/Sub, they poll. The
//! guide's page on events lists the guarantees and the costs; [`Events`] has an example.

mod broadcast;
mod cursor;
mod feed;
mod frame;
mod hub;
mod inbox;
mod item;
mod options;
mod pages;
mod position;
mod presence;
mod publish;
mod scripts;
mod shared;
mod source;
pub mod sse;
mod store;
mod subscription;
mod topic;
mod topics;

pub use broadcast::{Broadcast, Heard};
pub use item::{DEFAULT_NAME, Event, Gap, GapReason, Item, Start, Unreadable};
pub use options::EventsOptions;
pub use position::Position;
pub use presence::{Presence, PresenceChange, PresenceWatch, Present};
pub use publish::{Publish, Published};
pub(crate) use scripts::all as scripts;
pub use subscription::Subscription;
pub use topic::Topic;
pub use topics::Events;
