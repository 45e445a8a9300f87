use crate::store::{Record, RecordId, Store};
use crate::{BoxError, Error, ErrorKind, Outcome, Result};

/// A store that only one tenant's records can be reached by: those whose id begins with the tenant.
///
/// Row-level security guards the database, not a cache in front of it: a record that one tenant or a service key loaded is in
/// the cache for every caller that asks for its key. This store stands in front of the cache. A record of another
/// tenant is `None`, as it is behind a policy, and to write one is an error of kind [`ErrorKind::Unauthorized`]; neither
/// the cache nor the database is asked. So a tenant cannot make the cache remember that another tenant's record is absent.
///
/// The tenant has to come from a token whose signature the application has checked, and not from the request.
///
/// ```
/// use edgecask::store::{LlmPolicy, MemoryStore, Store};
/// use edgecask::supabase::TenantStore;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let all = MemoryStore::from_records([LlmPolicy::new("acme"), LlmPolicy::new("globex")]);
/// let acme = TenantStore::new(all, "acme")?;
/// assert!(acme.get(&"acme".to_owned()).await?.is_some());
/// assert!(acme.get(&"globex".to_owned()).await?.is_none());
/// assert!(acme.set(&LlmPolicy::new("globex")).await.is_err());
/// # Ok::<(), edgecask::BoxError>(())
/// # })?;
/// # Ok::<(), edgecask::BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TenantStore<S> {
    store: S,
    tenant: String,
}

impl<S> TenantStore<S> {
    /// The records of this tenant in the store.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] if the tenant is empty, as where a token has no such claim.
    pub fn new(store: S, tenant: impl Into<String>) -> Result<Self> {
        let tenant = tenant.into();
        if tenant.is_empty() {
            let error = Error::new(ErrorKind::Unauthorized, "there is no tenant");
            return Err(error.with_outcome(Outcome::NotSent));
        }
        Ok(Self { store, tenant })
    }

    fn owns(&self, id: &impl RecordId) -> bool {
        id.parts().first() == Some(&&*self.tenant)
    }

    fn check(&self, id: &impl RecordId) -> Result<()> {
        if self.owns(id) {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Unauthorized, "the record is not of this tenant");
        Err(error.with_outcome(Outcome::NotSent))
    }
}

impl<R: Record, S: Store<R>> Store<R> for TenantStore<S> {
    async fn get(&self, id: &R::Id) -> Result<Option<R>, BoxError> {
        if !self.owns(id) {
            return Ok(None);
        }
        let record = self.store.get(id).await?;
        Ok(record.filter(|record| self.owns(&record.id())))
    }

    async fn set(&self, record: &R) -> Result<(), BoxError> {
        self.check(&record.id())?;
        self.store.set(record).await
    }

    async fn delete(&self, id: &R::Id) -> Result<bool, BoxError> {
        self.check(id)?;
        self.store.delete(id).await
    }
}
