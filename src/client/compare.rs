//! Compare and set: changes to a value that never overwrite a change of another client.

use std::time::Duration;

use bytes::Bytes;

use super::handle::Client;
use super::scripts::{COMPARE_AND_DELETE, COMPARE_AND_SET};
use crate::command::strings::{SetOptions, StringCommands, ValueIs};
use crate::command::{Arguments, Command, ToArg};
use crate::{Error, ErrorKind, Result, platform};

/// The change that [`Client::update`] makes to a value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Sets it. The time to live of an old value stays.
    Set(Vec<u8>),
    /// Deletes it.
    Delete,
    /// Does not change it.
    Keep,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Set(value) => write!(f, "Set({} bytes)", value.len()),
            Self::Delete => f.write_str("Delete"),
            Self::Keep => f.write_str("Keep"),
        }
    }
}

impl<T: Into<Vec<u8>>> From<T> for Change {
    fn from(value: T) -> Self {
        Self::Set(value.into())
    }
}

impl Client {
    /// Sets a string if it still equals `old` (`None`: if the key is absent), and returns whether it did. The time to live of
    /// an old value stays. One command: `SET … IFEQ` where the server has it, else a script.
    ///
    /// ```
    /// use edgecask::prelude::*;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// assert!(client.compare_and_set("leader", None, "a").await?);
    /// assert!(!client.compare_and_set("leader", Some(b"c"), "b").await?);
    /// assert!(client.compare_and_set("leader", Some(b"a"), "b").await?);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Client::send`]. If the outcome is unknown, the value may have been set.
    pub async fn compare_and_set(
        &self,
        key: impl ToArg,
        old: Option<&[u8]>,
        new: impl ToArg,
    ) -> Result<bool> {
        let Some(old) = old else {
            return self.set_with(key, new, SetOptions::new().nx()).await;
        };
        if self.0.support.comparing() {
            let options = SetOptions::new().keep_ttl().if_value(ValueIs::Equal(old.to_vec()));
            match self.set_with(&key, &new, options).await {
                Err(error) if self.0.support.lacks_comparing(&error) => {}
                answer => return answer,
            }
        }
        let mut args = Arguments::new([old]);
        args.extend([new]);
        self.run_script(&COMPARE_AND_SET, [key], args.iter()).await
    }

    /// Deletes a string if it still equals `old`, and returns whether it did. One command: DELEX where the server has it, else
    /// a script.
    ///
    /// # Errors
    /// As for [`Client::send`]. If the outcome is unknown, the value may have been deleted.
    pub async fn compare_and_delete(&self, key: impl ToArg, old: &[u8]) -> Result<bool> {
        if self.0.support.comparing() {
            match self.delex(&key, &ValueIs::Equal(old.to_vec())).await {
                Err(error) if self.0.support.lacks_comparing(&error) => {}
                answer => return answer,
            }
        }
        self.run_script(&COMPARE_AND_DELETE, [key], [old]).await
    }

    /// Changes a string by a function of its old value, and returns the new one. If another client changed the value in
    /// between, the function is called again with that value, so that no change is lost. The function should have no side
    /// effects.
    ///
    /// ```
    /// use edgecask::{Change, prelude::*};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let add = |name: &'static str| move |old: Option<&[u8]>| {
    ///     let mut names: Vec<String> = old.and_then(|old| serde_json::from_slice(old).ok()).unwrap_or_default();
    ///     names.push(name.to_owned());
    ///     Change::from(serde_json::json!(names).to_string())
    /// };
    /// client.update("names", add("ada")).await?;
    /// let names = client.update("names", add("bob")).await?;
    /// assert_eq!(names.unwrap(), r#"["ada","bob"]"#);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Two commands, and two more for each change by another client.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] after 32 tries, or as for [`Client::send`].
    pub async fn update(
        &self,
        key: impl ToArg,
        mut change: impl FnMut(Option<&[u8]>) -> Change,
    ) -> Result<Option<Bytes>> {
        const TRIES: u32 = 32;
        const LONGEST: Duration = Duration::from_millis(20);
        for _ in 0..TRIES {
            let old: Option<Bytes> = self.get(&key).await?;
            let (done, new) = match (change(old.as_deref()), &old) {
                (Change::Keep, _) => return Ok(old),
                (Change::Delete, None) => return Ok(None),
                (Change::Delete, Some(old)) => (self.compare_and_delete(&key, old).await?, None),
                (Change::Set(new), old) => {
                    let done = self.compare_and_set(&key, old.as_deref(), &new).await?;
                    (done, Some(Bytes::from(new)))
                }
            };
            if done {
                return Ok(new);
            }
            platform::sleep(LONGEST.mul_f64(platform::random_fraction())).await;
        }
        Err(Error::new(ErrorKind::Conflict, "another client changed the value each time")
            .with_command(|| Command::new("SET").arg(&key).label()))
    }
}
