//! A wall clock that a test sets, for another program.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A clock that is as far from the real one as a file says. It needs a C compiler, and programs that load libraries.
#[derive(Debug)]
pub struct MovedClock {
    library: PathBuf,
    file: PathBuf,
}

impl MovedClock {
    /// One whose library and file are in this folder, and which is right.
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
        std::fs::write(&clock.file, [0; 8]).expect("the folder is there");
        clock
    }

    /// Sets it so many seconds after the real one.
    ///
    /// # Panics
    /// If its folder is gone.
    pub fn set(&self, seconds: i64) {
        let file = std::fs::File::options().write(true).open(&self.file);
        let written = file.and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0));
        written.expect("its file is there");
    }

    /// The variables of a program that has this clock.
    pub fn variables(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("EDGECASK_CLOCK", &self.file)]
    }
}
