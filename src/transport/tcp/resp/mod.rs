//! RESP, the protocol of Redis: commands to bytes, and bytes to replies.

mod decode;
mod encode;
mod reply;

pub(super) use self::decode::{Decoder, Unreadable};
pub(super) use self::encode::{Batch, write};
pub(super) use self::reply::Reply;
