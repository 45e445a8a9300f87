//! JSON documents. Compared with RedisJSON 2.8.

mod arguments;
mod arrays;
mod booleans;
mod debug;
mod delete;
mod documents;
mod get;
mod numbers;
mod objects;
mod set;
mod strings;

use crate::transport::memory::engine::{Handler, on_keys};

/// As in RedisJSON, any number of arguments is taken, and each command counts them itself.
pub(super) const HANDLERS: &[Handler] = on_keys![
    "JSON.ARRAPPEND" -1 arrays::append,
    "JSON.ARRINDEX" -1 arrays::index_of,
    "JSON.ARRINSERT" -1 arrays::insert,
    "JSON.ARRLEN" -1 arrays::length_of,
    "JSON.ARRPOP" -1 arrays::pop,
    "JSON.ARRTRIM" -1 arrays::trim,
    "JSON.CLEAR" -1 delete::clear,
    "JSON.DEBUG" -1 debug::debug,
    "JSON.DEL" -1 delete::delete,
    "JSON.FORGET" -1 delete::delete,
    "JSON.GET" -1 get::get,
    "JSON.MERGE" -1 set::merge,
    "JSON.MGET" -1 get::get_many,
    "JSON.MSET" -1 set::set_many,
    "JSON.NUMINCRBY" -1 numbers::add,
    "JSON.NUMMULTBY" -1 numbers::multiply,
    "JSON.NUMPOWBY" -1 numbers::raise,
    "JSON.OBJKEYS" -1 objects::keys,
    "JSON.OBJLEN" -1 objects::length_of,
    "JSON.RESP" -1 get::resp,
    "JSON.SET" -1 set::set,
    "JSON.STRAPPEND" -1 strings::append,
    "JSON.STRLEN" -1 strings::length_of,
    "JSON.TOGGLE" -1 booleans::toggle,
    "JSON.TYPE" -1 get::type_of,
];
