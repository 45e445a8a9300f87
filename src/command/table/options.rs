//! Options among the arguments of a command.

use crate::command::Command;

/// An option that takes all arguments that follow.
pub(super) const REST: usize = usize::MAX;

/// Options of COPY, after its two keys.
pub(super) const COPY_OPTIONS: &[(&str, usize)] = &[("DB", 1), ("REPLACE", 0)];

const STREAM_OPTIONS: &[(&str, usize)] =
    &[("COUNT", 1), ("BLOCK", 1), ("GROUP", 2), ("NOACK", 0), ("CLAIM", 1), ("STREAMS", REST)];

impl Command {
    /// The position of the time of `BLOCK`, and of the first stream after `STREAMS`.
    pub(super) fn streams(&self) -> (Option<usize>, Option<usize>) {
        let (mut block, mut streams) = (None, None);
        self.options(0, STREAM_OPTIONS, |word, at| match word {
            "BLOCK" => block = Some(at),
            "STREAMS" => streams = Some(at),
            _ => {}
        });
        (block, streams)
    }

    /// Goes through options from a position on, each with its number of arguments ([`REST`]: all that follow), and calls
    /// `found` with each one's word and the position of its first argument. `false` if there is an unknown word.
    pub(crate) fn options(
        &self,
        from: usize,
        known: &[(&'static str, usize)],
        mut found: impl FnMut(&'static str, usize),
    ) -> bool {
        self.walk_options(from, known, &mut found)
    }

    /// Not generic, so that it is compiled only once: this keeps wasm small.
    fn walk_options(
        &self,
        from: usize,
        known: &[(&'static str, usize)],
        found: &mut dyn FnMut(&'static str, usize),
    ) -> bool {
        let mut at = from;
        while let Some(arg) = self.get(at) {
            let is_it = |(word, _): &&(&str, usize)| arg.eq_ignore_ascii_case(word.as_bytes());
            let Some((word, takes)) = known.iter().find(is_it) else { return false };
            found(word, at + 1);
            at = at.saturating_add(1).saturating_add(*takes);
        }
        true
    }
}
