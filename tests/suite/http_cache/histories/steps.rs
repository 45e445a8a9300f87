//! What happens in a history.

use proptest::prelude::*;

use super::app::Mood;
use super::readers::{Departure, Login, Reader};

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Seconds pass.
    Advance(u64),
    /// The application changes; whether by a write that goes through the cache.
    Change {
        written: bool,
    },
    Mood(Mood),
    /// Readers at the same time.
    Read(Vec<Reader>),
}

fn mood() -> impl Strategy<Value = Mood> {
    let rarely = || prop::bool::weighted(0.2);
    (rarely(), rarely(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(broken, short, tagged, in_parts, bare_304)| Mood {
            broken,
            short: short && !broken,
            tagged,
            in_parts,
            bare_304,
        },
    )
}

fn reader() -> impl Strategy<Value = Reader> {
    let control = prop_oneof![
        4 => Just(None),
        1 => Just(Some("No-Cache")),
        1 => Just(Some("max-age=5")),
        1 => Just(Some("no-store")),
    ];
    let login = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Login::User)),
        1 => Just(Some(Login::Cookie)),
        1 => Just(Some(Login::Authorization)),
    ];
    let departure = prop_oneof![
        8 => Just(Departure::AtTheEnd),
        1 => (0..6_usize).prop_map(Departure::BeforeTheResponse),
        1 => (0..3_usize).prop_map(Departure::InTheBody),
    ];
    let asks = (
        any::<bool>(),
        control,
        any::<bool>(),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.1),
    );
    (0..3_u8, login, 0..2_usize, asks, departure).prop_map(
        |(number, login, process, (two_lines, control, conditional, range, head), departure)| {
            Reader {
                number,
                login,
                process,
                two_lines,
                control,
                conditional,
                range,
                head,
                departure,
            }
        },
    )
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (1..25_u64).prop_map(Step::Advance),
        2 => any::<bool>().prop_map(|written| Step::Change { written }),
        1 => mood().prop_map(Step::Mood),
        6 => prop::collection::vec(reader(), 1..6).prop_map(Step::Read),
    ];
    prop::collection::vec(step, 1..25)
}
