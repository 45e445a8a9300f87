//! Locks in Redis: one holder at a time, fair waiting, fencing tokens; read-write locks, semaphores, latches, leaders.
//!
//! | to | take |
//! |---|---|
//! | let one caller at a time do something | [`Locks::lock`] |
//! | let many read or one write | [`Locks::read_write`] |
//! | let a limited number of callers do something | [`Locks::semaphore`] |
//! | wait for all parts of some work | [`Locks::latch`] |
//! | have one leader among processes | [`Locks::election`] |
//! | refuse the writes of a former holder | [`LockGuard::fence`], [`FencedStore`] |
//!
//! A lock in Redis is a lease: it expires if its holder dies, and so it can also expire while its holder lives, because the
//! holder stood still or Redis was away. To keep a former holder from writing after that, the store that is written to checks
//! the fencing token. The guide's page on locks says what holds in which failure.
//!
//! The server's clock alone counts. A process measures durations only, so its own clock may be wrong.
//!
//! | key | type | holds |
//! |---|---|---|
//! | the lock's own | string | the holder's token; where holders share it, a sorted set of tokens by the millisecond of their expiry |
//! | `edgecask:fence:{lock}` | string | the last fencing token |
//! | `edgecask:queue:{lock}` | sorted set | waiters in their order, `x` or `s` before the token |
//! | `edgecask:alive:{lock}` | sorted set | waiters by the millisecond until which they count as alive |
//! | `edgecask:ended:{lock}` | sorted set | tokens that were released in the last minute, at most 1000 |
//! | a latch's own | hash | `left`, how many count-downs open it, and `part:{part}` for each part that was counted |
//!
//! | operation | commands |
//! |---|---|
//! | acquire a free lock, release, renew, count down | 1 |
//! | the same, if the answer is lost | 2 |
//! | hold a lock | 1 for each third of its time to live |
//! | wait for a lock | 1 at once, 1 when it is woken, and 1 for each quarter of [`LockOptions::waiter_ttl`], at most 1 a second where waiters are not woken |
//! | a [`Locks`] that holds nothing | 0 |

mod attempt;
mod election;
mod error;
mod exclusive;
mod fenced;
mod fences;
mod guard;
mod latch;
mod locks;
mod options;
mod read_write;
mod resource;
mod scripts;
mod semaphore;
mod waiting;
mod wake;

pub use election::{Election, Leader, Leadership};
pub use error::{LockError, Loss};
pub use exclusive::Lock;
pub use fenced::FencedStore;
pub use guard::LockGuard;
pub use latch::Latch;
pub use locks::Locks;
pub use options::LockOptions;
pub use read_write::ReadWriteLock;
pub(crate) use scripts::all as scripts;
pub use semaphore::Semaphore;
