//! The backend of the server: an embedded engine, optionally with a lagging replica, or a real Redis.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use edgecask::command::Access;
use edgecask::prelude::*;
use edgecask::transport::memory::MemoryTransport;
use edgecask::transport::{Results, Transport};
use edgecask::{Client, Command, Error, ErrorKind, Value};
use secrecy::SecretString;

use crate::access::{Permission, no_permission};
use crate::dialect;
use crate::limits::{ReplyBudget, too_large};
use crate::scripts::{Answer, Scripts, Translated};

pub(crate) struct Backend {
    primary: Client,
    engine: Option<MemoryTransport>,
    redis: Option<Redis>,
    scripts: Scripts,
    /// Whether Redis's answers are turned into those of Upstash.
    answers_as_upstash: bool,
    replica: Option<Replica>,
    /// How many requests that may write the primary has carried out.
    offset: AtomicU64,
}

/// The address and limits of a real Redis.
#[cfg_attr(not(feature = "redis"), allow(dead_code))]
struct Redis {
    url: SecretString,
    /// The most bytes that are received of one reply.
    reply_bytes: usize,
}

/// A copy of the primary's state of some writes ago.
struct Replica {
    engine: MemoryTransport,
    /// The offset of the primary at which the copy was made, and the copy.
    copy: Mutex<(u64, Client)>,
}

/// How new the data of a read has to be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Freshness {
    /// At least as new as this offset.
    pub(crate) offset: u64,
    /// The replica answers regardless of the offset.
    pub(crate) stale: bool,
}

impl Backend {
    pub(crate) fn memory(engine: MemoryTransport, lagging_replica: bool) -> Self {
        let replica = lagging_replica.then(|| Replica {
            copy: Mutex::new((0, Client::new(engine.fork()))),
            engine: engine.clone(),
        });
        Self { engine: Some(engine.clone()), replica, ..Self::new(Client::new(engine)) }
    }

    pub(crate) fn redis(
        url: SecretString,
        reply_bytes: usize,
        answers_as_upstash: bool,
    ) -> Result<Self, Error> {
        let redis = Redis { url, reply_bytes };
        let primary = redis.connect(None)?;
        Ok(Self { redis: Some(redis), answers_as_upstash, ..Self::new(primary) })
    }

    fn new(primary: Client) -> Self {
        Self {
            primary,
            engine: None,
            redis: None,
            scripts: Scripts::default(),
            answers_as_upstash: false,
            replica: None,
            offset: AtomicU64::new(0),
        }
    }

    /// The command to send instead, and the reply to give. `None` if the command can be sent unchanged.
    fn translate(&self, permission: &Permission, command: &Command) -> Option<Translated> {
        let may_run_scripts = !matches!(permission, Permission::User(..));
        let answers = self.answers_as_upstash.then(|| dialect::translate(command, may_run_scripts));
        answers.flatten().or_else(|| self.scripts.translate(command))
    }

    /// Carries out one command.
    async fn carry_out(
        &self,
        permission: &Permission,
        transport: &dyn Transport,
        command: &Command,
    ) -> Result<Value, Error> {
        if self.answers_as_upstash
            && let Some(reply) = dialect::scan_with_types(transport, command).await
        {
            return reply;
        }
        match self.translate(permission, command) {
            Some(Translated { command, answer }) => {
                transport.send(&command).await.map(|reply| answer.of(reply))
            }
            None => transport.send(command).await,
        }
    }

    /// Refuses a command that the REST API does not serve: a command that waits for data or changes the state of a connection,
    /// or a script that the embedded engine cannot run.
    pub(crate) fn check(&self, command: &Command) -> Result<(), Error> {
        self.primary.capabilities().blocking(false).check(command)?;
        let Some(engine) = &self.engine else { return Ok(()) };
        match self.scripts.translate(command) {
            Some(translated) => engine.check(&translated.command),
            None => engine.check(command),
        }
    }

    /// Asks Redis whether the user of this permission may run a command.
    pub(crate) async fn allows(
        &self,
        permission: &Permission,
        command: &Command,
    ) -> Result<(), Error> {
        if self.engine.is_some() {
            return Ok(());
        }
        let refusal = || Error::server(&no_permission(command.name()));
        let name = match permission {
            Permission::User(name, _) => name.clone(),
            Permission::ReadOnly => return Err(refusal()),
            Permission::Everything => match self.primary.acl_whoami().await {
                Ok(name) => name,
                // A Redis without ACL users allows every command.
                Err(error) if error.code() == Some("ERR") => return Ok(()),
                Err(error) => return Err(error),
            },
        };
        let dry_run = Command::new("ACL").arg("DRYRUN").arg(name).arg(command.name());
        match self.primary.send(&dry_run.args_from(command.args())).await {
            Ok(Value::Simple(_)) => Ok(()),
            Ok(_) => Err(refusal()),
            // Redis before version 7 has no DRYRUN. The user of the server's own URL is then allowed everything.
            Err(error) if error.code() == Some("ERR") => match permission {
                Permission::Everything => Ok(()),
                _ => Err(refusal()),
            },
            Err(error) if error.code() == Some("NOPERM") => Err(refusal()),
            Err(error) => Err(error),
        }
    }

    /// A connection of an ACL user, if Redis accepts the password.
    pub(crate) async fn user(&self, name: &str, password: &str) -> Option<Client> {
        let client = self.redis.as_ref()?.connect(Some((name, password))).ok()?;
        // NOPERM shows that the password was right and that the user may not PING.
        match client.send(&Command::new("PING")).await {
            Ok(_) => Some(client),
            Err(error) => (error.code() == Some("NOPERM")).then_some(client),
        }
    }

    /// The client that serves a request, and the data for the sync token of its answer.
    fn route(&self, permission: &Permission, commands: &[Command], want: Freshness) -> Route<'_> {
        let access = |kind| move |command: &Command| command.info().access == kind;
        // A read of the primary may show newer data than every copy, so it counts as a write there.
        let writes = self.replica.is_some() || commands.iter().any(access(Access::Write));
        let primary = |client: &Client| Route {
            client: client.clone(),
            primary: &self.offset,
            writes,
            copied: None,
        };
        if let Permission::User(_, client) = permission {
            return primary(client);
        }
        let reads = commands.iter().all(access(Access::Read));
        if let Some(replica) = self.replica.as_ref().filter(|_| reads) {
            let copy = replica.copy();
            if want.stale || want.offset <= copy.0 {
                // A stale answer has the token that was asked for, as a server that breaks its promise would send it.
                return Route { copied: Some(copy.0.max(want.offset)), ..primary(&copy.1) };
            }
        }
        primary(&self.primary)
    }

    pub(crate) async fn send(
        &self,
        permission: &Permission,
        command: &Command,
        want: Freshness,
    ) -> (Result<Value, Error>, u64) {
        let route = self.route(permission, std::slice::from_ref(command), want);
        let result = self.carry_out(permission, route.client.transport(), command).await;
        (result, route.offset())
    }

    pub(crate) async fn send_all(
        &self,
        permission: &Permission,
        commands: &[Command],
        atomic: bool,
        want: Freshness,
        mut budget: ReplyBudget,
    ) -> (Result<Results, Error>, u64) {
        let route = self.route(permission, commands, want);
        if atomic {
            let translated: Vec<Option<Translated>> =
                commands.iter().map(|command| self.translate(permission, command)).collect();
            let mut sent = Cow::Borrowed(commands);
            for (at, translated) in translated.iter().enumerate() {
                if let Some(translated) = translated {
                    sent.to_mut()[at] = translated.command.clone();
                }
            }
            let results = route.client.transport().transaction(&sent).await.map_err(too_large);
            let answers = translated.into_iter().map(|it| it.map_or(Answer::Same, |it| it.answer));
            let results = results.map(|results| {
                let replies = results.into_iter().zip(answers);
                let replies = replies.map(|(reply, answer)| reply.map(|reply| answer.of(reply)));
                replies.map(|reply| budget.charge(reply)).collect()
            });
            return (results, route.offset());
        }
        // The commands are sent one by one, so that a reply that exceeds the limit is dropped before the next one comes.
        let mut results = Vec::with_capacity(commands.len());
        for command in commands {
            let result = self.carry_out(permission, route.client.transport(), command).await;
            let is_away =
                |error: &Error| matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout);
            if results.is_empty() && result.as_ref().is_err_and(is_away) {
                return (result.map(|_| Vec::new()), route.offset());
            }
            results.push(budget.charge(result));
        }
        (Ok(results), route.offset())
    }

    /// The client for the subscription of a request.
    pub(crate) fn listener(&self, permission: &Permission) -> Client {
        match permission {
            Permission::User(_, client) => client.clone(),
            Permission::Everything | Permission::ReadOnly => self.primary.clone(),
        }
    }

    /// Lets the replica catch up.
    pub(crate) fn replicate(&self) {
        if let Some(replica) = &self.replica {
            let mut copy = replica.copy();
            // Writes from here on may be in the copy, and they are not in its offset.
            let offset = self.offset.load(Ordering::SeqCst);
            if copy.0 != offset {
                *copy = (offset, Client::new(replica.engine.fork()));
            }
        }
    }
}

struct Route<'a> {
    client: Client,
    /// The offset of the primary.
    primary: &'a AtomicU64,
    writes: bool,
    /// The offset of the copy that answers instead of the primary.
    copied: Option<u64>,
}

impl Route<'_> {
    /// The offset of the state that the answer shows. It is taken after the request was carried out.
    fn offset(&self) -> u64 {
        match self.copied {
            Some(copied) => copied,
            None if self.writes => self.primary.fetch_add(1, Ordering::SeqCst) + 1,
            None => self.primary.load(Ordering::SeqCst),
        }
    }
}

impl Replica {
    fn copy(&self) -> MutexGuard<'_, (u64, Client)> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Redis {
    /// A client for the user of the URL, or for another one.
    #[cfg(feature = "redis")]
    fn connect(&self, user: Option<(&str, &str)>) -> Result<Client, Error> {
        use edgecask::layer::Deadline;
        use edgecask::transport::tcp::{TcpOptions, TcpTransport};
        use secrecy::ExposeSecret;
        let mut options =
            TcpOptions::new(self.url.expose_secret()).max_reply_bytes(self.reply_bytes);
        if let Some((name, password)) = user {
            options = options.username(name).password(password);
        }
        Ok(Client::new(TcpTransport::new(options)?).layer(Deadline::default()))
    }

    #[cfg(not(feature = "redis"))]
    fn connect(&self, _: Option<(&str, &str)>) -> Result<Client, Error> {
        Err(Error::new(
            ErrorKind::Config,
            "this build serves the embedded engine only: turn on the feature redis",
        ))
    }
}
