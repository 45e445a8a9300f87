//! One suite of behaviour, written once, that every transport has to pass.
//!
//! A case is an async function of a [`Scope`]: a client, and keys that no other case uses. Cases panic when the
//! behaviour is wrong. To test a transport of your own, run all of [`CASES`] against it:
//!
//! ```
//! use edgecask::Client;
//! use edgecask_behaviour::{CASES, Scope};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! for case in CASES {
//!     let client = Client::memory(); // over your transport
//!     case.run(Scope::new(client)?).await;
//! }
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Report`] runs them with a time limit and reports instead of panicking. The command `edgecask-conformance URL TOKEN`, with
//! the feature `command`, prints such a report of a REST server.
//!
//! A transport has to refuse calls beyond its [`Capabilities`](edgecask::transport::Capabilities) at once with a typed
//! error; the cases check that instead.
//!
//! [`DOCUMENTS`] check that the systems of [`edgecask::systems`] store what their services store. Each needs a database of
//! its own.

mod batches;
mod binary;
mod cache;
mod cache_entries;
mod cache_freshness;
mod cache_tags;
mod documents;
mod errors;
mod hashes;
mod json;
mod keys;
mod lists;
mod pubsub;
mod replies;
mod report;
mod scripting;
mod server;
mod sets;
mod sorted_sets;
mod stores;
mod strings;

use std::time::Duration;

use edgecask::platform::{self, BoxFuture};
use edgecask::{Client, Key, Keyspace, Pattern, Result};

pub use self::documents::{DOCUMENTS, Document};
pub use self::report::{CaseReport, Outcome, Report};

/// Records of the automation platform's document.
pub mod automation_records {
    pub use crate::documents::automation::{notification, progress, session, step};
}

/// The client under test, and a keyspace of one case's own.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The client under test.
    pub client: Client,
    keyspace: Keyspace,
    name: String,
}

impl Scope {
    /// A scope with keys that no other scope uses.
    ///
    /// # Errors
    /// If the platform has no randomness.
    pub fn new(client: Client) -> Result<Self> {
        let name = format!("{:016x}", u64::from_le_bytes(platform::random()?));
        let keyspace = Keyspace::new(["behaviour", &name])?;
        Ok(Self { client, keyspace, name })
    }

    fn key(&self, name: &str) -> Key {
        self.keyspace.key([name]).expect("the name of a key is not empty")
    }

    /// The pattern of all keys of this scope.
    fn pattern(&self) -> Pattern {
        self.keyspace.pattern()
    }

    /// An identifier that no other scope uses, for keys whose form is fixed.
    fn unique(&self, name: &str) -> String {
        format!("{name}-{}", self.name)
    }
}

/// One behaviour.
#[derive(Debug)]
pub struct Case {
    name: &'static str,
    run: fn(Scope) -> BoxFuture<'static, ()>,
}

impl Case {
    /// The family and the behaviour, such as `strings::a_value_is_found_again`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks it. Panics if the behaviour is wrong, or if the case takes longer than a minute.
    pub fn run(&self, scope: Scope) -> BoxFuture<'static, ()> {
        const LIMIT: Duration = Duration::from_secs(60);
        let run = self.unlimited(scope);
        Box::pin(async {
            assert!(platform::timeout(LIMIT, run).await.is_some(), "no end within {LIMIT:?}");
        })
    }

    fn unlimited(&self, scope: Scope) -> BoxFuture<'static, ()> {
        (self.run)(scope)
    }
}

macro_rules! cases {
    ($($family:ident: $($case:ident),+;)+) => {
        /// Every case.
        pub static CASES: &[Case] = &[$($(Case {
            name: concat!(stringify!($family), "::", stringify!($case)),
            run: |scope| Box::pin($family::$case(scope)),
        }),+),+];
    };
}

cases! {
    strings: a_value_is_found_again, absent_is_not_null, conditions_decide, lifetimes_are_kept, old_values_are_given,
        counters_count, many_at_once, parts_of_a_value, expiry_changes_on_reading;
    keys: existence_and_deletion, expiry, names_change, a_scan_finds_what_stays, types_are_told;
    hashes: fields_are_kept, counters_in_fields, random_fields, fields_are_scanned;
    json: values_change_at_paths, paths_find_values, conditions_decide_at_paths;
    lists: both_ends, positions, moving_between_lists, popping_many;
    sets: members_are_unique, algebra, random_members;
    sorted_sets: scores_order, ranges, conditions_on_scores, combinations, popping, random_members;
    pubsub: publishing_and_listening, listening_to_patterns, shard_channels, watching_commands;
    scripting: a_script_runs_and_is_remembered, unknown_scripts_are_told;
    server: it_answers, the_clock_runs;
    batches: a_pipeline_keeps_order_and_errors, a_transaction_is_one, a_bad_transaction_runs_nothing,
        an_empty_batch_sends_nothing, long_batches, replies_come_in_the_shape_of_their_slots, the_first_error_ends_a_batch;
    replies: a_type_reads_the_same_whatever_the_protocol, arguments_of_every_type_come_back, a_value_may_be_required;
    binary: bytes_survive, bytes_in_batches, odd_keys, arguments_are_data;
    errors: redis_errors_are_typed, what_cannot_be_served_fails_at_once;
    cache: values_are_typed, every_entry_expires, loading_once, an_invalidation_beats_a_load, patterns, many_entries,
        a_broken_entry_is_reloaded;
    cache_entries: large_values_are_packed, bytes_and_text_stay_as_they_are, plain_is_strict,
        redis_keeps_what_may_be_served_stale, that_there_is_none_has_its_own_time, a_namespace_holds_one_type,
        warming_loads_what_is_used;
    cache_freshness: a_stale_value_helps_when_a_load_fails, what_was_invalidated_is_not_served_stale,
        a_stale_value_is_served_while_it_is_reloaded, the_background_is_the_callers_to_choose,
        a_slow_load_is_left_or_given_up, values_are_loaded_early_by_chance, reading_past_the_cache;
    cache_tags: a_tag_reaches_its_entries_only, a_load_that_a_tag_overtook_is_not_served,
        forgetting_a_tags_version_is_safe, a_cache_is_cleared_at_once, the_first_tier_forgets_tags;
    stores: policies_are_read_through, writes_invalidate, conversation_settings_combine, validations_are_cached,
        messages_invalidate_their_conversation, a_users_entries_go_together, prefixes_are_renamed,
        credentials_stay_secret;
}
