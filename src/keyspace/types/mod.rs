//! The types that a keyspace may have: what its functions give.

/// Defines a type of keys: what every one of them has.
macro_rules! key_type {
    ($(#[$meta:meta])* $name:ident is $redis_type:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name<T> {
            key: $crate::Key,
            ttl: $crate::keyspace::KeyTtl,
            record: ::std::marker::PhantomData<fn() -> T>,
        }

        impl<T> $name<T> {
            #[doc(hidden)]
            pub const REDIS_TYPE: $crate::keyspace::RedisType =
                $crate::keyspace::RedisType::$redis_type;

            #[doc(hidden)]
            pub fn new(key: $crate::Key, ttl: $crate::keyspace::KeyTtl) -> Self {
                Self { key, ttl, record: ::std::marker::PhantomData }
            }

            /// The key.
            pub fn key(&self) -> &$crate::Key {
                &self.key
            }

            /// Deletes the record; tells whether there was one. One DEL.
            ///
            /// # Errors
            /// Those of the client.
            pub async fn delete(&self, client: &$crate::Client) -> $crate::Result<bool> {
                use $crate::command::keys::KeyCommands;
                Ok(client.del([&self.key]).await? == 1_u64)
            }
        }
    };
}

mod hash;
mod json;

pub use hash::Hash;
pub use json::Json;
