//! Tests of paths: what they find, their errors, and hostile ones.

use crate::transport::memory::json::{Budget, Json, Path, Writer};

fn json(text: &str) -> Json {
    Json::read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The text of the values that a path finds, or the message of the error.
fn found(document: &Json, path: &str) -> Result<String, String> {
    let find = || {
        let parsed = Path::parse(path)?;
        let budget = Budget::of(1 << 20);
        let values = parsed.find(document, &budget)?;
        let places = parsed.find_places(document, &budget)?;
        assert_eq!(places.len(), values.len(), "{path}");
        let mut writer = Writer::new(Default::default());
        writer.array(values)?;
        Ok(String::from_utf8_lossy(&writer.finish()).into_owned())
    };
    find().map_err(|error: crate::Error| error.message().to_owned())
}

const DOCUMENT: &str =
    r#"{"a":[{"k":1,"v":"x"},{"k":2.0},{"k":[1]},5,"str"],"o":{"k":2,"q\"'":3,"b\\s":4},"n":2}"#;

#[test]
fn paths_find_what_redisjson_finds() {
    let document = json(DOCUMENT);
    for (path, values) in [
        ("$.a[?(@.k==2)]", r#"[{"k":2.0}]"#),
        ("$.a[?(@.k==$.n)].k", "[2.0]"),
        ("$.a[?@.v=~'^x$'].k", "[1]"),
        ("$.a[?(@.k!=1)]", r#"[{"k":2.0},{"k":[1]},5,"str"]"#),
        ("$.a[?(@.k==1||@.k==2&&@.v)].k", "[1]"),
        ("$.a[?(@.k[0]==1)]", r#"[{"k":[1]}]"#),
        ("$.a[?(@.nosuch==@.nosuch)]", "[]"),
        ("$.o[?(@>2)]", "[3,4]"),
        ("$.n[?(@==2)]", "[2]"),
        ("$..k", "[1,2.0,[1],2]"),
        ("$..[0]", r#"[{"k":1,"v":"x"},1]"#),
        ("$.a[-1,0,99,-99].k", "[1,1]"),
        ("$.a[::2].k", "[1,[1]]"),
        ("$.a[99999999999999999999]", "[]"),
        ("$.a[-99999999999999999999:1:99999999999999999999].k", "[1]"),
        (r#"$.o["q\"'"]"#, "[3]"),
        (r#"$.o['q"\'']"#, "[3]"),
        (r#"$.o['b\\s']"#, "[4]"),
        ("$. o . k", "[2]"),
    ] {
        assert_eq!(found(&document, path), Ok(values.to_owned()), "{path}");
    }
}

#[test]
fn costly_paths_end_with_an_error() {
    let nested = json(&format!("{}1{}", "[".repeat(60), "]".repeat(60)));
    let wide = json(&format!("[{}]", vec!["[1,2,3,4,5,6,7,8]"; 2000].join(",")));
    for (document, path) in [
        (&nested, "$..*..*..*..*..*..*..*"),
        (&wide, "$..*[?(@==$..[?(@==$..[?(@==1)])])]"),
        (&wide, "$.*[?($..[?(@==9)]==$..[?(@==9)])]"),
        (&wide, "$[0,0,0,0,0,0,0,0][0,0,0,0,0,0,0,0]..*..*..*"),
    ] {
        let result = found(document, path);
        let is_bounded = match &result {
            Ok(text) => text.len() < 1_000_000,
            Err(error) => error == "ERR the path looks at too many values",
        };
        assert!(is_bounded, "{path}: {result:?}");
    }
    assert!(found(&nested, "$..*..*..*..*..*..*..*").is_err());
}

#[test]
fn patterns_are_bounded() {
    let document = json(&format!(
        r#"["{}", "(a|b)*c", "(((a{{1,99}}){{1,99}}){{1,99}})"]"#,
        "a".repeat(50_000)
    ));
    assert_eq!(found(&document, "$[?(@=~'(a+)+b')]"), Ok("[]".to_owned()));
    assert_eq!(found(&document, "$[?(@=~$[2])]"), Ok("[]".to_owned()));
}

#[test]
fn hostile_paths_are_refused() {
    let document = json(DOCUMENT);
    for (path, message) in [
        (format!("${}", "[?(@".repeat(5000)), "more complex"),
        (format!("$[?{}@{}]", "(".repeat(5000), ")".repeat(5000)), "more complex"),
        (format!("${}", "[?(@)]".repeat(300)), "more complex"),
        (format!("${}", ".a".repeat(300)), "more complex"),
        (format!("$.{}", "a".repeat(40_000)), "longer than"),
    ] {
        let error = found(&document, &path).expect_err("it is refused");
        assert!(error.contains(message), "{}: {error}", &path[..20]);
    }
    let most = format!("${}", "[?(@)]".repeat(250));
    assert!(found(&json("1"), &most).is_ok());
}

#[test]
fn no_path_is_a_panic() {
    let document = json(DOCUMENT);
    let parts = [
        "$", ".", "..", "*", "@", "[", "]", "?", "(", ")", "'", "\"", "\\", ":", ",", "0", "-",
        "9", "k", "a", "==", "=~", "&&", "||", "<", "!", " ", "é", "null", "true", "1.5", "[?(@",
        ")]", "['", "']", "::", "\u{0}", "😀",
    ];
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..10_000 {
        let count = random.usize(..12);
        let parts = std::iter::repeat_with(|| parts[random.usize(..parts.len())]).take(count);
        let path: String = std::iter::once("$").chain(parts).collect();
        if let Err(error) = found(&document, &path) {
            let is_known = error.starts_with("Error occurred on position");
            assert!(is_known, "{path}: {error}");
        }
    }
}

#[test]
fn errors_tell_what_was_expected() {
    for (path, message) in [
        (
            "$[",
            r#"Error occurred on position 2, "$[ <<<<----", expected one of the following: '<string>[,<string>,...]', '<number>', ['start:end:steps'], '*'."#,
        ),
        (
            "$.a[?(@.k=1)]",
            r#"Error occurred on position 9, "$.a[?(@.k ---->>>> =1)]", expected one of the following: ge, gt, le, lt, eq, ne, re, and, or, '..'."#,
        ),
        (
            "$.a b",
            r#"Error occurred on position 4, "$.a  ---->>>> b", expected one of the following: EOI, '..'."#,
        ),
        (
            "",
            r#"Error occurred on position 2, "$. <<<<----", expected one of the following: <string>, '*'."#,
        ),
    ] {
        let error = Path::parse(path).map(|_| ()).expect_err(path);
        assert_eq!(error.message(), message);
    }
}
