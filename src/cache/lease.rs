//! Leases: a value that was loaded before an invalidation cannot be stored after it.
//!
//! Who finds an entry missing leaves a random token in a key beside it, and only then loads. Invalidation deletes both
//! keys. The value is stored by a script that checks the token first, so it is stored only if nobody invalidated the
//! entry, or began a later load, in between.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;

use super::Cache;
use crate::command::strings::{SetOptions, StringCommands};
use crate::command::{Command, Script};
use crate::{Key, Result, Value, platform};

/// The role of a lease's key beside its entry's; see [`Key::companion`].
pub(super) const ROLE: &str = "edgecask:lease";

/// `KEYS`: the entry, its lease. `ARGV`: the token, the value, the time to live in milliseconds or 0. Gives 1 if the
/// value was stored.
pub(crate) static STORE_IF_LEASED: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end\n\
         redis.call('DEL', KEYS[2])\n\
         if ARGV[3] == '0' then\n\
         redis.call('SET', KEYS[1], ARGV[2])\n\
         else\n\
         redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n\
         end\n\
         return 1",
    )
    .key_locking()
    .with_twin(|redis, keys, args| {
        let ([entry, lease], [token, value, ttl]) = (keys, args) else {
            return Err(crate::Error::server("ERR this script takes 2 keys and 3 arguments"));
        };
        let held = redis.call(Command::new("GET").arg(lease))?;
        if held.as_bytes() != Some(token) {
            return Ok(Value::Integer(0));
        }
        redis.call(Command::new("DEL").arg(lease))?;
        let set = Command::new("SET").arg(entry).arg(value);
        redis.call(if ttl == "0" { set } else { set.arg("PX").arg(ttl) })?;
        Ok(Value::Integer(1))
    })
});

pub(super) fn lease_key(key: &Key) -> String {
    key.companion(ROLE)
}

/// The right to store what is loaded from now on.
pub(super) struct Lease {
    key: String,
    token: String,
}

impl Cache {
    /// Takes the lease of an entry if nobody holds it. One SET.
    pub(super) async fn try_lease(&self, key: &Key) -> Result<Option<Lease>> {
        let lease = self.new_lease(key)?;
        let options = self.lease_options().nx();
        let taken = self.client.set_with(&lease.key, &lease.token, options).await?;
        Ok(taken.then_some(lease))
    }

    /// As [`Cache::try_lease`], and what stands in Redis then: another process may have stored it since it was looked up.
    /// Two commands in one round trip.
    pub(super) async fn try_lease_and_look(
        &self,
        key: &Key,
    ) -> Result<(Option<Lease>, Option<Bytes>)> {
        let lease = self.new_lease(key)?;
        let pipeline = self.client.pipeline();
        let taken = pipeline.set_with(&lease.key, &lease.token, self.lease_options().nx());
        let stored = pipeline.get(key);
        let mut replies = pipeline.exec().await?;
        let taken = replies.take(taken)?;
        Ok((taken.then_some(lease), replies.take(stored)?))
    }

    /// Gives a lease back that nothing will be stored with. One command or script.
    pub(super) async fn release(&self, lease: &Lease) -> Result<bool> {
        self.client.compare_and_delete(&lease.key, lease.token.as_bytes()).await
    }

    /// How long to wait before looking again for what another process is loading.
    pub(super) async fn wait_for_lease() {
        const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
        platform::sleep(BETWEEN_LOOKS.mul_f64(0.5 + platform::random_fraction() / 2.0)).await;
    }

    fn new_lease(&self, key: &Key) -> Result<Lease> {
        let token = u128::from_le_bytes(platform::random()?);
        Ok(Lease { key: lease_key(key), token: format!("{token:032x}") })
    }

    fn lease_options(&self) -> SetOptions {
        let millis = self.options().lease.as_millis().clamp(1, u128::from(u32::MAX)) as u64;
        SetOptions::new().px(millis)
    }

    /// Takes the lease of an entry, also from somebody else who holds it: the load that began last may store. One SET.
    pub(super) async fn take_lease(&self, key: &Key) -> Result<Lease> {
        let lease = self.new_lease(key)?;
        self.client.set_with(&lease.key, &lease.token, self.lease_options()).await?;
        Ok(lease)
    }

    /// Stores a value if the lease still holds; tells whether it did. One script.
    pub(super) async fn store_leased(
        &self,
        key: &Key,
        lease: &Lease,
        value: &[u8],
        ttl_millis: u64,
    ) -> Result<bool> {
        let keys = [key.as_str(), &lease.key];
        let ttl = ttl_millis.to_string();
        let args = [lease.token.as_bytes(), value, ttl.as_bytes()];
        self.client.run_script(&STORE_IF_LEASED, keys, args).await
    }
}
