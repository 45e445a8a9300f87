//! Where keys can be checked: a cluster, a snapshot.

use std::time::Duration;

use edgecask::Client;
use edgecask::keyspace::Stored;
use edgecask::keyspace::check::{FaultKind, Report};
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask_tests::{Dice, RedisCluster};

use super::planted::{Faults, check, found, key};

#[tokio::test]
async fn all_nodes_of_a_cluster_are_checked() {
    let cluster = RedisCluster::start().await;
    let options = TcpOptions::cluster(cluster.urls());
    let client = Client::new(TcpTransport::new(options).unwrap());
    let dice = Dice::new(9);
    let mut expected = Faults::new();
    for at in 0..200 {
        let (key, commands, faults) = key(&dice, at);
        for command in commands {
            client.send(&command).await.unwrap();
        }
        expected.extend(faults.into_iter().map(|fault| (key.clone(), fault)));
    }
    let report = check().page(30).run(&client).await.unwrap();
    assert_eq!((found(&report), report.keys), (expected, 200));
}

#[test]
fn a_snapshot_is_checked_without_a_server() {
    let check = check();
    let mut report = Report::default();
    let hour = Some(Duration::from_secs(360_000));
    let text = |text: &'static str| Stored::String(text.into());
    let good = vec![("user", "a"), ("visits", "1"), ("tags", "[]")];
    let good =
        Stored::Hash(good.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
    for (key, ttl, stored) in [
        ("w:session:1", hour, good.clone()),
        ("w:session:2", None, good.clone()),
        ("w:session:3", hour.map(|hour| hour * 2), good),
        ("w:profile:1", None, text("{}")),
        ("w:profile:2", None, Stored::List(vec!["a".into()])),
        ("w:on:all", None, text("true")),
        ("w:on:al", None, text("true")),
        ("w:log:1", hour, Stored::List(vec![r#"{"daily":1}"#.into(); 6])),
        ("w:scores:1", None, Stored::SortedSet(vec![("7".into(), 1.5)])),
        ("w:numbers:1", None, Stored::Other("stream".to_owned())),
    ] {
        check.entry(&mut report, key.as_bytes(), ttl, stored);
    }
    let expected = [
        ("w:session:2", FaultKind::NoTtl),
        ("w:session:3", FaultKind::TtlTooLong),
        ("w:profile:1", FaultKind::Undecodable),
        ("w:profile:2", FaultKind::WrongType),
        ("w:on:all", FaultKind::Undeclared),
        ("w:log:1", FaultKind::TooManyElements),
        ("w:numbers:1", FaultKind::WrongType),
    ];
    let expected = expected.map(|(key, kind)| (key.to_owned(), kind));
    assert_eq!((found(&report), report.keys), (expected.into(), 10));
    assert_eq!(report.exit_status(), 1);
}
