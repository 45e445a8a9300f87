//! The clients that are compared, behind one face. Each is used as its documentation says.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use edgecask::layer::Deadline;
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use fred::prelude::{
    Builder, ClientLike, Config, KeysInterface, ListInterface, ReconnectPolicy, Server,
    ServerConfig,
};
use futures_util::future::join_all;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;

/// How long a call of any client may take.
pub(super) const LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Edgecask,
    Redis,
    Fred,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Edgecask, Self::Redis, Self::Fred];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Edgecask => "Edgecask",
            Self::Redis => "the redis crate",
            Self::Fred => "fred",
        }
    }
}

/// A client that is connected. Clones share its connections.
#[derive(Clone)]
pub(super) enum Peer {
    Edgecask(Client),
    Redis(ClusterConnection),
    Fred(fred::clients::Client),
}

impl Peer {
    /// Connects to the nodes at these ports of this host.
    pub(super) async fn connect(kind: Kind, ports: &[u16]) -> Result<Self> {
        let urls = ports.iter().map(|port| format!("redis://127.0.0.1:{port}"));
        Ok(match kind {
            Kind::Edgecask => {
                let transport = TcpTransport::new(TcpOptions::cluster(urls))?;
                Self::Edgecask(Client::new(transport).layer(Deadline::new(LIMIT)))
            }
            Kind::Redis => {
                let client = ClusterClient::new(urls.collect::<Vec<_>>())?;
                Self::Redis(client.get_async_connection().await?)
            }
            Kind::Fred => {
                let hosts = ports.iter().map(|&port| Server::new("127.0.0.1", port)).collect();
                let server = ServerConfig::Clustered { hosts, policy: Default::default() };
                let client = Builder::from_config(Config { server, ..Config::default() })
                    .set_policy(ReconnectPolicy::new_exponential(0, 20, 1000, 2))
                    .build()?;
                client.init().await?;
                Self::Fred(client)
            }
        })
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(match self {
            Self::Edgecask(client) => client.get(key).await?,
            Self::Redis(connection) => {
                let got: Option<Vec<u8>> =
                    redis::cmd("GET").arg(key).query_async(&mut connection.clone()).await?;
                got.map(Bytes::from)
            }
            Self::Fred(client) => client.get(key).await?,
        })
    }

    pub(super) async fn incr(&self, key: &str) -> Result<i64> {
        Ok(match self {
            Self::Edgecask(client) => client.incr(key).await?,
            Self::Redis(connection) => {
                redis::cmd("INCR").arg(key).query_async(&mut connection.clone()).await?
            }
            Self::Fred(client) => client.incr(key).await?,
        })
    }

    pub(super) async fn mset(&self, keys: &[String], value: &str) -> Result<()> {
        match self {
            Self::Edgecask(client) => {
                let pairs = keys.iter().flat_map(|key| [key.as_str(), value]);
                client.execute::<()>(cmd("MSET").args_from(pairs)).await?;
            }
            Self::Redis(connection) => {
                let mut set = redis::cmd("MSET");
                keys.iter().for_each(|key| {
                    set.arg(key).arg(value);
                });
                set.query_async::<()>(&mut connection.clone()).await?;
            }
            Self::Fred(client) => {
                let pairs: Vec<_> = keys.iter().map(|key| (key.as_str(), value)).collect();
                client.mset(pairs).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn mget(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>> {
        Ok(match self {
            Self::Edgecask(client) => client.mget(keys).await?,
            Self::Redis(connection) => {
                let got: Vec<Option<Vec<u8>>> =
                    redis::cmd("MGET").arg(keys).query_async(&mut connection.clone()).await?;
                got.into_iter().map(|got| got.map(Bytes::from)).collect()
            }
            Self::Fred(client) => client.mget(keys.to_vec()).await?,
        })
    }

    /// GETs in one go. The `redis` crate has no pipeline over several slots, so its commands are sent at the same time.
    pub(super) async fn get_all(&self, keys: &[String]) -> Result<()> {
        match self {
            Self::Edgecask(client) => {
                let commands: Vec<_> = keys.iter().map(|key| cmd("GET").arg(key)).collect();
                for reply in client.send_pipeline(&commands).await? {
                    reply?;
                }
            }
            Self::Redis(_) => {
                for reply in join_all(keys.iter().map(|key| self.get(key))).await {
                    reply?;
                }
            }
            Self::Fred(client) => {
                let pipeline = client.pipeline();
                for key in keys {
                    let _: () = pipeline.get(key).await?;
                }
                let replies: Vec<Option<Bytes>> = pipeline.all().await?;
                ensure!(replies.len() == keys.len(), "a reply for each command");
            }
        }
        Ok(())
    }

    /// Appends numbers to lists in this order, in one go; whether each was done.
    pub(super) async fn append(&self, numbers: &[(String, u64)]) -> Result<Vec<bool>> {
        Ok(match self {
            Self::Edgecask(client) => {
                let push = |(key, number): &(String, u64)| cmd("RPUSH").arg(key).arg(*number);
                let commands: Vec<_> = numbers.iter().map(push).collect();
                client.send_pipeline(&commands).await?.iter().map(Result::is_ok).collect()
            }
            Self::Redis(connection) => {
                let pushes = numbers.iter().map(|(key, number)| {
                    let mut connection = connection.clone();
                    async move {
                        let mut push = redis::cmd("RPUSH");
                        push.arg(key).arg(*number).query_async::<()>(&mut connection).await.is_ok()
                    }
                });
                join_all(pushes).await
            }
            Self::Fred(client) => {
                let pipeline = client.pipeline();
                for (key, number) in numbers {
                    let number = i64::try_from(*number).context("it is small")?;
                    let _: () = pipeline.rpush(key, number).await?;
                }
                let replies = pipeline.try_all::<fred::types::Value>().await;
                replies.iter().map(Result::is_ok).collect()
            }
        })
    }
}
