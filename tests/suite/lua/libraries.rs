//! The libraries of scripts and the conversions of replies, with random inputs.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use edgecask_tests::{number, runner, seed};

use super::both::{Both, shown};

/// Shows a value in one order, whatever the order of a table is.
const SHOW: &str = "
local function show(v)
  if v == cjson.null then return 'null' end
  if type(v) ~= 'table' then return type(v) .. ':' .. string.format(type(v) == 'number' and '%.17g' or '%s', type(v) == 'number' and v or tostring(v)) end
  local parts = {}
  for k, item in pairs(v) do parts[#parts + 1] = show(k) .. '=' .. show(item) end
  table.sort(parts)
  return '{' .. table.concat(parts, ',') .. '}'
end
";

/// A number in Lua.
fn a_number() -> impl Strategy<Value = String> {
    let special = [
        "0",
        "-0",
        "1",
        "-1",
        "0.1",
        "-1.5",
        "127",
        "128",
        "255",
        "256",
        "-32",
        "-33",
        "-128",
        "-129",
        "32767",
        "32768",
        "65535",
        "65536",
        "-32769",
        "2147483647",
        "2147483648",
        "-2147483649",
        "4294967295",
        "4294967296",
        "2^53",
        "-2^53",
        "2^63",
        "-2^63",
        "2^64",
        "1e14",
        "1e15",
        "1e100",
        "-1e-7",
        "1.5e300",
        "1/3",
        "3.5",
        "16777217",
        "0.5",
        "1e17",
        "123456.789",
    ];
    prop_oneof![
        select(special.to_vec()).prop_map(str::to_owned),
        any::<i16>().prop_map(|number| number.to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        (any::<i16>(), 1_u32..6).prop_map(|(number, by)| format!("{number}e-{by}")),
    ]
}

/// A string in Lua.
fn a_string() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| {
        let bytes = bytes.iter().map(|byte| format!("\\{byte:03}"));
        format!("'{}'", bytes.collect::<String>())
    })
}

/// A value in Lua. Its tables have one field that is no item, so their order is known.
fn a_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        a_number(),
        a_string(),
        select(vec!["true", "false", "nil", "cjson.null"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("{{{}}}", items.join(", "))),
            (a_string(), inner.clone()).prop_map(|(name, item)| format!("{{[{name}] = {item}}}")),
            (1..40, inner.clone()).prop_map(|(at, item)| format!("{{[{at}] = {item}}}")),
            (
                select(vec!["err", "ok", "double", "map", "set", "big_number", "verbatim_string"]),
                inner
            )
                .prop_map(|(name, item)| format!("{{{name} = {item}}}")),
        ]
    })
}

fn a_json() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\\n\"",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"",
        "1",
        "-1",
        "0",
        "01",
        "0x1F",
        "1.5",
        "1e5",
        "1e",
        "1.",
        ".5",
        "-",
        "+1",
        "inf",
        "nan",
        "-inf",
        "NaN",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "x",
        "\\",
        "/",
        "'",
        "\"\\x\"",
        "\"\\/\"",
    ];
    let anything =
        prop::collection::vec(select(pieces.to_vec()), 0..8).prop_map(|parts| parts.concat());
    let leaf =
        select(vec!["1", "-2.5", "\"s\"", "true", "null", "1e400", "123456789012345678", "\"\""])
            .prop_map(str::to_owned);
    let valid = leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec(inner, 0..3).prop_map(|items| {
                let fields =
                    items.iter().enumerate().map(|(at, item)| format!("\"f{at}\" : {item}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }),
        ]
    });
    prop_oneof![anything, valid]
}

/// The text as a string of Lua.
fn quoted(bytes: &[u8]) -> String {
    format!("'{}'", bytes.iter().map(|byte| format!("\\{byte:03}")).collect::<String>())
}

fn a_struct() -> impl Strategy<Value = String> {
    let options = [
        "b", "B", "h", "H", "l", "L", "T", "i", "I", "i1", "I3", "i5", "i8", "f", "d", "s", "c0",
        "c2", "c3", "x", "<", ">", "!", "!2", "!4", " ", "q",
    ];
    // The size of a string is undefined in C where a float gives it.
    let format = prop::collection::vec(select(options.to_vec()), 0..5)
        .prop_map(|parts| parts.concat().replace("dc0", "d").replace("fc0", "f"));
    let argument = prop_oneof![
        (-300_i64..300).prop_map(|number| number.to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        select(vec!["1.5", "'abc'", "'a\\0b'", "''", "'12'", "nil", "-2.7"])
            .prop_map(str::to_owned),
    ];
    let packed =
        (format.clone(), prop::collection::vec(argument, 0..5)).prop_map(|(format, args)| {
            let args = std::iter::once(format!("'{format}'")).chain(args).collect::<Vec<_>>();
            format!("return struct.pack({})", args.join(", "))
        });
    let unpacked =
        (format, prop::collection::vec(any::<u8>(), 0..24), 1..4).prop_map(|(format, data, at)| {
            format!("{SHOW} return show({{struct.unpack('{format}', {}, {at})}})", quoted(&data))
        });
    prop_oneof![packed, unpacked]
}

fn a_bit() -> impl Strategy<Value = String> {
    let functions = [
        "tobit", "bnot", "bswap", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol",
        "ror", "tohex",
    ];
    (select(functions.to_vec()), prop::collection::vec(a_number(), 0..4))
        .prop_map(|(name, args)| format!("return bit.{name}({})", args.join(", ")))
}

/// Runs random scripts, and compares what both make of them: the same ones each time, unless `EDGECASK_TEST_SEED` names others.
fn compare(scripts: impl Strategy<Value = String>) {
    let Some(both) = Both::start() else { return };
    let cases = number("EDGECASK_TEST_CASES").map_or(1500, |cases| cases as u32);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let seed = seed();
    let result = runner(config, seed).run(&scripts, |script| {
        let [engine, real] = both.eval(&script, &["k"], &[]).map(|reply| shown(&reply));
        // The connection to the real one takes no error in bytes that are not UTF-8.
        prop_assume!(!real.contains("not of its protocol"));
        prop_assert_eq!(engine, real);
        Ok(())
    });
    if let Err(error) = result {
        panic!("EDGECASK_TEST_SEED={seed}: {error}");
    }
}

#[test]
fn replies_are_converted_as_in_redis() {
    compare(a_value().prop_map(|value| format!("return {value}")));
}

#[test]
fn arguments_are_converted_as_in_redis() {
    compare(prop_oneof![
        a_number().prop_map(|number| {
            format!("redis.call('set', KEYS[1], {number}) return redis.call('get', KEYS[1])")
        }),
        a_value().prop_map(|value| {
            format!("return {{redis.pcall('rpush', KEYS[1], {value}), redis.call('del', KEYS[1])}}")
        }),
    ]);
}

#[test]
fn cjson_is_that_of_redis() {
    compare(prop_oneof![
        a_value().prop_map(|value| format!("return cjson.encode({value})")),
        a_value()
            .prop_map(|value| format!("{SHOW} return show(cjson.decode(cjson.encode({value})))")),
        a_json().prop_map(|text| {
            format!("{SHOW} return show(cjson.decode({}))", quoted(text.as_bytes()))
        }),
    ]);
}

#[test]
fn cmsgpack_is_that_of_redis() {
    compare(prop_oneof![
        a_value().prop_map(|value| format!("return cmsgpack.pack({value})")),
        a_value().prop_map(|value| format!(
            "{SHOW} return show({{cmsgpack.unpack(cmsgpack.pack({value}))}})"
        )),
        prop::collection::vec(any::<u8>(), 0..16).prop_map(|data| {
            format!("{SHOW} return show({{cmsgpack.unpack({})}})", quoted(&data))
        }),
    ]);
}

#[test]
fn struct_is_that_of_redis() {
    compare(a_struct());
}

#[test]
fn bit_is_that_of_redis() {
    compare(a_bit());
}
