//! How much the host builds for a script outside of Lua's own memory.

/// Bytes that are left for one text, reply or command. Without an end, a table that holds itself twice would be one of any length.
pub(super) struct Budget(usize);

/// What one of them may take.
const BYTES: usize = 128 << 20;

impl Budget {
    pub(super) fn new() -> Self {
        Self(BYTES)
    }

    /// Takes bytes, if there are enough.
    pub(super) fn take(&mut self, bytes: usize) -> mlua::Result<()> {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(mlua::Error::MemoryError("not enough memory".to_owned())),
        }
    }
}
