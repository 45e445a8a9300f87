//! What the JavaScript tests of events talk to. `events-peer page` serves a page of events on an embedded engine, and prints its
//! address. `events-peer realtime URL VERSION` listens to a channel of Supabase Realtime: it prints each event, and publishes each
//! line that it reads.
#![allow(clippy::print_stdout, missing_docs)]

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Html;
use axum::routing::{get, post};
use edgecask::Key;
use edgecask::events::sse::{SseOptions, SseStream};
use edgecask::events::{Events, EventsOptions, Item, Start};
use edgecask::prelude::*;
use edgecask::supabase::realtime::{Realtime, RealtimeOptions, Version};
use futures_util::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["page"] => page().await,
        ["realtime", url, "1"] => realtime(url, Version::One).await,
        ["realtime", url, "2"] => realtime(url, Version::Two).await,
        _ => Err("events-peer page, or events-peer realtime URL 1|2".into()),
    }
}

async fn page() -> Result<(), Box<dyn Error>> {
    let client = Client::memory();
    let topic = Events::new(client.clone()).topic::<u64>(Key::verbatim("page")?);
    let (heard, published) = (topic.clone(), topic);
    let events = move |headers: HeaderMap| {
        let topic = heard.clone();
        async move {
            let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
            let heard = topic.subscribe(Start::last_event_id(last, Start::Now)).await;
            let options = SseOptions::new().retry(Duration::from_millis(20));
            SseStream::with_options(heard.expect("the engine answers"), options).into_response()
        }
    };
    let publish = move |Path(number): Path<u64>| {
        let topic = published.clone();
        async move {
            topic.publish(&number).name("n").await.expect("the engine answers");
        }
    };
    let trim = move |Path(kept): Path<u64>| {
        let client = client.clone();
        async move {
            let trim = cmd("XTRIM").arg("page").arg("MAXLEN").arg(kept);
            client.execute::<i64>(trim).await.expect("the engine answers").to_string()
        }
    };
    let app = Router::new()
        .route("/", get(|| async { Html("<!doctype html><title>events</title>") }))
        .route("/events", get(events))
        .route("/publish/{number}", post(publish))
        .route("/trim/{kept}", post(trim));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn realtime(url: &str, version: Version) -> Result<(), Box<dyn Error>> {
    let options = RealtimeOptions::new(url, "the-key").version(version);
    let second = Duration::from_secs(1);
    let realtime = Realtime::with_options(options.heartbeat(second, 10 * second))?;
    let topic = Events::over(realtime, EventsOptions::new());
    let topic = topic.topic::<serde_json::Value>(Key::verbatim("chat:c1")?);
    let mut heard = topic.subscribe(Start::Now).await?;
    println!("ready");
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    loop {
        tokio::select! {
            item = heard.next() => match item.ok_or("it ended")?? {
                Item::Event(event) => println!("event {} {}", event.name, event.data),
                other => println!("other {other:?}"),
            },
            line = lines.recv() => {
                let Some(line) = line else { return Ok(()) };
                topic.publish(&serde_json::from_str(&line)?).name("ours").await?;
            }
        }
    }
}
