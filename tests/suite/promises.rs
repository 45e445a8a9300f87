//! Every sentence of the README's promises names the tests that hold it, in `tests/promises.md`, and these tests exist.

use std::path::Path;

fn read(path: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).ok()
}

/// The sentences of the README's section, without emphasis.
fn promised(readme: &str) -> Vec<String> {
    let (_, section) = readme.split_once("\n## What it promises\n").expect("the README has it");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut sentences = Vec::new();
    for item in section.split("\n- ").skip(1) {
        let words: Vec<&str> = item.split_whitespace().collect();
        let text = words.join(" ").replace("**", "");
        let mut rest = text.as_str();
        while let Some(at) = rest.find(". ") {
            sentences.push(rest[..=at].to_owned());
            rest = &rest[at + 2..];
        }
        sentences.push(rest.to_owned());
    }
    sentences
}

/// A sentence of `tests/promises.md`, and the file and name of each of its tests.
struct Held<'a> {
    sentence: &'a str,
    tests: Vec<(&'a str, &'a str)>,
}

fn held(page: &str) -> Vec<Held<'_>> {
    let sections = page.split("\n## ").skip(1);
    let of = |section| {
        let (sentence, text) = str::split_once(section, '\n').unwrap_or((section, ""));
        let tests = text.lines().filter_map(|line| line.strip_prefix("- `"));
        let tests = tests.map(|line| {
            let mut parts = line.split('`');
            let (file, name) = (parts.next(), parts.nth(1));
            name.and_then(|name| Some((file?, name))).unwrap_or_else(|| panic!("no test: {line}"))
        });
        Held { sentence, tests: tests.collect() }
    };
    sections.map(of).collect()
}

/// Whether a file has a test of this name that runs.
fn exists(file: &str, name: &str) -> bool {
    let Some(source) = read(file) else { return false };
    if file.ends_with(".mjs") {
        return source.contains(&format!("it(\"{name}\","));
    }
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let declared = format!("fn {name}(");
    let declares = |line: &&str| line.trim_start_matches("async ").starts_with(&declared);
    let Some(at) = lines.iter().position(declares) else { return false };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    let attributes: Vec<&&str> = attributes.collect();
    let is = |begin: &str| attributes.iter().any(|line| line.starts_with(begin));
    (is("#[test]") || is("#[tokio::test")) && !is("#[ignore")
}

/// Whether a file of the suite is part of it: each of its folders and itself are declared where they have to be.
fn is_module(file: &str) -> bool {
    let mut parent = "tests/suite/main.rs".to_owned();
    let mut folder = "tests/suite".to_owned();
    file.trim_end_matches(".rs").split('/').all(|module| {
        let declared = read(&parent).is_some_and(|text| {
            text.lines().any(|line| line.strip_prefix("mod ") == Some(&format!("{module};")))
        });
        folder = format!("{folder}/{module}");
        parent = format!("{folder}/mod.rs");
        declared
    })
}

#[test]
fn every_promise_has_its_tests() {
    let (readme, page) = (read("README.md").unwrap(), read("tests/promises.md").unwrap());
    let (promised, held) = (promised(&readme), held(&page));
    assert!(promised.len() > 30, "only {} sentences were found", promised.len());
    let written: Vec<&str> = held.iter().map(|held| held.sentence).collect();
    assert_eq!(written, promised, "tests/promises.md has other sentences than the README");
    for Held { sentence, tests } in held {
        assert!(!tests.is_empty(), "nothing holds: {sentence}");
        for (file, name) in tests {
            assert!(exists(file, name), "{file} has no test {name}, which is to hold: {sentence}");
            let is_run = file.strip_prefix("tests/suite/").is_none_or(is_module);
            assert!(is_run, "{file} is not a module of tests/suite/main.rs");
        }
    }
}

#[test]
fn a_promise_without_its_test_is_found() {
    let readme = "# x\n\n## What it promises\n\n- **A.** B holds\n  here: 5 s. `C` too.\n- **D**, e.\n\n## y\n\n- z.\n";
    assert_eq!(promised(readme), ["A.", "B holds here: 5 s.", "`C` too.", "D, e."]);
    let page = "# x\n\n## A.\n\n- `tests/suite/promises.rs` `gone`: b\n\n## B.\n";
    let held = held(page);
    assert_eq!(
        (held[0].sentence, &held[0].tests[..]),
        ("A.", &[("tests/suite/promises.rs", "gone")][..])
    );
    assert!(held[1].tests.is_empty());
    assert!(!exists("tests/suite/promises.rs", "gone"));
    assert!(!exists("tests/suite/promises.rs", "promised"), "it is no test");
    assert!(!exists("tests/suite/gone.rs", "every_promise_has_its_tests"));
    assert!(exists("tests/suite/promises.rs", "every_promise_has_its_tests"));
    assert!(!exists("tests/js/package.test.mjs", "does nothing at all"));
    assert!(is_module("promises.rs") && is_module("cluster/chaos.rs"));
    assert!(!is_module("cluster/promises.rs") && !is_module("gone.rs"));
}
