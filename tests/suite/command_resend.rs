//! What may be sent again, against what really happens: every command of the table with random arguments, and random
//! batches, run once and twice on a real server.

use std::collections::BTreeSet;

use edgecask::command::{Access, Resend};
use edgecask::prelude::*;
use edgecask::{Client, Value};
use edgecask_tests::{RedisServer, cases};

use crate::command_lines::{
    Described, JSON_FORMS, Random, described, difference, json_line, line, seed, state, words,
};

/// Replies that differ from run to run by themselves, as a cursor does while the server moves its table.
const BY_CHANCE: &[&str] = &[
    "HRANDFIELD",
    "MEMORY USAGE",
    "OBJECT FREQ",
    "OBJECT IDLETIME",
    "RANDOMKEY",
    "SRANDMEMBER",
    "TOUCH",
    "VRANDMEMBER",
    "ZRANDMEMBER",
    "XINFO CONSUMERS",
    "XINFO STREAM",
    "XPENDING",
    "PTTL",
    "PEXPIRETIME",
    "HPTTL",
    "HPEXPIRETIME",
    "DUMP",
    "TTL",
    "EXPIRETIME",
    "HTTL",
    "HEXPIRETIME",
    "SCAN",
    "LASTSAVE",
    "LOLWUT",
];

fn json_forms() -> Vec<&'static str> {
    JSON_FORMS.split(['|', '\n']).map(str::trim).filter(|form| !form.is_empty()).collect()
}

struct Model {
    _redis: RedisServer,
    client: Client,
    redis8: bool,
    commands: Vec<Described>,
    random: Random,
    seed: u64,
}

impl Model {
    async fn new(redis: RedisServer, redis8: bool) -> Self {
        let client = redis.client();
        let commands = described(&client).await;
        let runs = |command: &Described| {
            let parts: Vec<String> = command.name.split(' ').map(str::to_owned).collect();
            let info = words(&parts).info();
            // What has nothing to do with keys leaves no state that could be compared.
            info.refused.is_none()
                && !info.may_wait()
                && info.access != Access::Control
                && !command.name.starts_with("JSON.")
        };
        let commands = commands.into_iter().filter(runs).collect();
        let (random, seed) = Random::new();
        Self { _redis: redis, client, redis8, commands, random, seed }
    }

    /// How many commands and forms of JSON commands there are.
    fn len(&self) -> usize {
        self.commands.len() + if self.redis8 { json_forms().len() } else { 0 }
    }

    /// A random line of this command or form.
    fn line_of(&mut self, number: usize) -> Vec<String> {
        match self.commands.get(number) {
            Some(command) => line(command, &mut self.random),
            None => json_line(json_forms()[number - self.commands.len()], &mut self.random),
        }
    }

    fn line(&mut self) -> Vec<String> {
        let number = self.random.below(self.len());
        self.line_of(number)
    }

    async fn restart(&mut self) {
        let pipeline = self.client.pipeline();
        let _ = pipeline.flushall();
        for command in seed(self.redis8, &mut self.random) {
            let _ = pipeline.execute::<Value>(command);
        }
        pipeline.exec().await.unwrap();
    }

    async fn run(&self, commands: &[Command]) -> Vec<Result<Value, String>> {
        let pipeline = self.client.pipeline();
        let slots: Vec<_> =
            commands.iter().map(|command| pipeline.execute::<Value>(command.clone())).collect();
        let mut replies = pipeline.exec().await.unwrap();
        let reply = |slot| replies.take(slot).map_err(|error| error.to_string());
        slots.into_iter().map(reply).collect()
    }

    /// Runs these lines as one batch, twice, and compares.
    async fn twice(&mut self, lines: &[Vec<String>], says: Resend) -> bool {
        let commands: Vec<Command> = lines.iter().map(|line| words(line)).collect();
        self.restart().await;
        let before = state(&self.client, self.redis8).await;
        let first = self.run(&commands).await;
        let once = state(&self.client, self.redis8).await;
        let second = self.run(&commands).await;
        let twice = state(&self.client, self.redis8).await;
        let told = || {
            format!(
                "{lines:?} is {says:?} (EDGECASK_TEST_SEED={})\n{first:?}\n{second:?}",
                self.seed
            )
        };
        let reads = |command: &Command| {
            // PFCOUNT stores the count in the value.
            command.info().access == Access::Read && command.name() != "PFCOUNT"
        };
        if commands.iter().all(reads)
            && let Some(difference) = difference(&before, &once)
        {
            panic!("it reads and changes something: {}\n{difference}", told());
        }
        if let Some(difference) = difference(&once, &twice) {
            panic!("twice is not once: {}\n{difference}", told());
        }
        if says == Resend::Safe {
            for ((command, first), second) in commands.iter().zip(&first).zip(&second) {
                let name = command.info().name;
                // The order of several paths has no meaning.
                let paths = name == "JSON.GET" && command.args().len() > 2;
                let by_chance = paths || BY_CHANCE.contains(&name);
                assert!(by_chance || first == second, "the reply differs: {}", told());
            }
        }
        first.iter().all(Result::is_ok)
    }
}

async fn singles(redis: RedisServer, redis8: bool) {
    /// How many lines may be needed to find one that may be sent again.
    const DRAWS: usize = 20;
    let mut model = Model::new(redis, redis8).await;
    let (mut tried, mut worked) = (0, 0);
    for number in (0..model.len()).cycle().take(model.len() * cases(4) as usize) {
        let mut lines = (0..DRAWS).map(|_| model.line_of(number));
        let safe = |line: &Vec<String>| words(line).resend() != Resend::Unsafe;
        let Some(line) = lines.find(safe) else { continue };
        let says = words(&line).resend();
        tried += 1;
        worked += usize::from(model.twice(&[line], says).await);
    }
    assert!(tried > 150 && worked > tried / 2, "{worked} of {tried} lines worked");
}

fn keys(line: &[String]) -> BTreeSet<Vec<u8>> {
    let command = words(line);
    let keys = command.key_positions().into_iter().filter_map(|at| command.get(at));
    keys.map(<[u8]>::to_vec).collect()
}

async fn batches(redis: RedisServer, redis8: bool) {
    let mut model = Model::new(redis, redis8).await;
    let (mut tried, mut wrote) = (0, 0);
    let wanted = cases(200) as usize;
    for _ in 0..wanted * 200 {
        let count = 2 + model.random.below(3);
        let mut lines: Vec<Vec<String>> = Vec::new();
        // Half of the lines touch a key of the first one, where that is easily found.
        let (mut near, mut draws) = (model.random.below(2) == 1, 0);
        while lines.len() < count {
            let line = model.line();
            draws += 1;
            let shares = lines.first().is_none_or(|first| !keys(first).is_disjoint(&keys(&line)));
            if words(&line).resend() != Resend::Unsafe && (shares || !near || draws > 200) {
                lines.push(line);
                near = model.random.below(2) == 1;
            }
        }
        let commands: Vec<Command> = lines.iter().map(|line| words(line)).collect();
        let says = Resend::of(&commands);
        if says == Resend::Unsafe {
            continue;
        }
        tried += 1;
        wrote += usize::from(commands.iter().any(|one| one.info().access == Access::Write));
        model.twice(&lines, says).await;
        if tried == wanted {
            break;
        }
    }
    assert!(tried == wanted && wrote > tried / 4, "{wrote} of {tried} batches wrote");
}

#[tokio::test]
async fn what_may_be_sent_again_leaves_redis_7_as_it_was() {
    singles(RedisServer::start(), false).await;
}

#[tokio::test]
async fn what_may_be_sent_again_leaves_redis_8_as_it_was() {
    if let Some(redis) = RedisServer::redis8() {
        singles(redis, true).await;
    }
}

#[tokio::test]
async fn batches_that_may_be_sent_again_leave_redis_7_as_it_was() {
    batches(RedisServer::start(), false).await;
}

#[tokio::test]
async fn batches_that_may_be_sent_again_leave_redis_8_as_it_was() {
    if let Some(redis) = RedisServer::redis8() {
        batches(redis, true).await;
    }
}
