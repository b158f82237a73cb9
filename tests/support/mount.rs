//! A small filesystem of its own, gone with the test.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A mounted tmpfs; dropping it unmounts it.
pub(crate) struct Mount {
    at: PathBuf,
}

impl Mount {
    /// Mounts one of so many KiB at a folder, or says why this machine cannot.
    pub(crate) fn tmpfs(at: &Path, kib: u32) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("mounting needs root".to_owned());
        }
        run(&["mount", "-t", "tmpfs", "-o", &format!("size={kib}k,mode=700"), "opsmedic-test"], at)?;
        Ok(Self { at: at.to_owned() })
    }

    /// Mounts it anew: `ro` or `rw`.
    pub(crate) fn remount(&self, how: &str) {
        run(&["mount", "-o", &format!("remount,{how}")], &self.at).unwrap();
    }

    /// Takes all space but for so many pages of 4 KiB.
    pub(crate) fn fill(&self, left: u64) {
        let mut filler = OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        while filler.write_all(&[7; 4_096]).is_ok() {}
        let length = filler.metadata().unwrap().len() / 4_096 * 4_096;
        filler.set_len(length - left * 4_096).unwrap();
    }

    /// Gives the space back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// Whether not a byte more can be written.
    pub(crate) fn is_full(&self) -> bool {
        let probe = self.at.join("probe");
        let full = File::create(&probe).and_then(|mut file| file.write_all(b"x")).is_err();
        // Absent if not even its name could be made.
        let _ = fs::remove_file(probe);
        full
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A process that still holds it ends with its test; lazily, the folder is free at once.
        if run(&["umount"], &self.at).is_err() {
            let _ = run(&["umount", "-l"], &self.at);
        }
    }
}

fn run(argv: &[&str], at: &Path) -> Result<(), String> {
    let output = Command::new(argv[0]).args(&argv[1..]).arg(at).stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", argv[0]))?;
    if output.status.success() { Ok(()) } else { Err(format!("{}: {}", argv[0], String::from_utf8_lossy(&output.stderr).trim())) }
}
