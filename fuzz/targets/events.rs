#![no_main]
//! Streams of server-sent events, in pieces of any size: no message is of a channel that was not asked for.

use edgecask::transport::rest::Encoding;
use edgecask::transport::{Subscription, Transport};
use edgecask_fuzz::{block_on, check_error, transport};
use futures_util::StreamExt;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let to = match first & 3 {
        0 => Subscription::channels(["c,d"]),
        1 => Subscription::patterns(["c*"]),
        2 => Subscription::channels(["c", "d"]),
        _ => Subscription::Monitor,
    };
    let transport = transport(Encoding::Base64, 200, body, usize::from(first >> 2));
    block_on(async {
        let mut messages = match transport.subscribe(&to).await {
            Ok(messages) => messages,
            Err(error) => return check_error(&error),
        };
        while let Some(message) = messages.next().await {
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    check_error(&error);
                    continue;
                }
            };
            match &to {
                Subscription::Channels(names) => assert!(names.contains(&message.channel)),
                Subscription::Patterns(names) => {
                    assert_eq!(message.pattern.as_ref(), names.first())
                }
                _ => assert!(message.channel.is_empty()),
            }
        }
    });
});
