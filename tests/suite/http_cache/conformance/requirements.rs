//! Is any requirement without its test?

use std::collections::BTreeSet;
use std::process::Command;

use super::rows;

/// The list of requirements.
const LIST: &str = include_str!("requirements.md");

/// A line of the list: the name of its section's tests, its requirement, and its tests.
struct Requirement {
    section: String,
    text: &'static str,
    tests: Vec<&'static str>,
}

fn requirements() -> Vec<Requirement> {
    let mut rfc = "";
    let mut requirements = Vec::new();
    for line in LIST.lines() {
        if let Some(heading) = line.strip_prefix("## RFC ") {
            rfc = heading.split(',').next().unwrap();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, section, _, text, tests, _] = cells[..]
            && section.starts_with(|first: char| first.is_ascii_digit())
        {
            let section = format!("rfc_{rfc}_{}_", section.replace('.', "_"));
            let tests = tests.split('`').skip(1).step_by(2).collect();
            requirements.push(Requirement { section, text, tests });
        }
    }
    requirements
}

/// The tests of this folder that are named by a section, as the test runner lists them.
fn tests() -> BTreeSet<String> {
    let listed = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "http_cache::conformance::"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test")?.rsplit("::").next());
    names
        .filter(|name| name.starts_with("rfc_9110_") || name.starts_with("rfc_9111_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_requirement_has_its_test() {
    let (requirements, tests) = (requirements(), tests());
    assert!(requirements.len() > 80, "{} requirements", requirements.len());
    let (mut named, mut at_home) = (BTreeSet::new(), BTreeSet::new());
    for Requirement { section, text, tests: of_it } in &requirements {
        for test in of_it {
            assert!(tests.contains(*test), "{text}: there is no test {test}");
            named.insert((*test).to_owned());
            if test.starts_with(section) {
                at_home.insert((*test).to_owned());
            }
        }
    }
    let unlisted: Vec<_> = tests.difference(&named).collect();
    assert!(unlisted.is_empty(), "the list does not have the tests {unlisted:#?}");
    let elsewhere: Vec<_> = named.difference(&at_home).collect();
    assert!(elsewhere.is_empty(), "no requirement of their section has the tests {elsewhere:#?}");
    for row in rows() {
        assert!(named.contains(row.test), "no test runs the row {} of {}", row.what, row.test);
    }
}

#[test]
fn what_has_no_test_has_a_reason() {
    for line in LIST.lines().filter(|line| line.starts_with("| ") && !line.contains('`')) {
        let Some((_, reason)) = line.trim_end_matches(" |").rsplit_once(" | ") else { continue };
        let is_head = line.contains("| section |") || line.contains("---");
        assert!(is_head || reason.split(' ').count() > 3, "{line}");
    }
}
