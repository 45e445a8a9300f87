//! A conversation as an event hub: two publishers, a subscriber that loses its connection and goes on, a gap, who is present, and
//! the same for a browser. Run it with `cargo run --example events`.
#![allow(clippy::print_stdout)]

use edgecask::events::sse::SseStream;
use edgecask::events::{Events, EventsOptions, Item, Start, Subscription};
use edgecask::prelude::*;
use edgecask::{Client, Keyspace, Result};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

const CONVERSATIONS: Keyspace = Keyspace::literal("copilot:events:conversation");

#[derive(Debug, Serialize, Deserialize)]
struct Message {
    from: String,
    text: String,
}

fn message(from: &str, text: &str) -> Message {
    Message { from: from.to_owned(), text: text.to_owned() }
}

async fn show(subscription: &mut Subscription<Message>, items: usize) -> Result<()> {
    for _ in 0..items {
        match subscription.next().await.transpose()? {
            Some(Item::Event(event)) => println!("{}: {}", event.data.from, event.data.text),
            Some(Item::Gap(gap)) => {
                println!("-- missing here: {:?}, {:?} events", gap.reason, gap.missed)
            }
            other => println!("{other:?}"),
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let client = Client::memory();
    let events = Events::with_options(client.clone(), EventsOptions::new().keep(5));
    let key = CONVERSATIONS.key(("acme", "c1"))?;
    let conversation = events.topic::<Message>(key);

    let mut ada = conversation.subscribe(Start::Now).await?;
    conversation.publish(&message("grace", "hello")).await?;
    // An answer was lost, and the caller publishes it again: it is one event.
    for _ in 0..2 {
        conversation.publish(&message("grace", "are you there?")).id("question-1").await?;
    }
    show(&mut ada, 2).await?;

    // Her connection breaks; what is said in between comes when she is back.
    let position = ada.position();
    drop(ada);
    conversation.publish(&message("grace", "I am waiting")).await?;
    let start = position.map_or(Start::Now, Start::After);
    show(&mut conversation.subscribe(start).await?, 1).await?;

    // She is away for longer than the history reaches.
    for number in 1..=8 {
        conversation.publish(&message("grace", &format!("thought {number}"))).await?;
    }
    show(&mut conversation.subscribe(start).await?, 6).await?;

    let presence = conversation.presence();
    let here = presence.join("grace").await?;
    println!("present: {:?}", presence.list().await?);
    here.leave().await?;

    // For a browser's EventSource, from the header Last-Event-ID of its request on.
    let last = conversation.position().await?.map(|position| position.to_string());
    conversation.publish(&message("grace", "for the browser")).name("message.added").await?;
    let start = Start::last_event_id(last.as_deref(), Start::Now);
    let mut body = SseStream::new(conversation.subscribe(start).await?);
    for _ in 0..2 {
        if let Some(bytes) = body.next().await.transpose()? {
            print!("{}", String::from_utf8_lossy(&bytes));
        }
    }
    println!("keys: {:?}", client.keys::<String>("*conversation:acme:c1*").await?);
    Ok(())
}
