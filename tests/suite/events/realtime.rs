//! Events over Supabase Realtime, against a small server of its frames.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgecask::ErrorKind;
use edgecask::events::{Events, EventsOptions, GapReason, Item, Start, Topic};
use edgecask::supabase::realtime::{Realtime, RealtimeOptions, Version};
use edgecask_tests::until;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::{event, item, key};

/// A server that speaks what Supabase Realtime speaks: joins, heartbeats, broadcasts in both versions, and broadcasts by HTTP.
#[derive(Clone)]
struct Server {
    url: String,
    /// Topic, event, payload.
    sent: broadcast::Sender<(String, String, Json)>,
    state: Arc<Mutex<State>>,
    cut: broadcast::Sender<()>,
}

#[derive(Default)]
struct State {
    joins: Vec<Json>,
    heartbeats: usize,
    refuses: bool,
    is_deaf: bool,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sent, cut) = (broadcast::channel(100).0, broadcast::channel(1).0);
        let server = Self { url, sent, state: Arc::default(), cut };
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = serving.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        server
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut begin = [0; 4];
        while stream.peek(&mut begin).await.unwrap() < begin.len() {}
        match &begin {
            b"POST" => {
                let mut request = Vec::new();
                let body = loop {
                    let mut part = [0; 4096];
                    let count = stream.read(&mut part).await.unwrap();
                    request.extend_from_slice(&part[..count]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    if let Ok(body) = serde_json::from_str::<Json>(body) {
                        assert!(head.starts_with("POST /realtime/v1/api/broadcast "), "{head}");
                        assert!(head.contains("apikey: the-key"), "{head}");
                        break body;
                    }
                };
                for message in body["messages"].as_array().unwrap() {
                    let text = |name: &str| message[name].as_str().unwrap().to_owned();
                    let _ =
                        self.sent.send((text("topic"), text("event"), message["payload"].clone()));
                }
                let answer =
                    "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            _ => self.listen(stream).await,
        }
    }

    async fn listen(&self, stream: TcpStream) {
        let mut uri = String::new();
        #[expect(clippy::result_large_err, reason = "the crate's own type")]
        let keep = |request: &Request, response: Response| {
            uri = request.uri().to_string();
            Ok(response)
        };
        let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, keep).await else {
            return;
        };
        assert!(uri.starts_with("/realtime/v1/websocket?apikey=the%2Dkey&vsn="), "{uri}");
        let is_two = uri.ends_with("2.0.0");
        let (mut sent, mut cut) = (self.sent.subscribe(), self.cut.subscribe());
        let mut joined = None;
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                message = sent.recv() => {
                    let (topic, event, payload) = message.unwrap();
                    if joined.as_deref() == Some(&*format!("realtime:{topic}")) {
                        let message = broadcast_frame(is_two, &topic, &event, &payload);
                        let _ = socket.send(message).await;
                    }
                    continue;
                }
                _ = cut.recv() => return,
            };
            let Some(Ok(Message::Text(text))) = message else { return };
            let frame: Json = serde_json::from_str(&text).unwrap();
            let [join, reference, topic, event, payload] = match is_two {
                true => [0, 1, 2, 3, 4].map(|at| frame[at].clone()),
                false => {
                    ["join_ref", "ref", "topic", "event", "payload"].map(|name| frame[name].clone())
                }
            };
            let mut status = "ok";
            {
                let mut state = self.state.lock().unwrap();
                if state.is_deaf {
                    continue;
                }
                match event.as_str().unwrap() {
                    "phx_join" => {
                        state.joins.push(payload);
                        if state.refuses {
                            status = "error";
                        } else {
                            joined = topic.as_str().map(str::to_owned);
                        }
                    }
                    "heartbeat" => state.heartbeats += 1,
                    other => panic!("{other}"),
                }
            }
            let response = json!({"status": status, "response": {"postgres_changes": []}});
            let reply = match is_two {
                true => json!([join, reference, topic, "phx_reply", response]),
                false => {
                    json!({"join_ref": join, "ref": reference, "topic": topic, "event": "phx_reply", "payload": response})
                }
            };
            let _ = socket.send(Message::text(reply.to_string())).await;
        }
    }

    fn topic(&self, version: Version, heartbeat: Duration, timeout: Duration) -> Topic<u64> {
        let options = RealtimeOptions::new(&self.url, "the-key").version(version);
        let realtime = Realtime::with_options(options.heartbeat(heartbeat, timeout)).unwrap();
        Events::over(realtime, EventsOptions::new()).topic(key("chat:c1"))
    }
}

fn broadcast_frame(is_two: bool, topic: &str, event: &str, payload: &Json) -> Message {
    let topic = format!("realtime:{topic}");
    if !is_two {
        let payload =
            json!({"type": "broadcast", "event": event, "payload": payload, "meta": {"id": "x"}});
        let frame = json!({"topic": topic, "event": "broadcast", "payload": payload, "ref": null});
        return Message::text(frame.to_string());
    }
    let meta = "{\"id\":\"x\"}";
    let mut bytes = vec![4, topic.len() as u8, event.len() as u8, meta.len() as u8, 1];
    for text in [&topic, event, meta, &payload.to_string()] {
        bytes.extend(text.as_bytes());
    }
    Message::binary(bytes)
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn events_go_over_supabase_in_both_versions() {
    let server = Server::start().await;
    for version in [Version::One, Version::Two] {
        let topic = server.topic(version, MINUTE, MINUTE);
        let mut heard = topic.subscribe(Start::Now).await.unwrap();
        for number in 0..5 {
            let published =
                topic.publish(&number).name("n").id(format!("id-{number}")).await.unwrap();
            assert_eq!(published.position, None);
            let event = event(&mut heard).await;
            assert_eq!((event.data, &*event.name, event.id), (number, "n", format!("id-{number}")));
        }
        // A repeat is received once.
        topic.publish(&4).id("id-4").await.unwrap();
        topic.publish(&5).await.unwrap();
        assert_eq!(event(&mut heard).await.data, 5);
        // A message of another client, and another event of the same channel.
        server.sent.send(("chat:c1".to_owned(), "cursor".to_owned(), json!({"x": 1}))).unwrap();
        server.sent.send(("chat:c1".to_owned(), "event".to_owned(), json!(7))).unwrap();
        let foreign = event(&mut heard).await;
        assert_eq!((foreign.data, &*foreign.id), (7, ""));
        assert_eq!(topic.position().await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let joins = server.state.lock().unwrap().joins.clone();
    assert_eq!(joins.len(), 2);
    assert_eq!(joins[0]["config"]["broadcast"]["self"], true);
}

#[tokio::test]
async fn a_lost_connection_and_a_heartbeat_without_an_answer_are_gaps() {
    let server = Server::start().await;
    let short = Duration::from_millis(50);
    let topic = server.topic(Version::Two, short, MINUTE);
    let mut heard = topic.subscribe(Start::Now).await.unwrap();
    until(async || server.state.lock().unwrap().heartbeats > 2).await;
    server.cut.send(()).unwrap();
    match item(&mut heard).await {
        Item::Gap(gap) => assert_eq!(gap.reason, GapReason::Disconnected),
        other => panic!("{other:?}"),
    }
    topic.publish(&1).await.unwrap();
    assert_eq!(event(&mut heard).await.data, 1);
    drop(heard);
    // The server does not answer any more.
    let topic = server.topic(Version::Two, short, short);
    let mut heard = topic.subscribe(Start::Now).await.unwrap();
    server.state.lock().unwrap().is_deaf = true;
    let state = Arc::clone(&server.state);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        state.lock().unwrap().is_deaf = false;
    });
    assert!(matches!(item(&mut heard).await, Item::Gap(_)));
}

#[tokio::test]
async fn a_refusal_of_supabase_is_an_error_without_the_key() {
    let server = Server::start().await;
    server.state.lock().unwrap().refuses = true;
    let topic = server.topic(Version::Two, MINUTE, MINUTE);
    let error = topic.subscribe(Start::Now).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    // No server listens there.
    let away = Realtime::new("http://127.0.0.1:9", "the-key").unwrap();
    let away = Events::over(away, EventsOptions::new()).topic::<u64>(key("t"));
    for error in
        [away.subscribe(Start::Now).await.unwrap_err(), away.publish(&1).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(!format!("{error:?} {error}").contains("the-key"), "{error:?}");
    }
}
