use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use edgecask::events::sse::SseStream;
use edgecask::events::{Start, Topic};
use edgecask::prelude::*;
use edgecask_tests::{Place, RedisServer};

use super::{quick, topic};

/// The parser of an `EventSource`: the id, the name and the data of each event that it dispatches.
#[derive(Default)]
struct EventSource {
    rest: String,
    last_id: String,
}

impl EventSource {
    fn dispatched(&mut self, bytes: &str) -> Vec<(String, String, String)> {
        self.rest += bytes;
        let mut events = Vec::new();
        while let Some((block, rest)) = self.rest.split_once("\n\n") {
            let (mut name, mut data) = ("message".to_owned(), Vec::new());
            for line in block.split('\n') {
                match line.split_once(": ") {
                    Some(("id", id)) => self.last_id = id.to_owned(),
                    Some(("event", event)) => name = event.to_owned(),
                    Some(("data", text)) => data.push(text.to_owned()),
                    Some(("retry", millis)) => assert_eq!(millis, "3000"),
                    _ => assert_eq!(line, ":"),
                }
            }
            if !data.is_empty() {
                events.push((self.last_id.clone(), name, data.join("\n")));
            }
            self.rest = rest.to_owned();
        }
        events
    }
}

/// A service with one page of events.
async fn serve(topic: Topic<u64>) -> String {
    let page = move |headers: HeaderMap| {
        let topic = topic.clone();
        async move {
            let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
            let start = Start::last_event_id(last, Start::Now);
            SseStream::new(topic.subscribe(start).await.unwrap()).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/events", get(page));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}/events")
}

#[tokio::test]
async fn a_browser_resumes_by_the_id_of_its_last_event() {
    let place = Place::redis("Redis", RedisServer::start());
    let topic = topic(place.client(), quick());
    let url = serve(topic.clone()).await;
    let mut browser = EventSource::default();
    let mut got = Vec::new();
    // It loses the connection after each event; the first time before any.
    for round in 0..6_u64 {
        let mut request = reqwest::Client::new().get(&url);
        if !browser.last_id.is_empty() {
            request = request.header("last-event-id", &browser.last_id);
        }
        let mut body = request.send().await.unwrap();
        assert_eq!(body.headers()["content-type"], "text/event-stream");
        browser.rest.clear();
        // It has begun to listen when the response has begun.
        if round == 0 {
            body.chunk().await.unwrap().unwrap();
            topic.publish(&0).name("n").await.unwrap();
            topic.publish(&1).await.unwrap();
        }
        while got.len() as u64 <= round {
            let bytes = body.chunk().await.unwrap().unwrap();
            got.extend(browser.dispatched(&String::from_utf8_lossy(&bytes)).into_iter().take(1));
        }
        // The browser got the last one only.
        browser.last_id = got.last().unwrap().0.clone();
        topic.publish(&(round + 2)).await.unwrap();
    }
    let data: Vec<_> = got.iter().map(|(_, _, data)| data.as_str()).collect();
    assert_eq!(data, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(got[0].1, "n");
    // The history is lost in between.
    place.client().flushall().await.unwrap();
    topic.publish(&9).await.unwrap();
    let request = reqwest::Client::new().get(&url).header("last-event-id", &browser.last_id);
    let mut body = request.send().await.unwrap();
    let mut got = Vec::new();
    while got.len() < 2 {
        let bytes = body.chunk().await.unwrap().unwrap();
        got.extend(browser.dispatched(&String::from_utf8_lossy(&bytes)));
    }
    assert_eq!(got[0].1, "gap");
    assert_eq!(got[0].2, "{\"reason\":\"history-lost\",\"missed\":null}");
    assert_eq!(got[1].2, "9");
}
