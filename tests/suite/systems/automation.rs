use edgecask::prelude::*;
use edgecask::systems::automation::*;
use edgecask::{ErrorKind, FromValue, KeyPart, Value};
use edgecask_behaviour::automation_records::{notification, progress, session, step};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, until};

use super::{everywhere, send};

/// 2024-01-15, 14:22:07 UTC.
const NOW: u64 = 1_705_328_527;

fn own(text: &str) -> String {
    text.to_owned()
}

#[tokio::test]
async fn what_belongs_together_changes_together() {
    everywhere(async |client| {
        start_session(&client, "s1", &session()).await.unwrap();
        assert_eq!(find_session(&client, "user_789").await.unwrap(), Some((own("s1"), session())));
        start_session(&client, "s2", &session()).await.unwrap();
        assert!(end_session(&client, "s1", "user_789").await.unwrap());
        // The newer one stays.
        assert_eq!(find_session(&client, "user_789").await.unwrap().unwrap().0, "s2");
        assert!(end_session(&client, "s2", "user_789").await.unwrap());
        assert_eq!(find_session(&client, "user_789").await.unwrap(), None);
        assert_eq!(client.dbsize().await.unwrap(), 0);

        for expected in 1..=2 {
            assert_eq!(notify(&client, "ada", &notification()).await.unwrap(), expected);
        }
        assert!(mark_read(&client, "ada").await.unwrap());
        assert_eq!(unread("ada").unwrap().get(&client).await.unwrap(), 0);
        assert_eq!(notifications("ada").unwrap().len(&client).await.unwrap(), 2);
        let refused = notify(&client, "system", &notification()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);

        let steps = ["1", "2"].map(|id| step(id, "t", "p"));
        for _ in 0..2 {
            start_workflow(&client, "ada", "w", &progress(), &steps).await.unwrap();
        }
        let next = workflow_steps("w").unwrap().pop_back(&client).await.unwrap();
        assert_eq!(next.as_ref(), Some(&steps[0]));
        assert!(finish_workflow(&client, "ada", "w", &progress()).await.unwrap());
        assert!(!finish_workflow(&client, "ada", "w", &progress()).await.unwrap());
        assert_eq!(workflow_steps("w").unwrap().len(&client).await.unwrap(), 0);

        let minute_before = count_request(&client, "ada", NOW - 60).await.unwrap();
        assert_eq!(minute_before, Requests { in_minute: 1, in_hour: 1, on_day: 1 });
        let now = count_request(&client, "ada", NOW).await.unwrap();
        assert_eq!(now, Requests { in_minute: 1, in_hour: 2, on_day: 2 });
        assert!(count_request(&client, "global", NOW).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn the_server_answers_what_the_document_monitors() {
    let primary = RedisServer::start();
    let server = Server::start(ServerOptions::redis(primary.url())).await.unwrap();
    for client in [primary.client(), Client::rest(&server.url(), server.token()).unwrap()] {
        for (line, expected) in [
            ("INFO memory", "used_memory:"),
            ("INFO stats", "evicted_keys:"),
            ("INFO replication", "role:master"),
            ("CLIENT LIST", "cmd=client"),
        ] {
            let text = String::from_value(send(&client, line).await).unwrap();
            assert!(text.contains(expected), "{line}: {text}");
        }
        assert!(matches!(send(&client, "SLOWLOG GET 10").await, Value::Array(_)));
    }
    // "Master-slave replication", by hand: a client refuses to send it.
    let replica = RedisServer::start();
    let client = replica.client();
    assert_eq!(replica.by_hand(&format!("REPLICAOF 127.0.0.1 {}", primary.port())), "+OK");
    primary.client().set("user_session:ada", "s1").await.unwrap();
    until(async || client.get::<String>("user_session:ada").await.is_ok_and(|id| id.is_some()))
        .await;
    let text = String::from_value(send(&client, "INFO replication").await).unwrap();
    assert!(text.contains("role:slave"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn percentiles_are_measurements() {
    let client = Client::memory();
    assert_eq!(percentiles(&client, "m", [50.0]).await.unwrap(), None);
    performance("m").unwrap().push_front(&client, (1..=1500).rev()).await.unwrap();
    // The last thousand that were pushed are 1 to 1000.
    let found = percentiles(&client, "m", [0.0, 50.0, 95.0, 99.9, 100.0]).await.unwrap();
    assert_eq!(found, Some([1.0, 500.0, 950.0, 999.0, 1000.0]));
    for wrong in [-1.0, 100.1, f64::NAN] {
        let error = percentiles(&client, "m", [wrong]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn calendar_parts_are_digits_of_utc() {
    fn text(part: impl KeyPart) -> String {
        let mut text = String::new();
        part.write_part(&mut text).unwrap();
        text
    }
    assert_eq!(text(Minute::of(NOW)), "202401151422");
    assert_eq!(text(Hour::of(NOW)), "2024011514");
    assert_eq!(text(Day::of(NOW)), "20240115");
    assert_eq!(text(Minute::of(0)), "197001010000");
    assert_eq!(Minute::of(NOW), Minute::of(NOW + 52));
    assert_ne!(Minute::of(NOW), Minute::of(NOW + 53));
    // A leap day.
    assert_eq!(text(Day::of(1_709_208_000)), "20240229");
    assert!(Minute::of(u64::MAX).write_part(&mut String::new()).is_err());
}
