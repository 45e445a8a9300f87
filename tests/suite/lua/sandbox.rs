//! What scripts see and may do.

use super::both::{Both, shown};

/// Scripts, a line of dashes between them.
const SCRIPTS: &str = include_str!("scripts.txt");

#[test]
fn scripts_see_and_do_what_they_do_in_redis() {
    let Some(both) = Both::start() else { return };
    let mut different = Vec::new();
    for script in SCRIPTS.trim_end().split("\n----\n") {
        both.eval("redis.call('flushall') redis.call('set', 's', 'v')", &[], &[])
            .into_iter()
            .for_each(|set| drop(set.unwrap()));
        let [engine, real] =
            both.eval(script, &["k1", "k2"], &["a1", "2"]).map(|reply| shown(&reply));
        if engine != real {
            different.push(format!("{script}\n  engine: {engine}\n  redis:  {real}"));
        }
        let [engine, real] = both.contents();
        if engine != real {
            different.push(format!("{script}\n  engine: {engine:?}\n  redis:  {real:?}"));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}
