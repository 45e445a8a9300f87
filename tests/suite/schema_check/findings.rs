//! Which faults are found, and what the report says of them.

use std::collections::BTreeSet;
use std::time::Duration;

use edgecask::keyspace::Stored;
use edgecask::keyspace::check::{Fault, FaultKind, Report, SchemaCheck, Warning};
use edgecask::prelude::*;
use edgecask::{Client, Command, ErrorKind, Keyspace, Pattern};
use edgecask_tests::{Dice, RedisServer, seeds};

use super::planted::{SECRET, check, everywhere, found, planted, world};

#[tokio::test]
async fn every_planted_fault_is_found_and_nothing_else() {
    everywhere(async |writes, checks| {
        for seed in seeds(3) {
            let dice = Dice::new(seed);
            let expected = planted(writes, &dice, 400).await;
            let page = 1 + dice.roll(100) as u32;
            let report = check().page(page).run(checks).await.unwrap();
            assert_eq!(found(&report), expected, "seed {seed}, {checks:?}");
            assert_eq!((report.keys, report.complete, report.exit_status()), (400, true, 1));
            let undeclared = report.faults[&FaultKind::Undeclared];
            assert_eq!(report.patterns.values().sum::<u64>(), 400 - undeclared);

            let json = serde_json::to_string(&report).unwrap();
            assert!(!json.contains(SECRET) && !report.to_string().contains(SECRET), "{report}");
            assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        }
    })
    .await;
}

#[tokio::test]
async fn faults_say_what_is_wrong() {
    everywhere(async |writes, checks| {
        writes.flushdb().await.unwrap();
        let commands = [
            "SET w:profile:1 {\"name\":\"s3cr3t\",\"limits\":{\"daily\":-1}}",
            "HSET w:session:1 user ada visits s3cr3t tags []",
            "SADD w:profile:2 s3cr3t",
            "SET w:profile:3 {\"name\":\"s3cr3t\"} EX 100",
        ];
        for line in commands {
            let mut words = line.split(' ');
            let command = Command::new(words.next().unwrap()).args_from(words);
            writes.send(&command).await.unwrap();
        }
        let report = check().run(checks).await.unwrap();
        let text = report.to_string();
        for line in [
            "'w:profile:1': the field 'limits.daily' does not decode: expected u32\n",
            "'w:session:1': it never expires; its time to live is declared as 360000 s\n",
            "'w:session:1': the field 'visits' does not decode: expected u64\n",
            "'w:profile:2': it is a set, not a string\n",
            "'w:profile:3': it expires in 100 s; it is declared to stay\n",
            "'w:profile:3': the field 'limits' does not decode: it is missing\n",
            "3 keys that do not decode\n",
            "6 faults in 4 keys",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains(SECRET));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["faults"]["wrong_type"], 1);
        let findings = json["findings"].as_array().unwrap();
        let one = findings.iter().find(|one| one["key"] == "w:profile:1").unwrap();
        assert_eq!(
            *one,
            serde_json::json!({
                "key": "w:profile:1", "pattern": "w:profile:{id}", "fault": "undecodable",
                "field": "limits.daily", "why": "expected u32"
            })
        );
    })
    .await;
}

#[tokio::test]
async fn findings_are_bounded_and_counts_are_exact() {
    let client = Client::memory();
    for at in 0..100 {
        client.set(format!("other:{at}"), "x").await.unwrap();
    }
    client.set("x".repeat(5000), "x").await.unwrap();
    client.set(&b"\xff\x00"[..], "x").await.unwrap();
    let report = check().max_findings(10).run(&client).await.unwrap();
    assert_eq!((report.findings.len(), report.faults[&FaultKind::Undeclared]), (10, 102));
    assert!(report.to_string().contains("… and 92 more faults\n"), "{report}");

    let report = check().run(&client).await.unwrap();
    let longest = report.findings.iter().map(|finding| finding.key.len()).max();
    assert_eq!(longest, Some(500 + "…".len()));
    assert!(report.findings.iter().any(|finding| finding.key == r"\xff\x00"));

    let others = Keyspace::literal("other");
    let report = check().except(others).run(&client).await.unwrap();
    assert_eq!((report.keys, report.fault_count()), (2, 2));
    let pattern = Pattern::verbatim("other:1*").unwrap();
    let report = check().matching(pattern).page(7).run(&client).await.unwrap();
    assert_eq!((report.keys, report.complete), (11, true));
}

#[tokio::test]
async fn eviction_of_what_must_stay_is_warned_of() {
    let redis = RedisServer::with(["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let client = redis.client();
    let report = check().run(&client).await.unwrap();
    assert_eq!(report.eviction.as_deref(), Some("allkeys-lru"));
    let patterns = ["w:profile:{id}", "w:numbers:{id}", "w:scores:{id}", "w:on:{id}"];
    let patterns = patterns.map(str::to_owned).to_vec();
    let policy = "allkeys-lru".to_owned();
    assert_eq!(report.warnings, [Warning::Evicts { policy, patterns }]);
    assert_eq!(report.exit_status(), 0);
    assert!(report.to_string().starts_with("warning: maxmemory-policy is allkeys-lru: "));

    let set = |name: &'static str, value: &'static str| {
        Command::new("CONFIG").arg("SET").arg(name).arg(value)
    };
    client.send(&set("maxmemory-policy", "volatile-ttl")).await.unwrap();
    assert!(check().run(&client).await.unwrap().warnings.is_empty());
    let durable = check().durable(["w:session:{id}"]).unwrap();
    let report = durable.run(&client).await.unwrap();
    assert!(report.to_string().contains("keys that must not be lost: w:session:{id}"), "{report}");
    for (name, value) in [("maxmemory", "0"), ("maxmemory-policy", "noeviction")] {
        client.send(&set(name, value)).await.unwrap();
        assert!(durable.run(&client).await.unwrap().warnings.is_empty());
        client.send(&set("maxmemory", "100mb")).await.unwrap();
    }
    let embedded = check().run(&Client::memory()).await.unwrap();
    assert_eq!(embedded.eviction.as_deref(), Some("noeviction"));
    assert_eq!(check().durable(["w:{id}"]).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn keys_that_change_together_share_a_slot() {
    let pair = ["w:session:{id}", "w:session:{id}:steps"];
    let check = check().together(pair).unwrap();
    everywhere(async |writes, checks| {
        writes.flushdb().await.unwrap();
        for id in ["1", "2", "{3}", "{4}"] {
            // Other programs may have braces in their keys.
            let key = format!("w:session:{id}");
            writes.hset(&key, [("user", "a"), ("visits", "1"), ("tags", "[]")]).await.unwrap();
            writes.expire(&key, Duration::from_secs(100)).await.unwrap();
        }
        let report = check.run(checks).await.unwrap();
        let apart: BTreeSet<_> = report
            .findings
            .iter()
            .map(|finding| match &finding.fault {
                Fault::CrossSlot { with } => (finding.key.as_str(), with.as_str()),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [("w:session:1", "w:session:1:steps"), ("w:session:2", "w:session:2:steps")];
        assert_eq!(apart, expected.into());
        assert_eq!(report.fault_count(), 2);
    })
    .await;
    let unknown = SchemaCheck::new(world::DECLARATIONS).unwrap().together(["w:{id}"]);
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_report_counts_in_the_singular_and_the_plural() {
    let check = check();
    let mut report = Report::default();
    report.complete = true;
    check.entry(&mut report, b"w:profile:1", None, Stored::String("{}".into()));
    report.commands = 1;
    let text = report.to_string();
    assert!(text.ends_with("1 key that does not decode\n1 fault in 1 key, by 1 command"), "{text}");
    check.entry(&mut report, b"w:profile:2", None, Stored::String("{}".into()));
    let text = report.to_string();
    assert!(
        text.ends_with("2 keys that do not decode\n2 faults in 2 keys, by 1 command"),
        "{text}"
    );

    let check = check.max_findings(1);
    let mut report = Report::default();
    check.entry(&mut report, b"w:profile:1", None, Stored::String("{}".into()));
    check.entry(&mut report, b"w:profile:2", None, Stored::String("{}".into()));
    let text = report.to_string();
    assert!(text.contains("… and 1 more fault\n"), "{text}");
    assert!(text.ends_with("by 0 commands; the check is not complete"), "{text}");
}

#[test]
fn declarations_that_overlap_are_refused() {
    edgecask::keyspaces! {
        mod other, owner: "others" {
            any(kind: &str, id: &str) => Json<String>, "w:{kind}:{id}", forever;
        }
    }
    let both = world::DECLARATIONS.iter().chain(other::DECLARATIONS);
    let error = SchemaCheck::new(both).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let text = "'w:session:{id}' of tests and 'w:{kind}:{id}' of others can name the same key";
    assert_eq!(error.message(), text);
}
