//! Clocks that a test sets, for another program.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Clocks that are as far from the real ones as a file says: the wall clock and the monotonic one. It needs a C compiler, and programs that load libraries.
#[derive(Debug)]
pub struct MovedClock {
    library: PathBuf,
    file: PathBuf,
}

impl MovedClock {
    /// Clocks whose library and file are in this folder, and which are right.
    ///
    /// # Panics
    /// If there is no C compiler.
    pub fn new(folder: &Path) -> Self {
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        std::fs::write(&source, include_str!("clock.c")).expect("the folder is there");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]);
        assert!(compiler.status().is_ok_and(|status| status.success()), "there is a C compiler");
        let clock = Self { library, file: folder.join("shift") };
        std::fs::write(&clock.file, [0; 16]).expect("the folder is there");
        clock
    }

    /// Those of this program, if it was started with them.
    pub fn of_this_program() -> Option<Self> {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Some(Self { library: path("LD_PRELOAD")?, file: path("EDGECASK_CLOCK")? })
    }

    /// Sets the wall clock so many seconds after the real one.
    ///
    /// # Panics
    /// If its folder is gone.
    pub fn set(&self, seconds: i64) {
        self.write(seconds, 0);
    }

    /// Lets so many seconds have passed on the monotonic clock, more than on the real one.
    ///
    /// # Panics
    /// If its folder is gone.
    pub fn set_passed(&self, seconds: i64) {
        self.write(seconds, 8);
    }

    fn write(&self, seconds: i64, at: u64) {
        let file = std::fs::File::options().write(true).open(&self.file);
        let written = file.and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), at));
        written.expect("its file is there");
    }

    /// The variables of a program that has this clock.
    pub fn variables(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("EDGECASK_CLOCK", &self.file)]
    }
}
