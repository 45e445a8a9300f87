use crate::client::{Slot, Transaction};
use crate::command::strings::StringCommands;
use crate::{Client, Result};

key_type! {
    /// A counter: an `i64` by INCRBY, or an `f64` by INCRBYFLOAT. An absent key counts as 0.
    Counter is String of Text by items
}

macro_rules! counter {
    ($number:ty, $incrby:ident, $command:literal) => {
        impl Counter<$number> {
            /// The number; 0 if the key is absent. One GET, or one GETEX if reads renew the time to live.
            ///
            /// # Errors
            /// [`ErrorKind::Type`](crate::ErrorKind::Type) if the key holds no such number; those of the client.
            pub async fn get(&self, client: &Client) -> Result<$number> {
                Ok(self.key.get(client).await?.unwrap_or_default())
            }

            #[doc = concat!("Adds to it, and returns the sum. ", $command, " and EXPIRE as one transaction.")]
            ///
            /// # Errors
            /// [`ErrorKind::Server`](crate::ErrorKind::Server) if the key holds no such number, or the sum is too large;
            /// those of the client.
            pub async fn increment(&self, client: &Client, by: $number) -> Result<$number> {
                self.key.write(client, |transaction| Ok(self.increment_in(transaction, by))).await
            }

            /// Queues [`increment`](Self::increment) in a transaction.
            pub fn increment_in(&self, transaction: &Transaction, by: $number) -> Slot<$number> {
                let sum = transaction.$incrby(self.key(), by);
                self.key.renew(transaction);
                sum
            }

            /// Replaces it, with the keyspace's time to live. One SET.
            ///
            /// # Errors
            /// Those of the client.
            pub async fn set(&self, client: &Client, number: $number) -> Result<()> {
                self.key.set(client, number).await.map(drop)
            }

            /// Queues [`set`](Self::set) in a transaction.
            pub fn set_in(&self, transaction: &Transaction, number: $number) -> Slot<bool> {
                self.key.set(transaction, number)
            }
        }
    };
}

counter!(i64, incrby, "INCRBY");
counter!(f64, incrbyfloat, "INCRBYFLOAT");
