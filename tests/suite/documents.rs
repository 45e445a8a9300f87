//! JSON documents for the comparison of the embedded engine with a real Redis in `engine.rs`: forms of commands, and random
//! paths and values.

use edgecask::Value;
use proptest::prelude::*;
use proptest::sample::select;

/// One line a form of a command, as in `engine.rs`. RedisJSON 2.8 panics where a command changes a value that lies in another
/// one which it has just moved or replaced, so such commands get paths without `..`. Of values that a path finds several times, it
/// removes some once and some not at all, so paths of changes have one `..` at most.
pub(crate) const FORMS: &str = "
JSON.SET json-key . json-value | JSON.SET json-key $ json-value | JSON.SET json-key json-new json-value | JSON.SET json-key json-new json-value
JSON.SET json-key json-flat json-value NX | JSON.SET json-key json-flat json-value XX | JSON.SET json-key $ json-value NX | JSON.SET json-key $ json-value XX
JSON.SET json-key $ json-document | JSON.SET json-key $ json-document | JSON.SET json-key $ json-document | JSON.SET json-key . json-document XX | JSON.SET json-key . json-document NX
JSON.SET json-key $ | JSON.SET json-key $ 1 FOO | JSON.SET json-key $ 1 NX XX | JSON.SET json-key $ 1 FORMAT JSON | JSON.SET json-key $ 1 FORMAT FOO | JSON.SET json-key $ 1 FORMAT
JSON.GET json-key | JSON.GET json-key json-path | JSON.GET json-key json-path json-path | JSON.GET json-key json-legacy json-legacy json-legacy
JSON.GET json-key INDENT json-space NEWLINE json-space SPACE json-space | JSON.GET json-key INDENT json-space json-path | JSON.GET json-key NEWLINE json-space SPACE json-space json-path
JSON.GET json-key NOESCAPE json-path | JSON.GET json-key json-path FORMAT STRING | JSON.GET json-key json-path FORMAT FOO | JSON.GET json-key FORMAT STRING | JSON.GET json-key INDENT | JSON.GET
JSON.MGET json-key json-key json-path | JSON.MGET json-key k json-key json-legacy | JSON.MGET json-key
JSON.MSET json-key $ json-value | JSON.MSET j1 json-new json-value j2 $ json-value | JSON.MSET j1 json-flat json-value j2 json-flat json-value | JSON.MSET json-key $ | JSON.MSET
JSON.MERGE json-key $ json-value | JSON.MERGE json-key json-flat json-value | JSON.MERGE json-key json-new json-document | JSON.MERGE json-key $ json-document | JSON.MERGE json-key $ | JSON.MERGE json-key $ 1 NX
JSON.DEL json-key json-write | JSON.DEL json-key json-flat | JSON.FORGET json-key json-write | JSON.DEL json-key | JSON.DEL | JSON.CLEAR json-key json-write | JSON.CLEAR json-key | JSON.CLEAR
JSON.TYPE json-key | JSON.TYPE json-key json-path | JSON.TYPE | JSON.NUMINCRBY json-key json-write json-number | JSON.NUMINCRBY json-key json-number-path json-number | JSON.NUMINCRBY json-key $
JSON.NUMMULTBY json-key json-write json-number | JSON.NUMMULTBY json-key json-number-path json-number | JSON.NUMPOWBY json-key json-number-path json-power
JSON.STRAPPEND json-key json-write json-string | JSON.STRAPPEND json-key json-string | JSON.STRAPPEND json-key $.s json-string | JSON.STRAPPEND json-key | JSON.STRLEN json-key json-path | JSON.STRLEN json-key
JSON.ARRAPPEND json-key json-write json-value | JSON.ARRAPPEND json-key json-array-path json-value json-value | JSON.ARRAPPEND json-key json-write json-value | JSON.ARRAPPEND json-key $
JSON.ARRINDEX json-key json-path json-value | JSON.ARRINDEX json-key json-array-path json-value json-index | JSON.ARRINDEX json-key json-array-path json-value json-index json-index | JSON.ARRINDEX json-key $ 1 1 1 1
JSON.ARRINSERT json-key json-flat json-index json-value | JSON.ARRINSERT json-key json-array-path json-index json-value json-value | JSON.ARRINSERT json-key $ 0
JSON.ARRLEN json-key json-path | JSON.ARRLEN json-key | JSON.ARRPOP json-key | JSON.ARRPOP json-key json-flat | JSON.ARRPOP json-key json-array-path json-index | JSON.ARRPOP json-key json-flat x
JSON.ARRTRIM json-key json-flat json-index json-index | JSON.ARRTRIM json-key json-array-path json-index json-index | JSON.ARRTRIM json-key $ 1
JSON.OBJKEYS json-key json-path | JSON.OBJKEYS json-key | JSON.OBJLEN json-key json-path | JSON.OBJLEN json-key | JSON.TOGGLE json-key json-write | JSON.TOGGLE json-key json-write | JSON.TOGGLE json-key
JSON.RESP json-key json-path | JSON.RESP json-key | JSON.DEBUG MEMORY nosuch | JSON.DEBUG MEMORY nosuch $ | JSON.DEBUG HELP | JSON.DEBUG FOO | JSON.DEBUG | JSON.DEBUG MEMORY
SET k v | SET json-key v | COPY json-key json-key REPLACE | RENAME json-key json-key | EXPIRE json-key t | TTL json-key | DEL json-key | TYPE json-key | EXISTS json-key
GET json-key | APPEND json-key v | LPUSH json-key m | SORT json-key | SCAN 0 COUNT 1000 | SCAN 0 COUNT 1000 TYPE ReJSON-RL
";

/// Paths of every kind, most of them in one document.
pub(crate) const PATHS: &str = "
JSON.SET json-key $ json-document | JSON.GET json-key json-path | JSON.GET json-key json-path | JSON.GET json-key json-path | JSON.GET json-key json-path
JSON.GET json-key json-garbage | JSON.GET json-key json-garbage | JSON.TYPE json-key json-path | JSON.SET json-key json-flat json-value | JSON.DEL json-key json-write
";

/// The steps of paths.
const STEPS: &[&str] = &[
    ".a",
    ".b",
    ".c",
    ".s",
    ".n",
    ".l",
    ".o",
    "[0]",
    "[1]",
    "[-1]",
    "[*]",
    ".*",
    "['a']",
    "[\"b\"]",
    "['a','s']",
    "[\"l\", \"o\" , 'a']",
    "[0,1]",
    "[0:2]",
    "[-2:]",
    "[:1]",
    "[::2]",
    "[1:3:1]",
    "[:]",
    "[1::]",
    "[-3:-1]",
    "[?(@.a)]",
    "[?(@.a==1)]",
    "[?(@>1)]",
    "[?(@.a!=null)]",
    "[?(@.a==$.a)]",
    "[?(@==$.n)]",
    "[?@.a>0&&@.b<3||@.s]",
    "[?(@.s=~'^x')]",
    "[?(@=~'[0-9]')]",
    "[?(@ == 'x')]",
    "[?(@.l[0]==1)]",
    "[?((@.a||@.b)&&@.c==true)]",
    "[?(@.o==@.o)]",
    "[?(@>=1.5)]",
    "[?(@<=@.a)]",
    "[?(@.a[?(@>0)])]",
    "[?(@.*>0)]",
    "[?(@..a==1)]",
    "[?(true)]",
    "[?(@==false)]",
    "[?(@==-1)]",
    "[?('x'==@)]",
    "[?(@!='x')]",
    " .a",
    ". b",
    "[ 0 ]",
    "[ 'a' ]",
    ".[0]",
    ".['a']",
    ".0",
    ".-",
];

/// The steps that reach into the depth.
const DESCENTS: &[&str] =
    &["..a", "..b", "..*", "..[0]", "..[*]", "..['a','b']", "..[?(@.a)]", "..[?(@>1)]", "..n"];

fn text(words: &'static [&'static str]) -> BoxedStrategy<Vec<u8>> {
    select(words).prop_map(|word| word.as_bytes().to_vec()).boxed()
}

fn steps(of: Vec<&'static str>, most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(select(of), 0..=most).prop_map(|steps| steps.concat())
}

fn rooted(
    starts: &'static [&'static str],
    steps: impl Strategy<Value = String> + 'static,
) -> BoxedStrategy<Vec<u8>> {
    let join = |(start, steps): (&str, String)| match (start, steps.as_str()) {
        ("", steps) => steps.trim_start_matches('.').as_bytes().to_vec(),
        // Two dots would look everywhere.
        (".", steps) if steps.starts_with('.') => steps.as_bytes().to_vec(),
        (start, steps) => format!("{start}{steps}").into_bytes(),
    };
    (select(starts), steps).prop_map(join).boxed()
}

/// A value of some depth, whose members have the names of the paths.
fn value(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        4 => select(&["0", "1", "2", "3", "-1"][..]).prop_map(str::to_owned),
        3 => select(&[
            "null", "true", "false", "1.5", "-0.0", "1e3", "2.0", "1e20", "123456789.25", "9223372036854775807", "-9223372036854775808",
            "0.1", "1e-7", "3.14159", "100000000000000000000",
        ][..])
        .prop_map(str::to_owned),
        2 => select(&[r#""x""#, r#""""#, r#""xyz1""#, r#""é\n\"q\"""#, r#""\u00e9\ud83d\ude00""#, r#""1""#][..])
            .prop_map(str::to_owned),
    ];
    let name = select(&["a", "b", "c", "s", "n", "l", "o", "0", "-", "x y", "é"][..]);
    leaf.prop_recursive(depth, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| format!("{name:?}: {value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }),
        ]
    })
    .boxed()
}

/// The steps without filters. RedisJSON 2.8 finds the values of objects by filters, and does not change them.
fn unfiltered(mut steps: Vec<&'static str>) -> Vec<&'static str> {
    steps.retain(|step| !step.contains('?'));
    steps
}

/// Something random of each kind.
pub(crate) fn word(form: &'static str) -> BoxedStrategy<Vec<u8>> {
    let flat = || unfiltered(STEPS.to_vec());
    let all = || STEPS.iter().chain(DESCENTS).copied().collect::<Vec<_>>();
    match form {
        "json-key" => text(&["j1", "j1", "j2", "k1"]),
        "json-path" => rooted(&["$", "$", "$", ".", ""], steps(all(), 3)),
        "json-write" => {
            let descent = prop::option::weighted(0.4, select(unfiltered(DESCENTS.to_vec())));
            let ends = (steps(flat(), 1), descent, steps(flat(), 1));
            let join = |(first, descent, last): (String, Option<&str>, String)| {
                format!("{first}{}{last}", descent.unwrap_or_default())
            };
            rooted(&["$", "$", ".", ""], ends.prop_map(join))
        }
        "json-flat" => rooted(&["$", "$", "."], steps(flat(), 2)),
        "json-legacy" => rooted(&[".", ""], steps(all(), 2)),
        "json-new" => text(&["$.a", "$.b", ".s", "$.new", "$.o.new", ".o.a", "$.l[0]", "$.l[9]", "$.x.y", "$['q']", "s.t", "$.l.*"]),
        "json-number-path" => text(&["$.a", ".n", "$.n", "$..a", "$.l[*]", "$.*", "..n", "$", "."]),
        "json-array-path" => text(&["$.l", ".l", "$", ".", "$.*", "l", "$.o.l"]),
        "json-document" => value(3)
            .prop_map(|o| {
                format!(
                    r#"{{"a":1,"s":"x","n":2,"o":{o},"l":[1,2.5,"x",null,[1],{{"a":1,"b":true}}],"c":true}}"#
                )
                .into_bytes()
            })
            .boxed(),
        "json-value" => prop_oneof![
            12 => value(3).prop_map(String::into_bytes),
            1 => text(&["", "{", "[1,", "nul", "{\"a\":1,}", "1 2", "x", "{\"a\":1,\"a\":2}", " 1 ", "01", "\"\\ud83d\"", "1e999"]),
        ]
        .boxed(),
        "json-number" => text(&["0", "1", "2", "-1", "0.5", "1e3", "-0.0", "1e308", "x", "\"x\"", "null", "1 2", "9223372036854775807"]),
        "json-power" => text(&["0", "1", "2", "3", "0.5", "-1", "2.0", "x"]),
        "json-string" => text(&["\"x\"", "\"\"", "\"é\\n\"", "1", "x", "\"a\" 1", "null", "[1, 2]"]),
        "json-index" => text(&["0", "1", "2", "-1", "-2", "3", "100", "-100", "x", "1.0"]),
        "json-space" => text(&["", " ", "\n", "--", "\t"]),
        // Without long numbers, for which RedisJSON panics.
        "json-garbage" => {
            let part = prop_oneof![
                select(STEPS).prop_map(str::to_owned),
                select("$.@[]?()*'\":,0123abc=!<>&|~ -\\".chars().collect::<Vec<_>>()).prop_map(String::from),
            ];
            (select(&["$", "$", ""][..]), prop::collection::vec(part, 0..8))
                .prop_map(|(start, parts)| format!("{start}{}", parts.concat()).into_bytes())
                .boxed()
        }
        other => Just(other.as_bytes().to_vec()).boxed(),
    }
}

/// The reply of JSON.GET for several paths, which RedisJSON writes in any order.
pub(crate) fn members_in_order(reply: Value) -> Value {
    let parsed =
        reply.as_bytes().and_then(|text| serde_json::from_slice::<serde_json::Value>(text).ok());
    match parsed {
        Some(serde_json::Value::Object(members)) => Value::bulk(format!("{members:?}")),
        _ => reply,
    }
}
