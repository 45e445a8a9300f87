//! Tests that no command has a higher complexity than in Redis. The steps of each command are counted on two collections, one
//! of which is ten times as large as the other.

use std::collections::HashSet;

use super::engine::Engine;
use super::{commands, steps};
use crate::Value;
use crate::command::Command;

/// Commands of constant or logarithmic complexity. `last` is the last element.
const CONSTANT: &str = "
APPEND b x | DECR n | DECRBY n 1 | DELEX b | DIGEST n | GET b | GETDEL b | GETEX b | GETRANGE b 0 -1 | GETSET b x | INCR n
INCRBY n 1 | INCRBYFLOAT n 1 | MGET b n | MSET b x n 1 | MSETNX b x | PSETEX b 10 x | SET b x | SETEX b 10 x | SETNX b x
SETRANGE b 5 x | STRLEN b
COPY n m | DEL l s | EXISTS l s | EXPIRE l 10 | EXPIREAT l 33177117420 | EXPIRETIME l | PERSIST l | PEXPIRE l 10
PEXPIREAT l 33177117420000 | PEXPIRETIME l | PTTL l | RANDOMKEY | RENAME l m | RENAMENX l m | SCAN 0 COUNT 20 | TOUCH l
TTL l | TYPE l | UNLINK l
HDEL h last | HEXISTS h last | HGET h last | HINCRBY h i 1 | HINCRBYFLOAT h i 1 | HLEN h | HMGET h last x | HMSET h a b
HRANDFIELD h | HRANDFIELD h 5 | HRANDFIELD h -5 WITHVALUES | HSCAN h 0 COUNT 20 | HSET h a b | HSETNX h a b | HSTRLEN h last
BLMOVE l d LEFT RIGHT 0 | BLMPOP 0 1 l LEFT COUNT 5 | BLPOP l 0 | BRPOP l 0 | BRPOPLPUSH l d 0 | BZMPOP 0 1 z MIN COUNT 5 | BZPOPMAX z 0 | BZPOPMIN z 0
HEXPIRE h 10 FIELDS 1 last | HEXPIREAT h 33177117420 FIELDS 1 last | HEXPIRETIME h FIELDS 1 last | HPERSIST h FIELDS 1 last
HPEXPIRE h 10 FIELDS 1 last | HPEXPIREAT h 9999999999 FIELDS 1 last | HPEXPIRETIME h FIELDS 1 last | HPTTL h FIELDS 1 last
HTTL h FIELDS 1 last | HGETDEL h FIELDS 1 last | HGETEX h EX 10 FIELDS 1 last | HSETEX h EX 10 FIELDS 1 last v
LINDEX l 150 | LINDEX l -1 | LLEN l | LMOVE l d LEFT RIGHT | LMOVE l l LEFT RIGHT | LMPOP 1 l LEFT COUNT 5 | LPOP l
LPOP l 5 | LPUSH l a b | LPUSHX l a | LRANGE l 100 110 | LRANGE l -10 -1 | LSET l 150 x | LTRIM l 5 -5 | RPOP l | RPOP l 5
RPOPLPUSH l d | RPUSH l a | RPUSHX l a | LPOS l 0 | LPOS l nosuch MAXLEN 10 | LPOS l last RANK -1 | LINSERT l BEFORE 0 x
SADD s a | SCARD s | SISMEMBER s last | SMISMEMBER s last x | SMOVE s t last | SPOP s | SPOP s 5 | SRANDMEMBER s
SRANDMEMBER s 5 | SRANDMEMBER s -5 | SREM s last | SSCAN s 0 COUNT 20 | SINTER s t | SINTER s t nosuch | SINTERSTORE r s t
SINTERCARD 2 s s LIMIT 5 | SDIFF t s | SDIFF nosuch s | SDIFFSTORE r t s
ZADD z 7.5 a | ZADD z XX 1 last | ZCARD z | ZCOUNT z -inf +inf | ZINCRBY z 9 last | ZLEXCOUNT y - + | ZMPOP 1 z MIN COUNT 5
ZMSCORE z last x | ZPOPMAX z | ZPOPMAX z 5 | ZPOPMIN z 5 | ZRANDMEMBER z | ZRANDMEMBER z 5 | ZRANDMEMBER z -5 WITHSCORES
ZRANGE z 150 160 | ZRANGE z -10 -1 REV WITHSCORES | ZRANGE z 150 155 BYSCORE | ZRANGE z -inf +inf BYSCORE LIMIT 5 5
ZRANGE z +inf -inf BYSCORE REV LIMIT 150 5 | ZRANGE y - + BYLEX LIMIT 150 5 | ZRANGESTORE r z 150 160 | ZRANK z last
ZREVRANK z last | ZREM z last | ZREMRANGEBYLEX y - [000010 | ZREMRANGEBYRANK z 150 155 | ZREMRANGEBYSCORE z 150 155
ZSCAN z 0 COUNT 20 | ZSCORE z last | ZINTER 2 z t | ZINTERSTORE r 2 z t | ZINTERCARD 2 z z LIMIT 5 | ZDIFF 2 t z
ZDIFFSTORE r 2 t z
XADD x * f v | XADD x MAXLEN 3000 * f v | XDEL x 150-0 | XLEN x | XTRIM x MAXLEN 3000 | XRANGE x 150 155 | XRANGE x - + COUNT 5
XREVRANGE x + - COUNT 5 | XREAD COUNT 5 STREAMS x 0 | XREADGROUP GROUP g c COUNT 5 STREAMS x > | XREADGROUP GROUP g c COUNT 5 STREAMS x 0
XACK x g 150-0 | XPENDING x g | XPENDING x g - + 5 | XCLAIM x g d 0 150-0 | XAUTOCLAIM x g d 0 0 COUNT 5 | XGROUP CREATE x new 0
XGROUP SETID x g 0 | XGROUP CREATECONSUMER x g d | XINFO STREAM x | XINFO STREAM x FULL COUNT 5 | XINFO GROUPS x | XINFO CONSUMERS x g
XSETID x 99999-0
GETBIT b 100 | SETBIT b 100 1 | BITFIELD b SET u8 100 5 | BITFIELD_RO b GET u8 100 | BITCOUNT b 5 10 | BITPOS b 1 5 10
GEOADD w 13.4 52.5 x | GEODIST w 0 last | GEOHASH w last | GEOPOS w last | GEOSEARCH w FROMLONLAT 0 0 BYRADIUS 1 m
GEOSEARCH w FROMMEMBER last BYRADIUS 1 m COUNT 5 ANY | GEOSEARCHSTORE r w FROMMEMBER last BYBOX 1 1 m | GEORADIUS w 0 0 1 m
GEORADIUS_RO w 0 0 1 m | GEORADIUSBYMEMBER w last 1 m | GEORADIUSBYMEMBER_RO w last 1 m
ZRANGEBYLEX y - + LIMIT 150 5 | ZRANGEBYSCORE z 150 155 | ZREVRANGE z 150 155 | ZREVRANGEBYLEX y + - LIMIT 150 5 | ZREVRANGEBYSCORE z 155 150
SUBSTR b 0 -1 | COMMAND COUNT | CLIENT ID | CONFIG GET save | MEMORY USAGE l | MEMORY USAGE h | MEMORY USAGE s | MEMORY USAGE z | MEMORY USAGE x
OBJECT REFCOUNT l | OBJECT IDLETIME l | XDELEX x IDS 1 150-0 | XACKDEL x g IDS 1 5-0 | WAIT 0 0 | WAITAOF 0 0 0
PFADD p x | PFCOUNT p | PFMERGE q p
DBSIZE | ECHO x | INFO | PING | TIME | PUBLISH c x | SPUBLISH c x | PUBSUB NUMSUB c | SCRIPT EXISTS x
";

/// Commands that are linear in the size of the collection, or of the part of it that they name.
const LINEAR: &str = "
KEYS * | SCAN 0 COUNT 1000000 MATCH nosuch | FLUSHALL | FLUSHDB | COPY l m | COPY s m | COPY z m | COPY h m
HGETALL h | HKEYS h | HVALS h | HRANDFIELD h 1000000 | HSCAN h 0 COUNT 1000000
LINSERT l AFTER 150 x | LINSERT d BEFORE last x | LPOS l last | LPOS l 0 COUNT 0 | LREM l 0 last | LREM d 0 x | LREM d 100 x
LREM d -100 x | LREM d -1 x | LRANGE l 0 -1 | LTRIM l 150 160 | LPOP l 1000000 | LMPOP 1 l RIGHT COUNT 1000000
SMEMBERS s | SUNION s t | SUNIONSTORE r s t | SINTER s s | SDIFF s t | SDIFF s t t t t t t t t | SDIFFSTORE r s t | SPOP s 1000000
SRANDMEMBER s 1000000 | SSCAN s 0 COUNT 1000000
ZRANGE z 0 -1 | ZRANGE z -inf +inf BYSCORE | ZRANGESTORE r z 0 -1 | ZPOPMIN z 1000000 | ZREMRANGEBYRANK z 0 -1
ZREMRANGEBYSCORE z -inf +inf | ZREMRANGEBYLEX y - + | ZUNION 2 z s | ZUNIONSTORE r 2 z s | ZINTER 2 z s | ZDIFF 2 z t
BITCOUNT b | BITPOS b 1 | BITOP OR r b b | XRANGE x - + | XTRIM x MAXLEN 0 | XINFO STREAM x FULL COUNT 0 | XGROUP DELCONSUMER x g c
DUMP l | DUMP s | DUMP h | DUMP z | DUMP x | DUMP b
OBJECT ENCODING l | OBJECT ENCODING s | OBJECT ENCODING h | OBJECT ENCODING z | SORT s | GEOSEARCH w FROMLONLAT 0 0 BYRADIUS 30000 km | SORT_RO l ALPHA | LCS b n
XREADGROUP GROUP g c STREAMS x > | XPENDING x g - + 1000000 | COPY x y
ZDIFF 9 z t t t t t t t t | ZRANDMEMBER z 1000000 | ZMPOP 1 z MAX COUNT 1000000 | ZSCAN z 0 COUNT 1000000
";

fn command(line: &str, last: usize) -> Command {
    let mut words = line.split(' ').map(|word| match word {
        "last" => last.to_string(),
        word => word.to_owned(),
    });
    Command::new(words.next().unwrap_or_default()).args_from(words)
}

/// An engine whose collections have this many elements.
fn engine(size: usize) -> Engine {
    let mut engine = Engine::new(commands::find);
    let mut run = |line: &str| {
        let reply = engine.run(&command(line, 0), 1);
        assert!(reply.is_ok(), "{line}: {reply:?}");
    };
    for number in 0..size {
        run(&format!("RPUSH l {number}"));
        run(&format!(
            "RPUSH d {}",
            if number % 2 == 0 { "x".to_owned() } else { number.to_string() }
        ));
        run(&format!("HSET h {number} v"));
        run(&format!("SADD s {number}"));
        run(&format!("ZADD z {number} {number}"));
        run(&format!("ZADD y 0 {number:06}"));
        run(&format!("GEOADD w {} {} {number}", number % 180, number % 85));
        run(&format!("XADD x {}-0 f v", number + 1));
        run(&format!("SET key:{number} v"));
    }
    run(&format!("SET b {}", "x".repeat(size)));
    run("XGROUP CREATE x g 0");
    run(&format!("XREADGROUP GROUP g c COUNT {} STREAMS x >", size / 2));
    run("PFADD p a b c");
    run("SET n 1");
    run("SADD t 1 2 3 4 5");
    engine
}

/// The steps of each form on a small and on a large engine.
fn counted(list: &'static str) -> impl Iterator<Item = (&'static str, usize, usize)> {
    let engines = [200, 2000].map(|size| (size, engine(size)));
    forms(list).map(move |form| {
        let [small, large] = [0, 1].map(|which| {
            let (size, engine) = &engines[which];
            let mut engine = engine.fork();
            // Two engines share values, and a value is copied when one of them changes it.
            let text = format!("SET b {}", "x".repeat(*size));
            assert!(engine.run(&command(&text, 0), 1).is_ok());
            let command = command(form, size - 1);
            let before = steps::so_far();
            let reply = engine.run(&command, 2);
            assert!(reply.is_ok(), "{form}: {reply:?}");
            steps::so_far() - before
        });
        (form, small, large)
    })
}

fn forms(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split(['|', '\n']).map(str::trim).filter(|form| !form.is_empty())
}

#[test]
fn what_is_constant_does_not_grow() {
    for (form, small, large) in counted(CONSTANT) {
        // A tree that is ten times as large is about four levels higher.
        assert!(large <= small + small / 2 + 30, "{form}: {small} steps of 200, {large} of 2000");
    }
}

#[test]
fn what_is_linear_does_not_grow_faster() {
    for (form, small, large) in counted(LINEAR) {
        assert!(large <= 14 * small + 100, "{form}: {small} steps of 200, {large} of 2000");
    }
}

#[test]
fn every_command_is_counted() {
    // Scripts have the complexity of their commands.
    let scripts = ["EVAL", "EVAL_RO", "EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO", "FUNCTION"];
    // RESTORE is linear in its payload, and these need a file.
    let others = ["RESTORE", "SAVE", "BGSAVE", "LASTSAVE"];
    for name in commands::names() {
        let counted =
            forms(CONSTANT).chain(forms(LINEAR)).any(|form| form.split(' ').next() == Some(name));
        let is_other = scripts.contains(&name) || others.contains(&name);
        assert!(counted || is_other, "{name} is in no form");
    }
}

#[test]
fn what_is_appended_is_not_copied_again_each_time() {
    let mut engine = Engine::new(commands::find);
    let (mut moves, mut place) = (0, None);
    for _ in 0..10_000 {
        assert!(engine.run(&command("APPEND k 0123456789", 0), 1).is_ok());
        let Ok(Value::Bulk(value)) = engine.run(&command("GET k", 0), 1) else {
            panic!("it is there")
        };
        moves += usize::from(place.replace(value.as_ptr()) != Some(value.as_ptr()));
    }
    assert!(moves < 40, "{moves} moves");
    // A holder of the old value still sees it.
    let Ok(Value::Bulk(old)) = engine.run(&command("GET k", 0), 1) else { panic!("it is there") };
    assert!(engine.run(&command("SETRANGE k 0 x", 0), 1).is_ok());
    assert!(old.starts_with(b"0123"));
}

#[test]
fn a_scan_of_a_collection_finds_everything_that_stays() {
    let name_of = |value: &Value| value.as_bytes().map(<[u8]>::to_vec);
    for (scan, add, remove, width) in [
        ("HSCAN k", "HSET k", "HDEL k", 2),
        ("SSCAN k", "SADD k", "SREM k", 1),
        ("ZSCAN k", "ZADD k", "ZREM k", 2),
    ] {
        let mut engine = Engine::new(commands::find);
        let mut random = fastrand::Rng::with_seed(3);
        let mut put = |engine: &mut Engine, name: &str| {
            let line = match add {
                "HSET k" => format!("{add} {name} v"),
                "ZADD k" => format!("{add} {} {name}", random.u8(..)),
                _ => format!("{add} {name}"),
            };
            assert!(engine.run(&command(&line, 0), 1).is_ok());
        };
        for number in 0..500 {
            put(&mut engine, &format!("stays:{number}"));
            put(&mut engine, &format!("goes:{number}"));
        }
        let (mut cursor, mut found, mut step) = ("0".to_owned(), HashSet::new(), 0);
        loop {
            let page = engine.run(&command(&format!("{scan} {cursor} MATCH stays:*"), 0), 1);
            let Ok(Value::Array(mut parts)) = page else { panic!("{page:?}") };
            let Some(Value::Array(items)) = parts.pop() else { panic!("a page has items") };
            assert!(items.len() <= 10 * width, "{}", items.len());
            found.extend(items.chunks(width).filter_map(|item| name_of(&item[0])));
            cursor = parts
                .first()
                .and_then(name_of)
                .map(|c| String::from_utf8_lossy(&c).into_owned())
                .unwrap_or_default();
            if cursor == "0" {
                break;
            }
            put(&mut engine, &format!("comes:{step}"));
            for number in [step, 499 - step.min(499)] {
                assert!(engine.run(&command(&format!("{remove} goes:{number}"), 0), 1).is_ok());
            }
            step += 1;
        }
        assert!(step > 50, "{scan}: {step} steps");
        assert_eq!(found.len(), 500, "{scan}");
    }
}
