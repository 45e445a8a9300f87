//! A subscriber that reconnects by itself and shows each gap.
//!
//! ```sh
//! cargo run --example subscribe
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use edgecask::{Event, prelude::*};
use futures_util::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::memory();
    let mut news = client.psubscribe(["news:*"]).await?;
    client.publish("news:today", "hello").await?;
    client.publish("news:today", "goodbye").await?;

    while let Some(event) = news.next().await {
        match event? {
            Event::Message(message) if message.payload == "goodbye" => break,
            Event::Message(message) => println!("{}", message.payload.escape_ascii()),
            Event::Lost(error) => println!("messages are missed from here on: {error}"),
            Event::Resumed => println!("listening again"),
            _ => {}
        }
    }
    Ok(())
}
