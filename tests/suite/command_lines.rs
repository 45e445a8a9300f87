//! Random lines of any command, made from what `COMMAND DOCS` says of its arguments, and a database in which they find
//! something of each type.
//!
//! The seed of a failing run is in its message: `EDGECASK_TEST_SEED=… EDGECASK_TEST_CASES=…` runs it again, or longer.

use std::collections::BTreeMap;

use edgecask::prelude::*;
use edgecask::{Client, FromValue, Value};
use edgecask_tests::Dice;

/// Random choices of a seed.
#[derive(Debug)]
pub(crate) struct Random(Dice);

impl Random {
    /// Those of the seed of this run, and the seed.
    pub(crate) fn new() -> (Self, u64) {
        let seed = edgecask_tests::seed();
        (Self(Dice::new(seed)), seed)
    }

    /// The same choices each time.
    pub(crate) fn fixed() -> Self {
        Self(Dice::new(1))
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.roll(end as u64) as usize
    }

    pub(crate) fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// An argument of a command, as the server describes it.
#[derive(Debug, Clone)]
struct Arg {
    name: String,
    kind: String,
    token: Option<String>,
    flags: Vec<String>,
    args: Vec<Arg>,
}

/// A command of a real server: name (`XGROUP CREATE`), group and arguments.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) since: String,
    args: Vec<Arg>,
}

fn map(value: Value) -> BTreeMap<String, Value> {
    match value {
        Value::Map(pairs) => pairs
            .into_iter()
            .map(|(name, value)| (String::from_value(name).unwrap(), value))
            .collect(),
        Value::Array(items) => {
            let mut items = items.into_iter();
            let mut map = BTreeMap::new();
            while let (Some(name), Some(value)) = (items.next(), items.next()) {
                map.insert(String::from_value(name).unwrap(), value);
            }
            map
        }
        _ => BTreeMap::new(),
    }
}

fn text(map: &mut BTreeMap<String, Value>, name: &str) -> Option<String> {
    map.remove(name).and_then(|value| String::from_value(value).ok())
}

fn list(map: &mut BTreeMap<String, Value>, name: &str) -> Vec<Value> {
    map.remove(name).and_then(|value| Vec::from_value(value).ok()).unwrap_or_default()
}

fn arg(value: Value) -> Arg {
    let mut value = map(value);
    Arg {
        name: text(&mut value, "name").unwrap_or_default(),
        kind: text(&mut value, "type").unwrap_or_default(),
        token: text(&mut value, "token"),
        flags: list(&mut value, "flags")
            .into_iter()
            .map(|flag| String::from_value(flag).unwrap())
            .collect(),
        args: list(&mut value, "arguments").into_iter().map(arg).collect(),
    }
}

fn add(found: &mut Vec<Described>, name: &str, value: Value) {
    let mut value = map(value);
    let subcommands = value.remove("subcommands").map(map).unwrap_or_default();
    found.push(Described {
        name: name.to_ascii_uppercase().replace('|', " "),
        group: text(&mut value, "group").unwrap_or_default(),
        since: text(&mut value, "since").unwrap_or_default(),
        args: list(&mut value, "arguments").into_iter().map(arg).collect(),
    });
    for (name, value) in subcommands {
        add(found, &name, value);
    }
}

/// Every command and subcommand of a server.
pub(crate) async fn described(client: &Client) -> Vec<Described> {
    let docs: Value = client.execute(cmd("COMMAND").arg("DOCS")).await.unwrap();
    let mut found = Vec::new();
    for (name, value) in map(docs) {
        add(&mut found, &name, value);
    }
    found
}

/// What RedisJSON does not say of its commands. Words in lower case stand for something random.
pub(crate) const JSON_FORMS: &str = "
JSON.ARRAPPEND j p v | JSON.ARRINDEX j p v | JSON.ARRINSERT j p i v | JSON.ARRLEN j p | JSON.ARRPOP j p i | JSON.ARRTRIM j p i i
JSON.CLEAR j | JSON.CLEAR j p | JSON.DEL j | JSON.DEL j p | JSON.FORGET j p | JSON.GET j p | JSON.GET j p p
JSON.MERGE j p v | JSON.MGET j j p | JSON.MSET j p v | JSON.MSET j p v j p v | JSON.NUMINCRBY j p i | JSON.NUMMULTBY j p i
JSON.OBJKEYS j p | JSON.OBJLEN j p | JSON.RESP j p | JSON.SET j p v | JSON.SET j p v NX | JSON.SET j p v XX
JSON.STRAPPEND j p s | JSON.STRLEN j p | JSON.TOGGLE j p | JSON.TYPE j p | JSON.DEBUG MEMORY j p
";

/// The keys of the database of [`seed`], by type, some with the names of options.
const KEYS: &[(&str, &[&str])] = &[
    ("string", &["s1", "s2", "s3", "GET"]),
    ("hash", &["h1", "h2", "FIELDS", "w_a"]),
    ("list", &["l1", "l2", "LEFT", "STORE"]),
    ("set", &["e1", "e2", "BY", "LIMIT"]),
    ("sorted-set", &["z1", "z2", "BYSCORE", "WEIGHTS"]),
    ("stream", &["x1", "x2", "STREAMS", "BLOCK"]),
    ("geo", &["g1", "g2", "store", "STOREDIST"]),
    ("bitmap", &["s1", "s2", "s3", "SET"]),
    ("hyperloglog", &["p1", "p2", "COUNT", "KEYS"]),
    ("json", &["j1", "j2", "NX"]),
];

/// A line of the command with random options. `None` if the server says nothing of its arguments.
pub(crate) fn line(command: &Described, random: &mut Random) -> Vec<String> {
    let mut words: Vec<String> = command.name.split(' ').map(str::to_owned).collect();
    let pool = random.below(100);
    let group = match pool {
        0..85 => command.group.as_str(),
        _ => KEYS[random.below(KEYS.len())].0,
    };
    sequence(&command.args, group, &mut words, random);
    words
}

/// A line of one of [`JSON_FORMS`].
pub(crate) fn json_line(form: &str, random: &mut Random) -> Vec<String> {
    // RedisJSON panics where a value is set at a place that lies inside another one which it has just replaced.
    let sets = ["JSON.SET", "JSON.MERGE", "JSON.MSET"].iter().any(|name| form.starts_with(name));
    let word = |word: &str, random: &mut Random| match word {
        "j" => random.one(&["j1", "j2", "NX", "none"]).to_owned(),
        "p" => {
            let paths = [
                "$..a", "$", ".", "$.a", "$.b", "$.b[0]", "$.b[-1]", "$.*", "a", ".b", "$.c.a",
                "$.new", "$.d",
            ];
            random.one(&paths[usize::from(sets)..]).to_owned()
        }
        "v" => random
            .one(&[
                "1",
                "null",
                "[]",
                "{}",
                r#"{"a":{"a":1}}"#,
                r#"{"a":null,"e":2}"#,
                r#"[1,2,3]"#,
                r#""t""#,
            ])
            .to_owned(),
        "s" => r#""t""#.to_owned(),
        "i" => random.one(&["0", "1", "2", "-1", "-2"]).to_owned(),
        other => other.to_owned(),
    };
    form.split(' ').map(|form| word(form, random)).collect()
}

fn sequence(args: &[Arg], group: &str, words: &mut Vec<String>, random: &mut Random) {
    // A count stands before what it counts.
    let mut count_at = None;
    for arg in args {
        let optional = arg.flags.iter().any(|flag| flag == "optional");
        let multiple = arg.flags.iter().any(|flag| flag == "multiple");
        if arg.name.starts_with("num") && arg.kind == "integer" {
            words.extend(arg.token.clone());
            words.push("0".to_owned());
            count_at = Some(words.len() - 1);
            continue;
        }
        let times = match (optional, multiple) {
            (true, _) if random.chance(60) => 0,
            (_, true) => 1 + random.below(3),
            _ => 1,
        };
        let each_token = arg.flags.iter().any(|flag| flag == "multiple_token");
        for time in 0..times {
            if time == 0 || each_token || arg.kind == "pure-token" {
                words.extend(arg.token.clone().filter(|_| arg.kind != "oneof"));
            }
            one(arg, group, words, random);
        }
        if multiple && let Some(at) = count_at.take() {
            words[at] = times.to_string();
        }
    }
}

fn one(arg: &Arg, group: &str, words: &mut Vec<String>, random: &mut Random) {
    match arg.kind.as_str() {
        "pure-token" => {}
        "block" if arg.name == "streams" => {
            let streams = 1 + random.below(2);
            (0..streams).for_each(|_| words.push(key("stream", random)));
            (0..streams).for_each(|_| words.push(random.one(&["0", ">", "$", "1-1"]).to_owned()));
        }
        "block" => sequence(&arg.args, group, words, random),
        "oneof" => {
            let chosen = &arg.args[random.below(arg.args.len())];
            words.extend(chosen.token.clone());
            one(chosen, group, words, random);
        }
        "key" => words.push(key(group, random)),
        kind => {
            let word = value(kind, &arg.name, random);
            words.push(word);
        }
    }
}

fn key(group: &str, random: &mut Random) -> String {
    let keys = KEYS.iter().find(|(name, _)| *name == group).map(|(_, keys)| *keys);
    let keys = keys.unwrap_or_else(|| KEYS[random.below(KEYS.len())].1);
    if random.chance(10) { "none".to_owned() } else { random.one(keys).to_owned() }
}

fn value(kind: &str, name: &str, random: &mut Random) -> String {
    let of: &[&str] = match (kind, name) {
        ("unix-time", name) if name.contains("milli") => &["1", "33177117420000"],
        ("unix-time", _) => &["1", "33177117420"],
        (_, "milliseconds" | "ttl") => &["100000", "200000", "-1", "0"],
        (_, "seconds") => &["100", "1000", "-1", "0"],
        (_, "timeout") => &["0.001"],
        (_, "destination-db" | "db") => &["0", "1"],
        (_, "start" | "stop" | "end" | "offset" | "index") => {
            &["0", "1", "2", "-1", "-2", "100", "-100"]
        }
        (_, "bit") => &["0", "1"],
        ("integer", _) => &["0", "1", "2", "3", "-1", "-2", "10"],
        ("double", "longitude" | "latitude") => &["1", "2", "13.3"],
        ("double", "min" | "max") => &["-inf", "+inf", "1", "(1", "2"],
        ("double", _) => &["0", "1", "2", "1.5", "-1", "100000"],
        ("pattern", _) => &["*", "w_*", "w_*->a", "#", "s?", "STORE", "nosort"],
        (_, "field" | "member" | "element" | "member1" | "member2" | "pivot") => {
            &["a", "b", "c", "incr", "1"]
        }
        (_, "min" | "max") => &["-", "+", "[a", "(a", "0", "1", "(1", "-inf", "+inf"],
        (_, "encoding") => &["u8", "i16", "u4"],
        (
            _,
            "id" | "last-id" | "lastid" | "threshold" | "min-id" | "max-deleted-id" | "group-id",
        ) => &["0", "1-1", "2-1", "3-1", "*", "$", "9-9"],
        (_, "group" | "groupname") => &["g", "h", "STREAMS"],
        (_, "consumer" | "consumername") => &["c", "d"],
        (_, "script") => &["return 1", "return redis.call('TYPE', KEYS[1])"],
        (_, "cursor") => &["0"],
        (_, "path") => &["$", "$.a"],
        (_, "value" | "string") => &["a", "b", "7", "", "GET"],
        _ => &["a", "b", "1", "2", "GET", "STORE", "0"],
    };
    random.one(of).to_owned()
}

/// The commands of a database of each type, with and without lives that end.
pub(crate) fn seed(redis8: bool, random: &mut Random) -> Vec<Command> {
    let mut lines: Vec<String> = [
        "SET s1 abc",
        "SET s2 7 EX 5000",
        "SET s3 \u{7f}x",
        "SET GET 12",
        "SET SET zz",
        "HSET h1 a 1 b 2 c 3",
        "HSET h2 a 5 incr 1",
        "HSET FIELDS a b b c",
        "HSET w_a a 3",
        "RPUSH l1 a b c 1 2",
        "RPUSH l2 b a b a",
        "RPUSH LEFT 3 1 2",
        "RPUSH STORE 9 8 7",
        "SADD e1 a b c 1",
        "SADD e2 b 2 incr",
        "SADD BY 1 2 3",
        "SADD LIMIT 3 4",
        "ZADD z1 1 a 2 b 3 c",
        "ZADD z2 0 a 0 b 0 incr",
        "ZADD BYSCORE 5 b",
        "ZADD WEIGHTS 1 1 2 2",
        "XADD x1 1-1 a 1",
        "XADD x1 2-1 b 2",
        "XADD x1 3-1 c 3",
        "XADD x2 1-1 a 1",
        "XADD STREAMS 1-1 a b",
        "XADD BLOCK 2-1 a b",
        "XGROUP CREATE x1 g 0",
        "XGROUP CREATE x1 STREAMS 2-1",
        "XREADGROUP GROUP g c COUNT 2 STREAMS x1 >",
        "GEOADD g1 1 1 a 2 2 b",
        "GEOADD g2 13 13 c",
        "GEOADD store 1 1 a",
        "GEOADD STOREDIST 2 2 b",
        "PFADD p1 a b c",
        "PFADD p2 c d",
        "PFADD COUNT x",
        "PFADD KEYS y",
        "EXPIRE h2 7000",
        "EXPIRE l2 50",
        "EXPIRE e2 7000",
        "EXPIRE z2 50",
        "EXPIRE g2 7000",
    ]
    .map(str::to_owned)
    .into();
    if redis8 {
        lines.extend(
            [
                "HEXPIRE h1 7000 FIELDS 1 b",
                "HEXPIRE h2 50 FIELDS 1 a",
                r#"JSON.SET j1 $ {"a":1,"b":[1,2,3],"c":{"a":{"a":2}},"d":true}"#,
                r#"JSON.SET j2 $ {"a":{"a":[]},"b":[[],{}]}"#,
                "JSON.SET NX $ [1,2,3]",
            ]
            .map(str::to_owned),
        );
    }
    // Not everything is there each time.
    lines.retain(|_| !random.chance(10));
    let command = |line: &String| words(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    lines.iter().map(command).collect()
}

/// A command of these words.
pub(crate) fn words(line: &[String]) -> Command {
    Command::new(line[0].clone()).args_from(&line[1..])
}

/// Everything that is in the databases 0 and 1, in an order of its own; lives are in seconds.
pub(crate) const DUMP: &str = r"
local function sorted(reply, step)
  local items = {}
  for at = 1, #reply, step do
    local item = {}
    for part = 0, step - 1 do item[#item + 1] = tostring(reply[at + part]) end
    items[#items + 1] = table.concat(item, '\0')
  end
  table.sort(items)
  return table.concat(items, '\1')
end
local function flat(reply)
  if type(reply) ~= 'table' then return tostring(reply) end
  if reply.ok then return reply.ok end
  local items = {}
  for _, item in ipairs(reply) do items[#items + 1] = flat(item) end
  return '[' .. table.concat(items, ',') .. ']'
end
local found = {}
for database = 0, 1 do
  redis.call('SELECT', database)
  local keys = redis.call('KEYS', '*')
  table.sort(keys)
  for _, key in ipairs(keys) do
    local kind = redis.call('TYPE', key).ok
    local content
    local lives = {}
    if kind == 'string' then content = redis.call('GET', key)
    elseif kind == 'hash' then
      content = sorted(redis.call('HGETALL', key), 2)
      if ARGV[1] == '8' then
        local names = redis.call('HKEYS', key)
        table.sort(names)
        for _, name in ipairs(names) do lives[#lives + 1] = redis.call('HTTL', key, 'FIELDS', 1, name)[1] end
      end
    elseif kind == 'list' then content = flat(redis.call('LRANGE', key, 0, -1))
    elseif kind == 'set' then content = sorted(redis.call('SMEMBERS', key), 1)
    elseif kind == 'zset' then content = sorted(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'), 2)
    elseif kind == 'stream' then
      content = flat(redis.call('XRANGE', key, '-', '+'))
      local info = redis.call('XINFO', 'STREAM', key)
      for at = 1, #info, 2 do
        if string.find(info[at], 'id$') then content = content .. info[at] .. flat(info[at + 1]) end
      end
      for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
        content = content .. flat(group)
        for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', key, group[2])) do
          content = content .. consumer[2] .. consumer[4]
        end
        for _, pending in ipairs(redis.call('XPENDING', key, group[2], '-', '+', 100)) do
          content = content .. pending[1] .. pending[2] .. pending[4]
        end
      end
    elseif kind == 'ReJSON-RL' then content = redis.call('JSON.GET', key)
    else content = redis.call('DUMP', key) end
    lives[#lives + 1] = redis.call('TTL', key)
    found[#found + 1] = {database .. ' ' .. key, kind .. ' ' .. content, lives}
  end
end
redis.call('SELECT', 0)
return found
";

/// The state of a database: keys with what they hold, and the lives that are left.
pub(crate) type State = Vec<(String, Value, Vec<i64>)>;

pub(crate) async fn state(client: &Client, redis8: bool) -> State {
    let dump = cmd("EVAL").arg(DUMP).arg(0).arg(if redis8 { "8" } else { "7" });
    client.execute(dump).await.unwrap()
}

/// Where two states differ, but for the time that went by in between.
pub(crate) fn difference(one: &State, other: &State) -> Option<String> {
    let near = |(one, other): (&i64, &i64)| (*one < 0) == (*other < 0) && (one - other).abs() <= 5;
    let shown = |entry: Option<&(String, Value, Vec<i64>)>| {
        entry.map(|(key, content, lives)| {
            let content = content.as_bytes().unwrap_or_default().escape_ascii();
            format!("{key} = {content} {lives:?}")
        })
    };
    for at in 0..one.len().max(other.len()) {
        let same = match (one.get(at), other.get(at)) {
            (Some(one), Some(other)) => {
                (&one.0, &one.1) == (&other.0, &other.1)
                    && one.2.len() == other.2.len()
                    && one.2.iter().zip(&other.2).all(near)
            }
            _ => false,
        };
        if !same {
            return Some(format!("{:?}, then {:?}", shown(one.get(at)), shown(other.get(at))));
        }
    }
    None
}
