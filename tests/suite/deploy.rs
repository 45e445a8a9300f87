//! The files in `deploy/` do what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use edgecask::cache::{Cache, ServerStats};
use edgecask::prelude::*;
use edgecask_tests::{RedisServer, free_port};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// The settings in the text of a redis.conf.
fn settings(text: &str) -> BTreeMap<&str, &str> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).collect()
}

/// What CONFIG GET says of a setting.
async fn setting(client: &Client, name: &str) -> String {
    let command = Command::new("CONFIG").arg("GET").arg(name);
    let found: Vec<String> = client.execute(command).await.unwrap();
    found.into_iter().nth(1).unwrap_or_else(|| panic!("Redis knows no {name}"))
}

/// A size as CONFIG GET says it: in bytes.
fn bytes(size: &str) -> String {
    let units = [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)];
    let scaled = units.into_iter().find_map(|(unit, bytes)| {
        Some((size.strip_suffix(unit)?.parse::<u64>().ok()? * bytes).to_string())
    });
    scaled.unwrap_or_else(|| size.to_owned())
}

/// Starts a Redis with these settings, and compares what it says of them.
async fn starts_with(text: &str, arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redis.conf");
    std::fs::write(&file, text).unwrap();
    let directory = folder.path().to_string_lossy().into_owned();
    let file = file.to_string_lossy().into_owned();
    let arguments = ["--dir", &*directory].into_iter().chain(arguments.iter().copied());
    let redis = RedisServer::configured(&file, arguments);
    let client = redis.client();
    for (name, value) in settings(text) {
        let said = setting(&client, name).await;
        match name {
            "client-output-buffer-limit" => assert!(said.contains("pubsub 33554432 8388608 60")),
            _ => assert_eq!(said, bytes(value), "{name}"),
        }
    }
}

#[tokio::test]
async fn redis_starts_with_the_settings() {
    starts_with(&text("redis.conf"), &[]).await;
}

/// The documents of a manifest.
fn documents(text: &str) -> Vec<&str> {
    text.split("\n---\n").collect()
}

#[tokio::test]
async fn a_node_of_the_cluster_starts_with_the_settings_of_the_manifest() {
    let manifest = text("redis-cluster.yaml");
    let map = documents(&manifest).into_iter().find(|part| part.contains("kind: ConfigMap"));
    let (_, conf) = map.unwrap().split_once("  redis.conf: |\n").unwrap();
    // The test has its own port and folder.
    let own = |line: &&str| line.starts_with("port ") || line.starts_with("dir ");
    let lines = conf.lines().map(str::trim_start).filter(|line| !own(line));
    // Its port plus 10,000 may be that of another program's connection.
    let port = free_port().to_string();
    starts_with(&lines.collect::<Vec<_>>().join("\n"), &["--cluster-port", &port]).await;
}

#[test]
fn the_parts_of_the_manifest_belong_together() {
    let manifest = text("redis-cluster.yaml");
    assert!(!manifest.contains('\t') && manifest.ends_with('\n'));
    let value = |part: &str, name: &str| -> Vec<String> {
        let lines = part.lines().map(|line| line.trim_start().trim_start_matches("- "));
        lines.filter_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).collect()
    };
    let parts = documents(&manifest);
    let kinds: Vec<String> = parts.iter().flat_map(|part| value(part, "kind:")).collect();
    let expected = ["ConfigMap", "Service", "PodDisruptionBudget", "StatefulSet", "Job"];
    assert_eq!(kinds, expected);
    for part in &parts {
        assert_eq!(value(part, "apiVersion:").len(), 1);
        assert!(value(part, "name:")[0].starts_with("redis-cluster"));
        assert!(part.lines().all(|line| (line.len() - line.trim_start().len()).is_multiple_of(2)));
    }
    let set = parts[3];
    assert_eq!(value(set, "serviceName:"), value(parts[1], "name:")[..1]);
    assert!(value(&manifest, "app:").iter().all(|app| app == "redis-cluster"));
    // Three quarters of the container's memory, and as many nodes as the job joins.
    assert!(set.contains("memory: 2Gi") && parts[0].contains("maxmemory 1536mb"));
    assert_eq!(value(set, "replicas:"), ["6"]);
    assert!(parts[4].contains("for number in 0 1 2 3 4 5; do"));
    assert!(parts[4].contains("--cluster-replicas 1"));
}

#[tokio::test]
async fn the_alerts_name_what_the_code_counts() {
    let redis = RedisServer::start();
    let cache = Cache::new(redis.client()).stats().prometheus("sessions");
    let server = ServerStats::of(&redis.client()).await.unwrap().prometheus();
    let known: BTreeSet<&str> = [&cache, &server]
        .into_iter()
        .flat_map(|text| text.lines().filter(|line| !line.starts_with('#')))
        .filter_map(|line| line.split([' ', '{']).next())
        .collect();
    let rules = text("alerts.yml");
    let words =
        rules.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let named: BTreeSet<&str> = words
        .filter(|word| word.starts_with("edgecask_cache_") || word.starts_with("redis_"))
        .collect();
    assert!(named.len() >= 8, "{named:?}");
    assert!(named.is_subset(&known), "{:?}", named.difference(&known));
    // The page tells of each alert.
    let page = std::fs::read_to_string(path("../docs/operating.md")).unwrap();
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    assert!(alerts.into_iter().all(|alert| page.contains(&format!("`{alert}`"))));
}

/// Runs promtool, or gives `None` where there is none and `cargo xtask setup` could not fetch one.
fn promtool(arguments: [&str; 2], file: &Path) -> Option<(bool, String)> {
    let cached = std::env::home_dir()?.join(".cache/edgecask/promtool/promtool");
    let run = |program: &Path| Program::new(program).args(arguments).arg(file).output().ok();
    let output = run(Path::new("promtool")).or_else(|| run(&cached))?;
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn the_alerts_fire_when_something_is_wrong_and_not_before() {
    let rules = path("alerts.yml");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/alerts.test.yml");
    for (arguments, file) in [(["check", "rules"], &rules), (["test", "rules"], &cases)] {
        if let Some((passed, text)) = promtool(arguments, file) {
            assert!(passed, "{text}");
        }
    }
    // Each alert has a case in which it fires, and one in which it does not.
    let (rules, cases) = (text("alerts.yml"), std::fs::read_to_string(cases).unwrap());
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    for alert in alerts {
        let named = format!("alertname: {alert}");
        assert!(cases.contains(&format!("{named} }}")), "{alert} is silent in no case");
        assert!(
            cases.contains(&format!("{named}\n        exp_alerts:")),
            "{alert} fires in no case"
        );
    }
}
