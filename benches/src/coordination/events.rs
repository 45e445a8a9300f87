//! Events to a thousand subscribers of one topic.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use edgecask::Key;
use edgecask::events::{Events, Start};
use futures_util::future::try_join_all;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::peer::{self, Kind, Task};
use super::rounds::{self, Contender, Done, Row};
use crate::throughput::Server;

const SUBSCRIBERS: usize = 1000;
/// Events that are published as fast as may be.
const MANY: usize = 100;
/// Events that are published one by one, with a pause.
const FEW: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);
const TOPIC: &str = "chat:bench";
/// A subscriber that waits for this long has lost an event.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Message {
    number: usize,
    text: String,
}

impl Message {
    fn new(number: usize) -> Self {
        Self { number, text: "a line of a conversation, as people write many of them".to_owned() }
    }
}

pub(super) fn measure(root: &Path, rounds: usize) -> Result<Vec<Row>> {
    let redis = Server::redis()?;
    let contender = |name, kind| Contender { name, kind, server: &redis };
    let contenders = [
        contender("Edgecask, one process", Kind::Edgecask),
        contender("Edgecask, a client for each subscriber", Kind::EdgecaskApart),
        contender("the commands of @upstash/realtime", Kind::Bare),
    ];
    rounds::measure(root, &redis, Task::Events, &contenders, rounds)
}

pub(super) async fn run(kind: Kind, url: &str) -> Result<Done> {
    match kind {
        Kind::Edgecask | Kind::EdgecaskApart => edgecask(kind, url).await,
        Kind::Bare => bare(url).await,
        _ => peer::unknown(kind),
    }
}

async fn edgecask(kind: Kind, url: &str) -> Result<Done> {
    let key = Key::verbatim(TOPIC)?;
    let topic = Events::new(peer::client(url, "")?).topic::<Message>(key.clone());
    let mut subscribers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let topic = match kind {
            Kind::EdgecaskApart => Events::new(peer::client(url, "")?).topic(key.clone()),
            _ => topic.clone(),
        };
        let subscription = topic.subscribe(Start::Now).await?;
        // If each subscriber has its own client, the client lives as long as the subscription.
        let numbers = subscription.map(move |item| {
            let _ = &topic;
            Ok(item?.event().context("a gap")?.data.number)
        });
        subscribers.push(numbers.boxed());
    }
    let publish = async |number| {
        topic.publish(&Message::new(number)).await?;
        Ok(())
    };
    deliveries(subscribers, publish).await
}

/// XADD, then PUBLISH by a pipeline of its own; each subscriber has a connection for SUBSCRIBE, and reads the history by XRANGE.
async fn bare(url: &str) -> Result<Done> {
    #[derive(Deserialize)]
    struct Payload {
        data: Message,
    }
    let client = redis::Client::open(url)?;
    let connection = client.get_multiplexed_async_connection().await?;
    let mut subscribers: Vec<BoxStream<'static, Result<usize>>> = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let mut listening = client.get_async_pubsub().await?;
        listening.subscribe(TOPIC).await?;
        let mut range = redis::cmd("XRANGE");
        range.arg(TOPIC).arg("-").arg("+");
        range.query_async::<redis::Value>(&mut connection.clone()).await?;
        let messages = listening.into_on_message().map(|message| {
            let payload: Payload = serde_json::from_slice(message.get_payload_bytes())?;
            Ok(payload.data.number)
        });
        subscribers.push(messages.boxed());
    }
    let publish = async |number| {
        let mut connection = connection.clone();
        let data = json!(Message::new(number));
        let mut add = redis::cmd("XADD");
        add.arg(TOPIC).arg("*").arg("data").arg(data.to_string());
        add.arg("event").arg("message").arg("channel").arg(TOPIC);
        let id: String = add.query_async(&mut connection).await?;
        let payload = json!({ "data": data, "event": "message", "channel": TOPIC, "id": id });
        let mut publish = redis::pipe();
        publish.expire(TOPIC, 3600).publish(TOPIC, payload.to_string());
        publish.query_async::<redis::Value>(&mut connection).await?;
        Ok(())
    };
    deliveries(subscribers, publish).await
}

/// The deliveries in a second of events that are published as fast as may be, and how long single ones take.
async fn deliveries<S>(
    subscribers: Vec<S>,
    publish: impl AsyncFn(usize) -> Result<()>,
) -> Result<Done>
where
    S: Stream<Item = Result<usize>> + Send + Unpin + 'static,
{
    let published: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let times: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let received = Arc::new(AtomicUsize::new(0));
    let tasks = subscribers.into_iter().map(|subscriber| {
        let (published, times, received) = (published.clone(), times.clone(), received.clone());
        tokio::spawn(async move {
            let mut subscriber = subscriber.take(MANY + FEW).enumerate();
            while let Some((place, number)) = subscriber.next().await {
                let number = number?;
                anyhow::ensure!(number == place, "event {number} in the place of {place}");
                if number >= MANY {
                    let since = published.lock().unwrap_or_else(PoisonError::into_inner)[number];
                    times.lock().unwrap_or_else(PoisonError::into_inner).push(since.elapsed());
                }
                received.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let send = async |number| {
        published.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        publish(number).await
    };
    let start = Instant::now();
    for number in 0..MANY {
        send(number).await?;
    }
    while received.load(Ordering::Relaxed) < MANY * SUBSCRIBERS {
        anyhow::ensure!(start.elapsed() < LONGEST, "events were lost");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rate = peer::per_second(MANY * SUBSCRIBERS, start);
    for number in MANY..MANY + FEW {
        tokio::time::sleep(PAUSE).await;
        send(number).await?;
    }
    for ended in tokio::time::timeout(LONGEST, try_join_all(tasks)).await?? {
        ended?;
    }
    let times = times.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut figures = vec![rate];
    figures.extend(peer::spread(times));
    Ok(Done { figures, operations: ((MANY + FEW) * SUBSCRIBERS) as f64 })
}
