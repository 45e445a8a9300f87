//! Converts commands, values and errors between this crate and the `redis` crate.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustls::AlertDescription;

use super::framing::Unreadable;
use crate::command::Command;
use crate::transport::Message;
use crate::{Error, ErrorKind, FromValue, Outcome, Result, Value};

pub(super) fn packed(command: &Command) -> redis::Cmd {
    let mut cmd = redis::Cmd::with_capacity(command.args().len() + 1, command.len_bytes());
    cmd.arg(command.name());
    for arg in command.args() {
        cmd.arg(arg);
    }
    cmd
}

/// A reply. The error of a command is an `Err`, and one among the items of an array is an item.
pub(super) fn value_from(value: redis::Value) -> Result<Value> {
    match value {
        redis::Value::ServerError(error) => Err(server_error(error.code(), error.details())),
        redis::Value::Attribute { data, .. } => value_from(*data),
        other => item_from(other),
    }
}

fn item_from(value: redis::Value) -> Result<Value> {
    let list = |items: Vec<redis::Value>| items.into_iter().map(item_from).collect::<Result<_>>();
    Ok(match value {
        redis::Value::Nil => Value::Nil,
        redis::Value::Int(number) => Value::Integer(number),
        redis::Value::BulkString(bytes) => Value::bulk(bytes),
        redis::Value::SimpleString(status) => Value::Simple(status.into()),
        redis::Value::Okay => Value::OK,
        redis::Value::Array(items) => Value::Array(list(items)?),
        redis::Value::Set(items) => Value::Set(list(items)?),
        redis::Value::Map(pairs) => Value::Map(
            pairs
                .into_iter()
                .map(|(key, value)| Ok((item_from(key)?, item_from(value)?)))
                .collect::<Result<_>>()?,
        ),
        redis::Value::Attribute { data, .. } => item_from(*data)?,
        redis::Value::Double(number) => Value::Double(number),
        redis::Value::Boolean(yes) => Value::Boolean(yes),
        redis::Value::VerbatimString { format, text } => {
            let format = format.to_string().into_bytes().try_into().unwrap_or(*b"txt");
            Value::Verbatim { format, text: text.into() }
        }
        redis::Value::BigNumber(digits) => Value::BigNumber(digits.into()),
        redis::Value::Push { kind, data } => {
            let mut items = list(data)?;
            items.insert(0, Value::bulk(kind.to_string()));
            Value::Push(items)
        }
        redis::Value::ServerError(error) => {
            Value::Error(error_text(error.code(), error.details()).into())
        }
        _ => {
            return Err(Error::new(
                ErrorKind::Protocol,
                "a reply of a type that RESP does not have",
            ));
        }
    })
}

pub(super) fn message_from(message: &redis::Msg) -> Result<Message> {
    let bytes = |value: redis::RedisResult<redis::Value>| {
        Bytes::from_value(value_from(value.map_err(error_from)?)?)
    };
    let payload = Bytes::copy_from_slice(message.get_payload_bytes());
    let plain = Message::new(bytes(message.get_channel())?, payload);
    if message.from_pattern() {
        Ok(plain.matching(bytes(message.get_pattern())?))
    } else {
        Ok(plain)
    }
}

fn server_error(code: &str, detail: Option<&str>) -> Error {
    Error::server(&error_text(code, detail))
}

fn error_text(code: &str, detail: Option<&str>) -> String {
    match detail {
        Some(detail) => format!("{code} {detail}"),
        None => code.to_owned(),
    }
}

pub(super) fn error_from(error: redis::RedisError) -> Error {
    if error.kind() == redis::ErrorKind::AuthenticationFailed {
        return Error::new(ErrorKind::Unauthorized, "Redis refused the user name or password")
            .with_outcome(Outcome::NotSent);
    }
    if let Some(code) = error.code() {
        return server_error(code, error.detail());
    }
    if let Some(known) = io_cause(&error).and_then(io_error_from) {
        return known;
    }
    let (kind, message) = if error.is_connection_refusal() {
        (ErrorKind::Connect, "no connection to Redis")
    } else if error.is_timeout() {
        (ErrorKind::Timeout, "Redis did not answer in time")
    } else if error.is_io_error() {
        (ErrorKind::Disconnected, "the connection to Redis was lost")
    } else if error.kind() == redis::ErrorKind::InvalidClientConfig {
        // The crate's message may quote a URL.
        return Error::new(ErrorKind::Config, "these connection settings do not go together");
    } else {
        // The crate's message quotes what was received.
        return Error::new(
            ErrorKind::Protocol,
            "Redis answered something that is not of its protocol",
        );
    };
    Error::new(kind, message).with_source(error)
}

/// The error that an I/O error stands for, if it comes from this transport or from TLS.
pub(super) fn io_error_from(error: &io::Error) -> Option<Error> {
    let cause = error.get_ref()?;
    // The handshake failed, so that nothing was sent.
    let refused = match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(_)) => {
            Some("the certificate of Redis is not trusted: see TcpOptions::root_certificate")
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            Some("the server does not speak TLS: begin its URL with redis://")
        }
        Some(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::HandshakeFailure
            | AlertDescription::UnknownCA,
        )) => {
            Some("Redis refused the certificate of this client: see TcpOptions::client_certificate")
        }
        _ => None,
    };
    if let Some(message) = refused {
        return Some(Error::new(ErrorKind::Connect, message));
    }
    cause.downcast_ref::<Unreadable>().map(|unreadable| {
        Error::new(
            ErrorKind::Protocol,
            match unreadable {
                Unreadable::TooLarge => "a reply is too large: see TcpOptions::max_reply_bytes",
                Unreadable::Malformed => "Redis answered something that is not of its protocol",
                Unreadable::TooMany => {
                    "more replies came than commands were sent: the connection was closed, because the replies cannot be \
                     matched with commands any more"
                }
            },
        )
    })
}

fn io_cause(error: &redis::RedisError) -> Option<&io::Error> {
    type Shared = Arc<dyn std::error::Error + Send + Sync>;
    // The crate shares its causes, so the cause is inside an `Arc`.
    std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<Shared>()?.downcast_ref::<io::Error>())
}
