//! `math.random` of Redis: `drand48` which continues from script to script.

use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Function, Lua, MultiValue, Value};

use super::convert::truncated;
use super::raised::Raised;

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;
const SEED_LOW: u64 = 0x330E;
/// The state at the start of a server.
const START: u64 = 0x1234_ABCD_330E;
const MAX: i64 = i32::MAX as i64;

/// The generator of a state.
#[derive(Clone)]
pub(super) struct Random(Arc<Mutex<u64>>);

impl Random {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(START)))
    }

    /// Seeds it as `srand48` does.
    fn seed(&self, seed: i32) {
        *self.state() = u64::from(seed.cast_unsigned()) << 16 | SEED_LOW;
    }

    fn next(&self) -> i64 {
        let mut state = self.state();
        *state = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        i64::try_from(*state >> 17).unwrap_or(0)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn random(&self, lua: &Lua) -> mlua::Result<Function> {
        let random = self.clone();
        lua.create_function(move |lua, args: MultiValue| {
            let part = (random.next() % MAX) as f64 / MAX as f64;
            let bad = |at, text: &str| Raised::bad_argument(lua, at, "random", text);
            let limit = |at: usize| {
                let value = args.get(at - 1).unwrap_or(&Value::Nil);
                let text = || format!("number expected, got {}", value.type_name());
                // Lua's `int` has 32 bits.
                lua.coerce_number(value.clone())?
                    .map(|number| i64::from(truncated(number) as i32))
                    .ok_or_else(|| bad(at, &text()))
            };
            match args.len() {
                0 => Ok(part),
                1 => {
                    let upper = limit(1)?;
                    if upper < 1 {
                        return Err(bad(1, "interval is empty"));
                    }
                    Ok((part * upper as f64).floor() + 1.0)
                }
                2 => {
                    let (lower, upper) = (limit(1)?, limit(2)?);
                    if lower > upper {
                        return Err(bad(2, "interval is empty"));
                    }
                    let width = upper.wrapping_sub(lower).wrapping_add(1);
                    Ok((part * width as f64).floor() + lower as f64)
                }
                _ => Err(Raised::text(lua, "wrong number of arguments")),
            }
        })
    }

    pub(super) fn randomseed(&self, lua: &Lua) -> mlua::Result<Function> {
        let random = self.clone();
        lua.create_function(move |lua, args: MultiValue| {
            let got = args.front().map_or("no value", Value::type_name);
            let seed = args.front().cloned().unwrap_or(Value::Nil);
            let number = lua.coerce_number(seed)?.ok_or_else(|| {
                Raised::bad_argument(lua, 1, "randomseed", &format!("number expected, got {got}"))
            })?;
            random.seed(truncated(number) as i32);
            Ok(())
        })
    }
}
