//! The types of keys, which the functions of a keyspace return.
//!
//! | type | in Redis |
//! |---|---|
//! | [`Text`] | a string: text, or a number or a boolean as text |
//! | [`Json`] | a string: JSON |
//! | [`Counter`] | a string: a counter |
//! | [`Hash`](struct@Hash) | a hash: a field for each field of the record |
//! | [`List`] | a list |
//! | [`Set`] | a set |
//! | [`SortedSet`] | a sorted set |
//!
//! Items of a list, set or sorted set, and fields of a hash, are stored as text: a string as it is, a number as digits, a
//! boolean as `true` or `false`, and anything with parts as JSON, with its fields in the order of their declaration. A type
//! that accepts anything, such as [`serde_json::Value`], reads text.
//!
//! Each call is one round trip. A call that changes a key and its time to live is one transaction.
//!
//! A method whose name ends in `_in` queues its commands in a [`Transaction`](crate::Transaction), so that several keys
//! change together:
//!
//! ```
//! use edgecask::Client;
//!
//! edgecask::keyspaces! {
//!     mod messages, owner: "messages" {
//!         /// What a user was told, newest first.
//!         inbox(user: u64) => List<String>, "inbox:{user}", ttl: 7 days, keep 100;
//!         /// How many of them the user has not read.
//!         unread(user: u64) => Counter<i64>, "inbox:{user}:unread", ttl: 7 days;
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let client = Client::memory();
//! let transaction = client.transaction();
//! let _ = messages::inbox(7)?.push_front_in(&transaction, ["hello"])?;
//! let unread = messages::unread(7)?.increment_in(&transaction, 1);
//! assert_eq!(transaction.exec().await?.take(unread)?, 1);
//!
//! assert_eq!(messages::inbox(7)?.range(&client, 0, 9).await?, ["hello"]);
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok(())
//! # }
//! ```

mod declared_key;

/// Defines a type of keys, with the methods that all of them have.
macro_rules! key_type {
    ($(#[$meta:meta])* $name:ident is $redis_type:ident of $encoding:ident by $decode:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name<T> {
            key: $crate::keyspace::types::declared_key::DeclaredKey,
            record: ::std::marker::PhantomData<fn() -> T>,
        }

        impl<T: ::serde::de::DeserializeOwned> $name<T> {
            #[doc(hidden)]
            pub fn decodes(
                stored: &$crate::keyspace::Stored,
            ) -> ::std::result::Result<(), $crate::keyspace::Mismatch> {
                $crate::keyspace::stored::$decode::<T>(stored)
            }
        }

        impl<T> $name<T> {
            #[doc(hidden)]
            pub const REDIS_TYPE: $crate::keyspace::RedisType =
                $crate::keyspace::RedisType::$redis_type;

            #[doc(hidden)]
            pub const ENCODING: $crate::keyspace::Encoding =
                $crate::keyspace::Encoding::$encoding;

            #[doc(hidden)]
            pub fn new(
                key: $crate::Key,
                declaration: &'static $crate::keyspace::Declaration,
            ) -> Self {
                let key = $crate::keyspace::types::declared_key::DeclaredKey::new(key, declaration);
                Self { key, record: ::std::marker::PhantomData }
            }

            /// The key.
            pub fn key(&self) -> &$crate::Key {
                self.key.key()
            }

            /// Its declaration: pattern, time to live, owner and so on.
            ///
            /// ```
            /// use std::time::Duration;
            ///
            /// edgecask::keyspaces! {
            ///     mod shop, owner: "shop" {
            ///         offers(day: u8) => Json<Vec<String>>, "shop:offers:{day}", ttl: 1 day;
            ///     }
            /// }
            ///
            /// # fn main() -> edgecask::Result<()> {
            /// let declaration = shop::offers(1)?.declaration();
            /// assert_eq!(declaration.pattern, "shop:offers:{day}");
            /// assert_eq!(declaration.ttl.after_write(), Some(Duration::from_secs(86_400)));
            /// # Ok(())
            /// # }
            /// ```
            pub fn declaration(&self) -> &'static $crate::keyspace::Declaration {
                self.key.declaration()
            }

            /// Deletes the key; returns whether it was there. One DEL.
            ///
            /// # Errors
            /// Those of the client.
            pub async fn delete(&self, client: &$crate::Client) -> $crate::Result<bool> {
                use $crate::command::keys::KeyCommands;
                Ok(client.del([self.key()]).await? == 1_u64)
            }

            /// Queues [`delete`](Self::delete) in a transaction; the reply is 1 or 0.
            pub fn delete_in(&self, transaction: &$crate::Transaction) -> $crate::Slot<u64> {
                use $crate::command::keys::KeyCommands;
                transaction.del([self.key()])
            }
        }
    };
}

mod counter;
mod hash;
mod json;
mod list;
mod set;
mod sorted_set;
mod text;

pub use counter::Counter;
pub use hash::Hash;
pub use json::Json;
pub use list::List;
pub use set::Set;
pub use sorted_set::SortedSet;
pub use text::Text;
