//! Which process this is, and whether another one still lives.

use std::fs;

/// Machine boot, PID namespace, process id and its start time: no other process ever has the same four.
fn identity(pid: u32) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so fields are counted behind the last one. Start time is field 22 of stat(5).
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let start = fields.get(19)?;
    // Ended, and only not yet collected by its parent.
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    Some(format!("{}/{}/{pid}/{start}", boot.trim(), namespace.display()))
}

/// A text that tells this process from every other, on this machine and others.
pub fn this_process() -> String {
    identity(std::process::id()).unwrap_or_else(|| format!("unknown/{}", uuid::Uuid::new_v4()))
}

/// The user of the operating system as whom this process runs: `uid 1000`.
pub fn os_user() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

/// Whether the process of such a text is gone for certain. False when it cannot be told: another machine, another PID namespace.
pub fn is_gone(identity_text: &str) -> bool {
    let parts: Vec<&str> = identity_text.split('/').collect();
    let [boot, namespace, pid, _] = parts.as_slice() else { return false };
    let here = this_process();
    if !here.starts_with(&format!("{boot}/")) {
        return false;
    }
    let same_namespace = here.split('/').nth(1) == Some(*namespace);
    same_namespace && pid.parse().ok().and_then(identity).as_deref() != Some(identity_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_an_ended_one_is_gone() {
        let here = this_process();
        assert!(!is_gone(&here));
        assert!(is_gone(&format!("{}0", here)), "another start time is another process");
        assert!(!is_gone("another-boot/pid:[1]/1/1") && !is_gone("nonsense"));
    }
}
