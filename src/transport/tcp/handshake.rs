//! The handshake of a connection.

use secrecy::ExposeSecret;

use super::endpoint::Endpoint;
use super::link::Link;
use super::resp::{Batch, Reply};
use crate::command::Command;
use crate::{Error, ErrorKind, Outcome, Result};

/// Sets up the user, the protocol, the database and the name of this library, in one round trip.
pub(super) async fn handshake(link: &mut Link, endpoint: &Endpoint) -> Result<()> {
    let (batch, essential) = questions(endpoint);
    let replies = async {
        link.write(&batch).await?;
        let mut replies = Vec::with_capacity(batch.len());
        for _ in 0..batch.len() {
            replies.push(link.reply().await?);
        }
        Ok(replies)
    };
    let replies = replies.await.map_err(|error: Error| match error.kind() {
        ErrorKind::Disconnected | ErrorKind::Timeout => {
            Error::new(ErrorKind::Connect, "the connection to Redis was lost while it was made")
                .with_source(error)
        }
        _ => error.with_outcome(Outcome::NotSent),
    })?;
    for reply in replies.into_iter().take(essential) {
        if let Reply::Error(error) = reply {
            return Err(refused(error, endpoint));
        }
    }
    Ok(())
}

/// The commands, and how many of them have to succeed.
fn questions(endpoint: &Endpoint) -> (Batch, usize) {
    let user = endpoint.username.as_deref().filter(|name| !name.is_empty() && *name != "default");
    let password = endpoint.password.as_ref().map(|password| password.expose_secret());
    let mut batch = Batch::default();
    match password {
        _ if endpoint.resp3 => {
            let hello = Command::new("HELLO").arg(3);
            batch.push(&match password {
                Some(password) => hello.arg("AUTH").arg(user.unwrap_or("default")).arg(password),
                None => hello,
            });
        }
        Some(password) => batch.push(&Command::new("AUTH").args_from(user).arg(password)),
        None => {}
    }
    if endpoint.database != 0 {
        batch.push(&Command::new("SELECT").arg(endpoint.database));
    }
    let essential = batch.len();
    // Servers before 7.2 refuse these. Their replies are ignored.
    for (name, value) in [("LIB-NAME", "edgecask"), ("LIB-VER", env!("CARGO_PKG_VERSION"))] {
        batch.push(&Command::new("CLIENT").arg("SETINFO").arg(name).arg(value));
    }
    (batch, essential)
}

/// The error of a handshake that the server refused, with its code and text. The text may repeat the password and the user
/// name, which are taken out.
fn refused(error: Error, endpoint: &Endpoint) -> Error {
    let password = endpoint.password.as_ref().map(|password| password.expose_secret());
    let secrets = [password, endpoint.username.as_deref()].into_iter().flatten();
    let said = error.redacted(secrets.map(str::as_bytes));
    let (kind, own) = match said.code() {
        Some("ERR") if said.message().contains("max number of clients") => {
            (ErrorKind::Connect, "Redis has no room for another client: ")
        }
        Some("WRONGPASS" | "NOAUTH" | "NOPERM") => {
            (ErrorKind::Unauthorized, "Redis refused the user name or password: ")
        }
        None | Some("ERR" | "NOPROTO") => (
            ErrorKind::Unauthorized,
            "Redis refused the connection's user, password, database or protocol: ",
        ),
        Some(_) => return said.with_outcome(Outcome::NotSent),
    };
    let error = Error::quoting(kind, own.to_owned(), said.message()).with_code(said.code());
    error.with_outcome(Outcome::NotSent)
}
