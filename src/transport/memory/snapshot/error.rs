//! What can be wrong with a snapshot file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Error, ErrorKind};

/// A snapshot file that cannot be loaded or written. A file that cannot be loaded is never changed.
///
/// ```
/// use edgecask::transport::memory::{MemoryOptions, MemoryTransport, SnapshotError};
///
/// let folder = std::env::temp_dir().join(format!("edgecask-doc-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("letter.txt"), "Dear Redis, how are you?")?;
/// let options = MemoryOptions::new().snapshot(folder.join("letter.txt"));
/// assert!(matches!(MemoryTransport::open(&options), Err(SnapshotError::Foreign { .. })));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Another process, or another engine of this one, uses the file.
    #[error(
        "the snapshot file {} is in use: stop the process that uses it, or take another file",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is none of this format.
    #[error(
        "{} is no snapshot file, and was not changed: {what}. Take another path, or move it away",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// The file is torn, truncated or changed.
    #[error(
        "the snapshot file {} is damaged, and was not changed: {what}. Put a copy of it in its place, or move it away to begin \
         without data",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// The file is whole, but holds what the engine does not.
    #[error(
        "the snapshot file {} cannot be loaded, and was not changed: {what}. Take another path, or move it away to begin without \
         data",
        path.display()
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
    /// The operating system refused something.
    #[error("cannot {doing} the snapshot file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was to be done.
        doing: &'static str,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
}

impl SnapshotError {
    pub(super) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), doing, source: Arc::new(source) }
    }
}

impl From<SnapshotError> for Error {
    /// An error of [`ErrorKind::Config`] with this one as its source.
    fn from(error: SnapshotError) -> Self {
        Self::new(ErrorKind::Config, error.to_string()).with_source(error)
    }
}
