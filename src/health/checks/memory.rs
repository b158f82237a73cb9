//! How much memory is in use: of the machine, or of the control group where that allows less.
//!
//! Machine: used = MemTotal - MemAvailable. Group: the least limit over the process's own group and all its ancestors, and the usage there without inactive page
//! cache. Degraded from 85 % (the seed's limit), down from 98 % (operations reference: critical). Swap, OOM kills and pressure are not looked at.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use sysinfo::System;

use crate::health::cgroup::{Group, byte_limit, memory_files, memory_used, own_group, read};
use crate::health::settings::{round_percent, show_bytes};
use crate::health::{Check, CheckKind, Reading, Scope, State, check::Settings};
use crate::ports::Ports;
use crate::types::percent::Percent;

/// From this share on it is down, whatever the configured limit.
const DOWN_PERCENT: f64 = 98.0;

/// The kind `memory`.
pub(super) struct Memory;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "default_max_used")]
    max_used_percent: Percent,
}

fn default_max_used() -> Percent {
    Percent::new(85.0).expect("85 is a percentage")
}

impl CheckKind for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn summary(&self) -> &'static str {
        "less than 85 % of the memory of the machine, or of the container, is used"
    }

    fn example(&self) -> &'static str {
        "[health.memory]\nmax_used_percent = 85\n"
    }

    fn build(&self, settings: Settings<'_>) -> Result<Box<dyn Check>, toml::de::Error> {
        Ok(Box::new(Used(Config::deserialize(settings)?.max_used_percent)))
    }

    fn unconfigured(&self) -> Option<Box<dyn Check>> {
        Some(Box::new(Used(default_max_used())))
    }
}

struct Used(Percent);

#[async_trait]
impl Check for Used {
    fn deadline(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn scope(&self) -> Scope {
        Scope::Host
    }

    async fn run(&self, _: &Ports) -> Reading {
        let Some(host) = host_usage() else {
            return Reading::new(State::Unknown, Scope::Host, "the machine's memory cannot be read");
        };
        let group = match own_group("memory").await {
            Some(group) => group_usage(&group).await,
            None => None,
        };
        match group.filter(|g| g.total < host.total) {
            Some(group) => judge(group, Scope::Cgroup, self.0.get()),
            None => judge(host, Scope::Host, self.0.get()),
        }
    }
}

/// Bytes there are, and bytes in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usage {
    total: u64,
    used: u64,
}

/// Usage of the machine: what could not be had without swapping counts as used.
fn host_usage() -> Option<Usage> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    let total = Some(system.total_memory()).filter(|total| *total > 0)?;
    Some(Usage { total, used: total.saturating_sub(system.available_memory()) })
}

/// Usage at the group with the least limit; none where nothing is limited.
async fn group_usage(group: &Group) -> Option<Usage> {
    let [limit_file, current_file, stat_file] = memory_files(group.version);
    let mut least: Option<(u64, &std::path::Path)> = None;
    for dir in &group.dirs {
        if let Some(limit) = read(dir.join(limit_file)).await.as_deref().and_then(byte_limit) {
            least = least.filter(|(l, _)| *l <= limit).or(Some((limit, dir)));
        }
    }
    let (total, dir) = least.filter(|(limit, _)| *limit > 0)?;
    let used = memory_used(group.version, &read(dir.join(current_file)).await?, &read(dir.join(stat_file)).await.unwrap_or_default())?;
    Some(Usage { total, used })
}

fn judge(usage: Usage, scope: Scope, max_used: f64) -> Reading {
    let used = (100.0 * usage.used as f64 / usage.total as f64).min(100.0);
    let down_at = DOWN_PERCENT.max(max_used);
    let state = match used {
        u if u >= down_at => State::Down,
        u if u >= max_used => State::Degraded,
        _ => State::Ok,
    };
    let whose = if scope == Scope::Cgroup { "the container's limit" } else { "the machine's memory" };
    Reading::new(state, scope, format!("{used:.1} % of {whose} ({}) used", show_bytes(usage.total)))
        .measure("used_percent", round_percent(used), "percent")
        .measure("total", usage.total as f64, "bytes")
        .measure("used", usage.used as f64, "bytes")
        .measure("available", usage.total.saturating_sub(usage.used) as f64, "bytes")
        .threshold("used_percent", format!("degraded at >= {max_used} percent"), used >= max_used)
        .threshold("used_percent", format!("down at >= {down_at} percent"), used >= down_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::cgroup::Version;

    #[test]
    fn exactly_at_a_limit_is_past_it() {
        for (used, want) in [(849, State::Ok), (850, State::Degraded), (979, State::Degraded), (980, State::Down)] {
            assert_eq!(judge(Usage { total: 1_000, used }, Scope::Host, 85.0).state, want, "{used}");
        }
        assert_eq!(judge(Usage { total: 100, used: 99 }, Scope::Host, 99.5).state, State::Ok);
    }

    #[tokio::test]
    async fn the_least_limit_of_all_ancestors_binds() {
        let top = tempfile::tempdir().unwrap();
        let dirs: Vec<_> = ["a/b", "a", ""].map(|d| top.path().join(d)).to_vec();
        std::fs::create_dir_all(&dirs[0]).unwrap();
        for (dir, max, current) in [(&dirs[0], "max", "500"), (&dirs[1], "1000", "900"), (&dirs[2], "2000", "1900")] {
            for (file, text) in [("memory.max", max), ("memory.current", current), ("memory.stat", "inactive_file 100")] {
                std::fs::write(dir.join(file), text).unwrap();
            }
        }
        let group = Group { version: Version::V2, dirs };
        assert_eq!(group_usage(&group).await, Some(Usage { total: 1_000, used: 800 }));
        std::fs::write(group.dirs[1].join("memory.max"), "max").unwrap();
        std::fs::write(group.dirs[2].join("memory.max"), "max").unwrap();
        assert_eq!(group_usage(&group).await, None);
    }

    #[test]
    fn the_machine_has_memory_and_uses_some_of_it() {
        let usage = host_usage().unwrap();
        assert!(usage.used > 0 && usage.used < usage.total, "{usage:?}");
    }
}
