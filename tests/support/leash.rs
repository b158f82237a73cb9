//! Processes that end with the test that started them, however it ends: returned, failed, killed or interrupted.
//!
//! Between test and program stands a small shell that waits on a pipe. The pipe closes when the guard is dropped and when the test
//! binary is gone; then the shell ends the program, waits for it, and removes its folder.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const KEEPER: &str = r#"
signal=$1 folder=$2; shift 2
"$@" </dev/null >"$folder/output" 2>&1 3>&- &
child=$!
echo "$child" >&3
exec 3>&-
read -r _
kill -"$signal" "$child" 2>/dev/null
n=0
while kill -0 "$child" 2>/dev/null; do
  n=$((n + 1))
  [ "$n" -eq 150 ] && kill -KILL "$child" 2>/dev/null
  sleep 0.1
done
wait "$child" 2>/dev/null
while read -r _ mount _; do case "$mount" in "$folder"/*) echo "$mount" ;; esac; done </proc/mounts | sort -r | xargs -r umount 2>/dev/null
rm -rf "$folder"
"#;

/// A running program and its folder; dropping it ends the one and removes the other.
pub(crate) struct Leash {
    keeper: Child,
    pid: u32,
}

impl Leash {
    /// Starts `argv` with its output in `folder/output`. `signal` is what asks it to end, such as `TERM`.
    pub(crate) fn start(folder: &Path, signal: &str, argv: &[&str]) -> Self {
        // The program's id comes over stderr's number 3; the keeper has no other way to speak.
        let script = format!("exec 3>&1 1>&2\n{KEEPER}");
        let mut keeper = Command::new("sh")
            .args(["-c", &script, "keeper", signal])
            .arg(folder)
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = line.trim().parse().unwrap();
        Self { keeper, pid }
    }

    /// The program's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the program still runs.
    pub(crate) fn alive(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
        !matches!(state, None | Some('Z' | 'X'))
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let begun = Instant::now();
        while matches!(self.keeper.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(25) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
