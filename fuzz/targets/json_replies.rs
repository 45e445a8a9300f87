#![no_main]
//! Answers in JSON, with strings plain and in base64.

use edgecask::transport::rest::Encoding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    edgecask_fuzz::read_replies(Encoding::Base64, data);
});
