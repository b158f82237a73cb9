//! SQL on a SQLite file from outside the product, as somebody who tampers with it has.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::find_program;

const PYTHON: &str = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.executescript(sys.argv[2])\nc.close()\n";

/// A program that speaks SQL to a file.
pub(crate) struct Sql {
    argv: Vec<String>,
}

impl Sql {
    /// The SQLite of Python or the one of the command line, or why there is none.
    pub(crate) fn find() -> Result<Self, String> {
        let python = Command::new("python3").args(["-c", "import sqlite3"]).stdin(Stdio::null()).stderr(Stdio::null()).status();
        if python.is_ok_and(|status| status.success()) {
            return Ok(Self { argv: ["python3", "-c", PYTHON].map(str::to_owned).to_vec() });
        }
        let program = find_program("sqlite3").ok_or("neither python3 with sqlite3 nor the program sqlite3 is installed")?;
        Ok(Self { argv: vec![program.to_str().unwrap().to_owned(), "-bail".to_owned()] })
    }

    /// Runs statements; gives what was complained about.
    pub(crate) fn try_run(&self, file: &Path, statements: &str) -> Result<(), String> {
        let output = Command::new(&self.argv[0]).args(&self.argv[1..]).arg(file).arg(statements).stdin(Stdio::null()).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Runs statements that must work. Afterwards, with no other process there, all is in the one file.
    #[track_caller]
    pub(crate) fn run(&self, file: &Path, statements: &str) {
        self.try_run(file, statements).unwrap();
    }
}
