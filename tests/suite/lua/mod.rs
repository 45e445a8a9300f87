//! Lua in the embedded engine against a real Redis: the same replies, the same errors, the same contents.

mod both;
mod functions;
mod libraries;
mod limits;
mod recording;
mod sandbox;
