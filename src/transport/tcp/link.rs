//! An open stream of commands and replies.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{io, ops::Range};

use tokio::io::{AsyncWriteExt, ReadBuf};

use super::resp::{Batch, Decoder, Reply, Unreadable};
use super::socket::{self, Socket};
use crate::{Error, ErrorKind, Result};

/// How many bytes are received at once.
const BUFFER: usize = 32 << 10;

pub(super) struct Link {
    socket: Box<dyn Socket>,
    decoder: Decoder,
    buffer: Box<[u8]>,
    /// The bytes that were received and not read yet.
    unread: Range<usize>,
}

impl Link {
    pub(super) fn new(socket: Box<dyn Socket>, max_reply_bytes: usize) -> Self {
        Self {
            socket,
            decoder: Decoder::new(max_reply_bytes),
            buffer: vec![0; BUFFER].into(),
            unread: 0..0,
        }
    }

    /// Sends commands.
    pub(super) async fn write(&mut self, batch: &Batch) -> Result<()> {
        let written = async {
            self.socket.write_all(batch.bytes()).await?;
            self.socket.flush().await
        };
        written.await.map_err(socket::refused_or_lost)
    }

    /// Waits for the next reply.
    pub(super) async fn reply(&mut self) -> Result<Reply> {
        loop {
            if let Some(reply) = self.received().map_err(unreadable)? {
                return Ok(reply);
            }
            let received = std::future::poll_fn(|context| self.poll_receive(context)).await;
            if received.map_err(socket::refused_or_lost)? == 0 {
                return Err(Error::new(ErrorKind::Disconnected, "the connection was closed"));
            }
        }
    }

    /// A reply that has come completely.
    pub(super) fn received(&mut self) -> Result<Option<Reply>, Unreadable> {
        let mut bytes = &self.buffer[self.unread.clone()];
        let reply = self.decoder.next(&mut bytes)?;
        self.unread.start = self.unread.end - bytes.len();
        Ok(reply)
    }

    /// Receives bytes, if all that came before was read. Their number is 0 at the end.
    pub(super) fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut *self.socket).poll_read(context, &mut buffer))?;
        let length = buffer.filled().len();
        self.unread = 0..length;
        Poll::Ready(Ok(length))
    }

    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut *self.socket).poll_write(context, bytes))?;
        Poll::Ready(if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) })
    }

    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket).poll_flush(context)
    }
}

/// The error of a stream that cannot be read any further.
pub(super) fn unreadable(reason: Unreadable) -> Error {
    let message = match reason {
        Unreadable::TooDeep => "a reply is nested deeper than 100 levels",
        Unreadable::TooLarge => "a reply is too large: see TcpOptions::max_reply_bytes",
        Unreadable::Malformed => "Redis answered something that is not of its protocol",
        Unreadable::TooMany => {
            "more replies came than commands were sent: the connection was closed, because the replies cannot be matched with \
             commands any more"
        }
    };
    Error::new(ErrorKind::Protocol, message)
}
