//! The library `bit`: operations on integers of 32 bits, as LuaBitOp has them.

use mlua::{Lua, MultiValue, Table, Value};

use super::arguments::{Arguments, add, one};

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let bit = lua.create_table()?;
    unary(lua, &bit, "tobit", |bits| bits)?;
    unary(lua, &bit, "bnot", |bits| !bits)?;
    unary(lua, &bit, "bswap", u32::swap_bytes)?;
    folded(lua, &bit, "band", |left, right| left & right)?;
    folded(lua, &bit, "bor", |left, right| left | right)?;
    folded(lua, &bit, "bxor", |left, right| left ^ right)?;
    shift(lua, &bit, "lshift", |bits, by| bits << by)?;
    shift(lua, &bit, "rshift", |bits, by| bits >> by)?;
    shift(lua, &bit, "arshift", |bits, by| (bits.cast_signed() >> by).cast_unsigned())?;
    shift(lua, &bit, "rol", u32::rotate_left)?;
    shift(lua, &bit, "ror", u32::rotate_right)?;
    add(lua, &bit, "tohex", |args| {
        let bits = bits(args, 1)?;
        let count = match args.at(2) {
            None => 8,
            Some(_) => self::bits(args, 2)?.cast_signed(),
        };
        let text = if count < 0 { format!("{bits:08X}") } else { format!("{bits:08x}") };
        let shown = count.unsigned_abs().min(8) as usize;
        Ok(one(Value::String(args.lua.create_string(&text[8 - shown..])?)))
    })?;
    Ok(bit)
}

/// The lowest 32 bits of a number, rounded to an integer as the machine rounds.
fn bits(args: &Arguments<'_>, at: usize) -> mlua::Result<u32> {
    const ROUNDS: f64 = 6_755_399_441_055_744.0;
    Ok((args.number(at)? + ROUNDS).to_bits() as u32)
}

fn reply(bits: u32) -> MultiValue {
    one(Value::Number(f64::from(bits.cast_signed())))
}

fn unary(lua: &Lua, bit: &Table, name: &'static str, run: fn(u32) -> u32) -> mlua::Result<()> {
    add(lua, bit, name, move |args| Ok(reply(run(bits(args, 1)?))))
}

fn folded(
    lua: &Lua,
    bit: &Table,
    name: &'static str,
    run: fn(u32, u32) -> u32,
) -> mlua::Result<()> {
    add(lua, bit, name, move |args| {
        let mut all = bits(args, 1)?;
        for at in 2..=args.len() {
            all = run(all, bits(args, at)?);
        }
        Ok(reply(all))
    })
}

fn shift(lua: &Lua, bit: &Table, name: &'static str, run: fn(u32, u32) -> u32) -> mlua::Result<()> {
    add(lua, bit, name, move |args| Ok(reply(run(bits(args, 1)?, bits(args, 2)? & 31))))
}
