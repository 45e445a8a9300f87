//! A channel of Supabase Realtime over a WebSocket, which reconnects.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::sink::SinkExt;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message as WsMessage};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::frame::{Frame, Wire};
use super::options::{EVENT, Shared};
use crate::client::Event;
use crate::events::Heard;
use crate::platform::{self, Instant};
use crate::transport::Message;
use crate::{Error, ErrorKind, Result};

/// The most bytes of a message. Supabase's own limit is 3 MB.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// The pauses before the attempts to connect again.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];
/// The reference of a join, the first frame of each connection.
const JOIN: &str = "1";

pub(super) async fn listen(shared: Arc<Shared>, topic: String) -> Result<Heard> {
    let channel = Channel { shared, name: topic };
    let joined = channel.join().await?;
    Ok(stream::unfold((channel, State::Joined(Box::new(joined))), next).boxed())
}

enum State {
    Joined(Box<Joined>),
    Lost { attempts: usize },
    Over,
}

async fn next((channel, state): (Channel, State)) -> Option<(Result<Event>, (Channel, State))> {
    match state {
        State::Joined(mut joined) => match channel.next_message(&mut joined).await {
            Ok(message) => Some((Ok(Event::Message(message)), (channel, State::Joined(joined)))),
            Err(error) => Some((Ok(Event::Lost(error)), (channel, State::Lost { attempts: 0 }))),
        },
        State::Lost { mut attempts } => loop {
            let pause = PAUSES[attempts.min(PAUSES.len() - 1)];
            platform::sleep(pause.mul_f64(0.5 + 0.5 * platform::random_fraction())).await;
            attempts += 1;
            match channel.join().await {
                Ok(joined) => {
                    let state = State::Joined(Box::new(joined));
                    return Some((Ok(Event::Resumed), (channel, state)));
                }
                Err(error) if error.kind() == ErrorKind::Unauthorized => {
                    return Some((Err(error), (channel, State::Over)));
                }
                Err(error) => tracing::debug!(%error, "the channel could not be joined again yet"),
            }
        },
        State::Over => None,
    }
}

struct Channel {
    shared: Arc<Shared>,
    name: String,
}

/// A connection whose channel is joined.
struct Joined {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The reference of the last frame that was sent.
    reference: u64,
    /// The time of the next heartbeat, or of the timeout of the last one's answer.
    due: Instant,
    awaits_answer: bool,
}

impl Channel {
    fn topic(&self) -> String {
        format!("realtime:{}", self.name)
    }

    async fn join(&self) -> Result<Joined> {
        let limit = self.shared.options.timeout;
        let joined = platform::timeout(limit, self.connect_and_join()).await;
        joined.unwrap_or_else(|| Err(Error::timed_out(limit)))
    }

    async fn connect_and_join(&self) -> Result<Joined> {
        let options = &self.shared.options;
        // If an application has several providers and chooses none, rustls panics.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let url = self.shared.connection.websocket_url(options.version.as_str());
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(MAX_MESSAGE_BYTES);
        config.max_frame_size = Some(MAX_MESSAGE_BYTES);
        let connected = connect_async_with_config(url, Some(config), false).await;
        let (socket, _) = connected.map_err(not_connected)?;
        let mut joined = Joined {
            socket,
            reference: 1,
            due: Instant::now() + options.heartbeat,
            awaits_answer: false,
        };
        let mut payload = json!({"config": {
            "broadcast": {"ack": false, "self": true},
            "presence": {"key": "", "enabled": false},
            "postgres_changes": [],
            "private": options.private,
        }});
        if let Some(token) = &options.token {
            payload["access_token"] = Json::from(secrecy::ExposeSecret::expose_secret(token));
        }
        let join = Frame {
            join_reference: Some(JOIN.to_owned()),
            reference: Some(JOIN.to_owned()),
            topic: self.topic(),
            event: "phx_join".to_owned(),
            payload,
        };
        self.send(&mut joined, &join).await?;
        loop {
            let Some(frame) = receive(&mut joined).await? else { continue };
            if frame.event == "phx_reply" && frame.reference.as_deref() == Some(JOIN) {
                return match frame.payload["status"].as_str() {
                    Some("ok") => Ok(joined),
                    _ => Err(Error::new(
                        ErrorKind::Unauthorized,
                        "Supabase Realtime refused the channel",
                    )),
                };
            }
        }
    }

    /// The next message of the channel. The connection cannot be used after an error.
    async fn next_message(&self, joined: &mut Joined) -> Result<Message> {
        let options = &self.shared.options;
        loop {
            let left = joined.due.saturating_duration_since(Instant::now());
            let waited = platform::sleep(left);
            let received = match select(std::pin::pin!(receive(joined)), waited).await {
                Either::Left((frame, _)) => Some(frame?),
                Either::Right(_) => None,
            };
            match received {
                None if joined.awaits_answer => return Err(Error::timed_out(options.timeout)),
                None => {
                    joined.reference += 1;
                    let heartbeat = Frame {
                        reference: Some(joined.reference.to_string()),
                        topic: "phoenix".to_owned(),
                        event: "heartbeat".to_owned(),
                        payload: json!({}),
                        ..Frame::default()
                    };
                    (joined.due, joined.awaits_answer) = (Instant::now() + options.timeout, true);
                    self.send(joined, &heartbeat).await?;
                }
                Some(Some(frame)) => {
                    if frame.topic == "phoenix" && frame.event == "phx_reply" {
                        (joined.due, joined.awaits_answer) =
                            (Instant::now() + options.heartbeat, false);
                    } else if frame.topic == self.topic() {
                        if matches!(&*frame.event, "phx_close" | "phx_error") {
                            return Err(connection_lost());
                        }
                        if let Some((EVENT, payload)) = frame.as_broadcast() {
                            return Ok(Message::new(self.name.clone(), text(payload)));
                        }
                    }
                }
                Some(None) => {}
            }
        }
    }

    async fn send(&self, joined: &mut Joined, frame: &Frame) -> Result<()> {
        let message = match frame.encode(self.shared.options.version)? {
            Wire::Text(text) => WsMessage::text(text),
            Wire::Binary(bytes) => WsMessage::binary(bytes),
        };
        let limit = self.shared.options.timeout;
        let sent = platform::timeout(limit, joined.socket.send(message)).await;
        sent.ok_or_else(|| Error::timed_out(limit))?.map_err(|_| connection_lost())
    }
}

/// The next frame; `None` for a WebSocket message without one.
async fn receive(joined: &mut Joined) -> Result<Option<Frame>> {
    match joined.socket.next().await {
        Some(Ok(WsMessage::Text(text))) => Frame::of_text(&text).map(Some),
        Some(Ok(WsMessage::Binary(bytes))) => Frame::of_bytes(&bytes),
        Some(Ok(WsMessage::Close(_)) | Err(_)) | None => Err(connection_lost()),
        Some(Ok(_)) => Ok(None),
    }
}

/// A message with the mark of this library first, as its publisher wrote it: the order of a JSON object's fields is lost on the way.
fn text(payload: &Json) -> String {
    match payload {
        Json::Object(fields) if fields.get("edgecask") == Some(&Json::from(1)) => {
            let mut fields = fields.clone();
            fields.remove("edgecask");
            let rest = Json::Object(fields).to_string();
            format!("{{\"edgecask\":1,{}", rest.trim_start_matches('{'))
        }
        other => other.to_string(),
    }
}

/// The text of the error is not shown: it may have the URL, and the URL has the key.
fn not_connected(error: tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Http(response) => {
            let status = response.status().as_u16();
            let kind = match status {
                401 | 403 => ErrorKind::Unauthorized,
                429 => ErrorKind::Throttled,
                _ => ErrorKind::Connect,
            };
            Error::new(kind, "Supabase Realtime refused the WebSocket").with_status(status)
        }
        _ => {
            Error::new(ErrorKind::Connect, "the WebSocket to Supabase Realtime could not be opened")
        }
    }
}

fn connection_lost() -> Error {
    Error::new(ErrorKind::Disconnected, "the connection to Supabase Realtime was lost")
}
