//! The file itself: one process has it, it is read with care, and it is replaced as a whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use super::{SnapshotError, Source};
use crate::transport::memory::data::Data;
use crate::transport::memory::keyspace::Step;
use crate::transport::memory::rdb::Failure;
use crate::transport::memory::rdb::file::{
    Checksum, FOOT, HEAD, Head, head, load, put_end, put_head,
};

/// A snapshot file that this engine alone uses.
#[derive(Debug)]
pub(in crate::transport::memory) struct Store {
    path: PathBuf,
    /// Replaces the file when it is complete.
    next: PathBuf,
    /// The lock ends with it.
    _lock: File,
}

/// How often a lock that another process has is asked for again.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

impl Store {
    /// Takes the file for this engine, whether it exists or not.
    pub(in crate::transport::memory) fn lock(path: &Path) -> Result<Self, SnapshotError> {
        let path = resolved(path)?;
        if path.is_dir() {
            return Err(SnapshotError::Foreign { path, what: "it is a folder".to_owned() });
        }
        let failed = |error| SnapshotError::io(&path, "lock", error);
        // The file itself is replaced again and again, so the lock is on another one, which stays.
        let lock = beside(&path, ".lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let lock = private(&mut options).open(lock).map_err(failed)?;
        // A program that this process is starting has the locks of closed files too, for a moment: until its own code runs.
        let mut attempts = 0;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempts < LOCK_ATTEMPTS => {
                    attempts += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(TryLockError::WouldBlock) => return Err(SnapshotError::InUse { path }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Ok(Self { next: beside(&path, ".tmp"), path, _lock: lock })
    }

    pub(in crate::transport::memory) fn path(&self) -> &Path {
        &self.path
    }

    /// Hands over all keys, and returns the sources of the libraries of functions. Where there is no file, there are none.
    pub(in crate::transport::memory) fn load(
        &self,
        add: impl FnMut(Bytes, Data, Option<u64>),
    ) -> Result<Vec<Bytes>, SnapshotError> {
        let failed = |error| SnapshotError::io(&self.path, "read", error);
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let length = file.metadata().map_err(failed)?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        self.check(&mut file, length)?;
        file.seek(io::SeekFrom::Start(HEAD as u64)).map_err(failed)?;
        let content = length - (HEAD + FOOT) as u64;
        load(&mut file, content, add).map_err(|(failure, left)| match failure {
            Failure::Io(error) => failed(error),
            // The checksum is right, so a program has written it like this.
            Failure::Malformed(malformed) => SnapshotError::Unsupported {
                path: self.path.clone(),
                what: format!("{}, at byte {}", malformed.0, HEAD as u64 + content - left),
            },
        })
    }

    /// Checks the head and the checksum of a file with this length.
    fn check(&self, file: &mut impl Read, length: u64) -> Result<(), SnapshotError> {
        let failed = |error| SnapshotError::io(&self.path, "read", error);
        let damaged =
            |what: &str| SnapshotError::Damaged { path: self.path.clone(), what: what.to_owned() };
        let Some(mut left) = length.checked_sub((HEAD + FOOT) as u64) else {
            return Err(damaged(&format!("it has {length} bytes")));
        };
        let mut first = [0; HEAD];
        file.read_exact(&mut first).map_err(failed)?;
        match head(&first) {
            Head::Ours => {}
            Head::Foreign => {
                return Err(SnapshotError::Foreign {
                    path: self.path.clone(),
                    what: "it does not begin as a Redis database file (RDB) does".to_owned(),
                });
            }
            Head::Newer(version) => {
                return Err(SnapshotError::Unsupported {
                    path: self.path.clone(),
                    what: format!(
                        "version {version} of the format (RDB) is newer than this engine"
                    ),
                });
            }
        }
        let mut checksum = Checksum::new();
        checksum.add(&first);
        let mut buffer = vec![0; 1 << 16];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = &mut buffer[..most];
            file.read_exact(piece).map_err(failed)?;
            checksum.add(piece);
            left -= most as u64;
        }
        let mut foot = [0; FOOT];
        file.read_exact(&mut foot).map_err(failed)?;
        match foot == checksum.foot() {
            true => Ok(()),
            false if foot == [0; FOOT] => {
                Err(damaged("it has no checksum; Redis writes one unless rdbchecksum is off"))
            }
            false => {
                Err(damaged(&format!("the checksum at byte {} is wrong", length - FOOT as u64)))
            }
        }
    }

    /// Replaces the file by what the source holds now, and returns the number of changes up to then. The old file stays as it is
    /// until the new one is complete and on the disk.
    pub(in crate::transport::memory) fn write(
        &self,
        source: &mut dyn Source,
    ) -> Result<u64, SnapshotError> {
        let written = self.try_write(source);
        if written.is_err() {
            source.end();
            // What is left of it takes room, and is overwritten next time.
            let _ = fs::remove_file(&self.next);
        }
        written.map_err(|error| SnapshotError::io(&self.path, "write", error))
    }

    fn try_write(&self, source: &mut dyn Source) -> io::Result<u64> {
        let changes = loop {
            if let Some(changes) = self.try_write_once(source)? {
                break changes;
            }
        };
        fs::rename(&self.next, &self.path)?;
        sync_folder(&self.path)?;
        Ok(changes)
    }

    /// Writes everything beside the file. `None` if the source was emptied meanwhile.
    fn try_write_once(&self, source: &mut dyn Source) -> io::Result<Option<u64>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = private(&mut options).open(&self.next)?;
        if let Ok(old) = fs::metadata(&self.path) {
            file.set_permissions(old.permissions())?;
        }
        let (mut checksum, mut out) = (Checksum::new(), Vec::new());
        put_head(&mut out);
        let changes = source.begin(&mut out);
        loop {
            let step = source.step(&mut out);
            match step {
                Step::More => {}
                Step::Done => put_end(&mut out),
                Step::Cut => return Ok(None),
            }
            checksum.add(&out);
            file.write_all(&out)?;
            out.clear();
            if step == Step::Done {
                break;
            }
        }
        file.write_all(&checksum.foot())?;
        file.sync_all()?;
        Ok(Some(changes))
    }
}

/// The path without links, so that two paths of one file have one lock.
fn resolved(path: &Path) -> Result<PathBuf, SnapshotError> {
    let failed = |error| SnapshotError::io(path, "find", error);
    if let Ok(found) = fs::canonicalize(path) {
        return Ok(found);
    }
    let Some(name) = path.file_name() else {
        return Err(SnapshotError::Foreign {
            path: path.to_owned(),
            what: "it names no file".to_owned(),
        });
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    Ok(folder.join(name))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// A file that the user alone can read, if it is a new one.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Brings the new name of a file to the disk.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
