#![no_main]
//! Answers in RESP2.

use edgecask::transport::rest::Encoding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    edgecask_fuzz::read_replies(Encoding::Resp2, data);
});
