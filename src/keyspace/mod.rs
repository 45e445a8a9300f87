//! Keyspaces that are declared once: pattern, type, time to live, owner and documentation, in one place.
//!
//! A declaration by [`keyspaces!`](crate::keyspaces) generates a typed API. [`reference()`] writes a page of all declared
//! keys for the operators of the server. Patterns that could name the same key do not compile.
//!
//! ```
//! use edgecask::{Client, keyspace::reference};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! pub struct Profile {
//!     name: String,
//!     visits: u64,
//! }
//!
//! edgecask::keyspaces! {
//!     /// The keys of the shop.
//!     pub mod shop, owner: "the shop's team" {
//!         /// A customer, as the pages show him.
//!         profile(id: u64) => Hash<Profile>, "shop:profile:{id}", ttl: 30 days renewed on activity;
//!         /// What is on sale.
//!         offers() => Json<Vec<String>>, "shop:offers", ttl: 5 minutes;
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let client = Client::memory();
//! let profile = shop::profile(7)?;
//! assert_eq!(profile.key().as_str(), "shop:profile:7");
//! profile.set(&client, &Profile { name: "Ada".to_owned(), visits: 0 }).await?;
//! profile.increment(&client, "visits", 1).await?;
//! let found = profile.get(&client).await?;
//! assert_eq!(found, Some(Profile { name: "Ada".to_owned(), visits: 1 }));
//!
//! assert!(reference(shop::DECLARATIONS).contains("| `shop:profile:{id}` | hash | 30 days, renewed on activity |"));
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok(())
//! # }
//! ```

pub mod check;
mod declaration;
mod macros;
mod node;
mod record;
mod redis_type;
mod reference;
mod schema;
mod stored;
pub mod types;

pub use declaration::{Declaration, KeyTtl};
pub use redis_type::{Encoding, RedisType};
pub use reference::reference;
#[cfg(feature = "schema")]
pub use schema::{json_schema, typescript};
pub use stored::{Decode, Mismatch, Stored};

/// Items of this crate that the code of [`keyspaces!`](crate::keyspaces) uses.
#[doc(hidden)]
pub mod expansion {
    pub use super::declaration::{are_distinct, key, modules_are_distinct, names_parts};
    pub use super::schema::{NoSchema, SchemaOf};
}
