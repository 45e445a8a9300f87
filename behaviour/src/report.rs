//! Runs cases one after the other, and reports instead of panicking.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use edgecask::platform::{self, Instant};
use edgecask::{Client, Result};
use futures_util::{FutureExt, StreamExt, stream};
use serde_json::json;

use crate::{CASES, Case, Scope};

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The behaviour is right.
    Passed,
    /// The behaviour is wrong. The text says what was expected.
    Failed(String),
    /// The case took longer than its limit.
    TimedOut,
}

impl Outcome {
    /// Its name in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::TimedOut => "timed out",
        }
    }
}

/// One case, and how it ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaseReport {
    /// The family and the behaviour, such as `strings::a_value_is_found_again`.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub time: Duration,
}

/// What a transport or a server can do, case by case. `Display` shows a table of the families, and then what is wrong.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// The cases in the order of [`CASES`].
    pub cases: Vec<CaseReport>,
}

/// How many cases run at a time. Each has keys of its own.
const AT_A_TIME: usize = 8;

impl Report {
    /// Runs every case whose name contains `filter`. `connect` makes the client of each case; a case may take as long as
    /// `limit`.
    ///
    /// A case that panics is caught, and the panic hook still prints it. Where panics abort, as on wasm, the first one ends
    /// the run.
    ///
    /// ```
    /// use std::time::Duration;
    /// use edgecask::Client;
    /// use edgecask_behaviour::{CASES, Report};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let report = Report::of(|| Ok(Client::memory()), "strings::", Duration::from_secs(10)).await?;
    /// assert!(report.is_success(), "{report}");
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What `connect` gives. How cases end is in the report.
    pub async fn of(
        connect: impl Fn() -> Result<Client>,
        filter: &str,
        limit: Duration,
    ) -> Result<Self> {
        let chosen = CASES.iter().filter(|case| case.name().contains(filter));
        let scopes = chosen.map(|case| Ok((case, Scope::new(connect()?)?)));
        let scopes = scopes.collect::<Result<Vec<_>>>()?;
        let checks = scopes.into_iter().map(|(case, scope)| check(case, scope, limit));
        Ok(Self { cases: stream::iter(checks).buffered(AT_A_TIME).collect().await })
    }

    /// Whether every case passed.
    pub fn is_success(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The cases that did not pass.
    pub fn failures(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(|case| case.outcome != Outcome::Passed)
    }

    /// For each family: how many of its cases passed, and how many there are.
    pub fn families(&self) -> Vec<(&'static str, usize, usize)> {
        let mut families: Vec<(&str, usize, usize)> = Vec::new();
        let mut places = BTreeMap::new();
        for case in &self.cases {
            let name = case.name.split("::").next().unwrap_or(case.name);
            let place = *places.entry(name).or_insert_with(|| {
                families.push((name, 0, 0));
                families.len() - 1
            });
            families[place].1 += usize::from(case.outcome == Outcome::Passed);
            families[place].2 += 1;
        }
        families
    }

    /// The report for programs.
    pub fn to_json(&self) -> serde_json::Value {
        let cases = self.cases.iter().map(|case| {
            let mut fields = json!({
                "name": case.name,
                "outcome": case.outcome.as_str(),
                "millis": u64::try_from(case.time.as_millis()).unwrap_or(u64::MAX),
            });
            if let Outcome::Failed(message) = &case.outcome {
                fields["message"] = message.as_str().into();
            }
            fields
        });
        let passed = self.cases.len() - self.failures().count();
        json!({"passed": passed, "cases": cases.collect::<Vec<_>>()})
    }
}

async fn check(case: &'static Case, scope: Scope, limit: Duration) -> CaseReport {
    let begun = Instant::now();
    let run = AssertUnwindSafe(case.unlimited(scope)).catch_unwind();
    let outcome = match platform::timeout(limit, run).await {
        Some(Ok(())) => Outcome::Passed,
        Some(Err(panic)) => Outcome::Failed(message_of(&*panic)),
        None => Outcome::TimedOut,
    };
    CaseReport { name: case.name(), outcome, time: begun.elapsed() }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| family | passed | of |\n|---|---|---|")?;
        for (name, passed, of) in self.families() {
            writeln!(f, "| {name} | {passed} | {of} |")?;
        }
        let all = self.cases.len();
        writeln!(f, "| all | {} | {all} |", all - self.failures().count())?;
        for case in self.failures() {
            write!(f, "\n{} {}", case.name, case.outcome.as_str())?;
            if let Outcome::Failed(message) = &case.outcome {
                let words: Vec<&str> = message.split_whitespace().collect();
                write!(f, ": {}", words.join(" "))?;
            }
        }
        Ok(())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn report(case: &'static Case) -> CaseReport {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let scope = Scope::new(Client::memory()).unwrap();
        runtime.block_on(check(case, scope, Duration::from_millis(50)))
    }

    #[test]
    fn a_case_that_fails_or_waits_for_ever_is_reported() {
        static FAILS: Case =
            Case { name: "family::fails", run: |_| Box::pin(async { panic!("wrong\n  value") }) };
        static WAITS: Case =
            Case { name: "family::waits", run: |_| Box::pin(std::future::pending()) };
        static PASSES: Case = Case { name: "other::passes", run: |_| Box::pin(async {}) };
        let cases = [&FAILS, &WAITS, &PASSES].map(report).to_vec();
        let report = Report { cases };
        assert_eq!(report.cases[0].outcome, Outcome::Failed("wrong\n  value".to_owned()));
        assert_eq!(report.cases[1].outcome, Outcome::TimedOut);
        assert!(!report.is_success());
        assert_eq!(report.families(), [("family", 0, 2), ("other", 1, 1)]);
        assert_eq!(
            report.to_string(),
            "| family | passed | of |\n|---|---|---|\n| family | 0 | 2 |\n| other | 1 | 1 |\n| all | 1 | 3 |\n\
             \nfamily::fails failed: wrong value\nfamily::waits timed out"
        );
        let json = report.to_json();
        assert_eq!(
            (&json["passed"], &json["cases"][0]["message"]),
            (&json!(1), &json!("wrong\n  value"))
        );
        assert_eq!(json["cases"][1]["outcome"], "timed out");
    }
}
