//! What the kernel says of a running process.

use std::fs;

/// A line of `/proc/PID/status` in KiB, such as `VmRSS`.
pub(crate) fn memory_kib(pid: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let found = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')).unwrap_or_else(|| panic!("no {line} in {status}"));
    found.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many file descriptors it holds.
pub(crate) fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}
