//! Where the approver's passphrase comes from: the terminal, unseen, or a file. Never an argument or a variable, which others can read.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, IsTerminal as _},
    path::{Path, PathBuf},
};

use clap::Args;

use super::Failure;

/// No passphrase is longer.
const MAX_BYTES: u64 = 4_096;

/// How the passphrase is given.
#[derive(Debug, Args)]
pub struct PassphraseArgs {
    /// Read the approver's passphrase from the first line of this file, or of standard input for `-` [default: ask on the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase.
    ///
    /// # Errors
    /// A file that cannot be read, or no terminal to ask on.
    pub(super) fn get(&self, question: &str) -> Result<String, Failure> {
        match &self.passphrase_file {
            Some(path) if path == Path::new("-") => first_line(std::io::stdin().lock(), "standard input"),
            Some(path) => {
                let file = File::open(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
                first_line(BufReader::new(file), &path.display().to_string())
            }
            None => ask(question),
        }
    }

    /// A new passphrase: on the terminal it is asked for twice.
    ///
    /// # Errors
    /// As [`PassphraseArgs::get`], and two that differ.
    pub(super) fn get_new(&self) -> Result<String, Failure> {
        let first = self.get("new passphrase of the approver: ")?;
        if self.passphrase_file.is_none() && ask("the same again: ")? != first {
            return Err(Failure::usage("the two differ; nothing was made"));
        }
        Ok(first)
    }
}

fn first_line(reader: impl std::io::BufRead, name: &str) -> Result<String, Failure> {
    let mut line = String::new();
    reader.take(MAX_BYTES).read_line(&mut line).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask(question: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("the approver's passphrase is needed: run this on a terminal, or give --passphrase-file FILE"));
    }
    rpassword::prompt_password(question).map_err(Failure::could_not_run)
}
