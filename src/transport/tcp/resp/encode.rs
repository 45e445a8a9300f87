use crate::command::Command;

/// Commands in the form in which they are sent.
#[derive(Default)]
pub(in crate::transport::tcp) struct Batch {
    bytes: Vec<u8>,
    commands: usize,
}

impl Batch {
    pub(in crate::transport::tcp) fn of<'a>(commands: impl Iterator<Item = &'a Command>) -> Self {
        let mut batch = Self::default();
        commands.for_each(|command| batch.push(command));
        batch
    }

    pub(in crate::transport::tcp) fn push(&mut self, command: &Command) {
        write(&mut self.bytes, command);
        self.commands += 1;
    }

    /// How many commands these are.
    pub(in crate::transport::tcp) fn len(&self) -> usize {
        self.commands
    }

    pub(in crate::transport::tcp) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes a command as an array of bulk strings.
pub(in crate::transport::tcp) fn write(out: &mut Vec<u8>, command: &Command) {
    let args = command.args();
    // A length takes four digits at most, or the string is much longer.
    out.reserve(command.len_bytes() + 10 * (args.len() + 2));
    write_length(out, b'*', args.len() + 1);
    write_bulk(out, command.name().as_bytes());
    args.for_each(|arg| write_bulk(out, arg));
}

fn write_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn write_length(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let command = Command::new("SET").arg("k").arg(&b"\r\n\xff"[..]).arg("");
        let batch = Batch::of([&command, &Command::new("PING")].into_iter());
        let expected =
            b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\r\n\xff\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n";
        assert_eq!((batch.bytes(), batch.len()), (&expected[..], 2));
    }
}
