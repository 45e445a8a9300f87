use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{ConnectionAddr, ConnectionInfo};

use super::convert::value_from;
use super::dial::{Connection, Dialer};
use crate::platform::{BoxFuture, boxed};
use crate::{Error, ErrorKind, FromValue, Result, Value};

/// Sentinels that watch a primary of this name.
pub(super) struct Sentinels {
    pub(super) sentinels: Vec<ConnectionInfo>,
    pub(super) name: String,
    /// The settings of the primary. Its address comes from the sentinels.
    pub(super) primary: ConnectionInfo,
}

/// The error code of a server that runs a long script.
const BUSY: Option<&str> = Some("BUSY");

/// The result of a step on the way to the primary.
enum Step {
    Named(Result<ConnectionAddr>),
    Reached(Box<Result<(ConnectionInfo, Connection)>>),
}

impl Sentinels {
    /// A connection to the current primary, and how it was made. All sentinels are asked at once, because some may hang or
    /// know an old primary only. The first server that reports the role of a primary, or is too busy to report one, is taken.
    /// `primary` holds the settings without the address.
    pub(super) async fn connect(
        &self,
        dialer: &Dialer,
        primary: &ConnectionInfo,
    ) -> Result<(ConnectionInfo, Connection)> {
        let mut steps: FuturesUnordered<BoxFuture<'_, Step>> = self
            .sentinels
            .iter()
            .map(|sentinel| boxed(|| async { Step::Named(self.ask(dialer, sentinel).await) }))
            .collect();
        let (mut named, mut busy) = (Vec::new(), None);
        let mut last = Error::new(ErrorKind::Config, "there is no URL of a sentinel");
        while let Some(step) = steps.next().await {
            match step {
                Step::Named(Ok(address)) if !named.contains(&address) => {
                    named.push(address.clone());
                    let info = primary.clone().set_addr(address);
                    steps.push(boxed(|| async {
                        Step::Reached(Box::new(reach(dialer, info).await))
                    }));
                }
                Step::Named(Ok(_)) => {}
                Step::Named(Err(error)) => last = error,
                Step::Reached(reached) => match *reached {
                    Ok(reached) => return Ok(reached),
                    Err(error) if error.code() == BUSY => busy = Some(error),
                    Err(error) => last = error,
                },
            }
        }
        if let Some(busy) = busy {
            return Err(busy);
        }
        // Nothing was sent to the primary, whichever error the sentinels had.
        Err(Error::new(ErrorKind::Connect, "no primary that the sentinels name can be reached")
            .with_source(last))
    }

    async fn ask(&self, dialer: &Dialer, sentinel: &ConnectionInfo) -> Result<ConnectionAddr> {
        let sentinel = dialer.connect(sentinel).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let answer = dialer.in_time(ask(&sentinel, &question)).await?;
        let Some((host, port)) = Option::<(String, u16)>::from_value(answer)? else {
            return Err(Error::new(ErrorKind::Config, "a sentinel knows no primary of this name"));
        };
        Ok(match self.primary.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        })
    }
}

async fn reach(dialer: &Dialer, info: ConnectionInfo) -> Result<(ConnectionInfo, Connection)> {
    let connection = dialer.connect(&info).await?;
    let role = match dialer.in_time(ask(&connection, &redis::cmd("ROLE"))).await {
        // The server is reached. It answers every command like this.
        Err(error) if error.code() == BUSY => return Ok((info, connection)),
        role => role?,
    };
    let role = Vec::<Value>::from_value(role)?.into_iter().next().unwrap_or_default();
    if String::from_value(role)? == "master" {
        return Ok((info, connection));
    }
    Err(Error::new(ErrorKind::Connect, "the server that a sentinel names is no longer a primary"))
}

async fn ask(connection: &Connection, question: &redis::Cmd) -> Result<Value> {
    value_from(connection.send(question).await.map_err(super::convert::error_from)?)
}
