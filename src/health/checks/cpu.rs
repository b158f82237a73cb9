//! How busy the processors are over a short window: of the machine, or of the control group where that allows less.
//!
//! Machine: one less the idle and iowait share of `/proc/stat` between two readings. Group: the processor time it used over what its quota allows.
//! Degraded from 80 % (the seed's limit; it measured 5 s), down from 95 % (operations reference: critical). Load averages are shown and not judged.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::Deserialize;

use crate::health::cgroup::{Group, Version, core_limit, keyed, own_group, read};
use crate::health::settings::round_percent;
use crate::health::{Check, CheckKind, Reading, Scope, State, check::Settings};
use crate::ports::Ports;
use crate::types::percent::Percent;

/// From this share on it is down, whatever the configured limit.
const DOWN_PERCENT: f64 = 95.0;

/// The kind `cpu`.
pub(super) struct Cpu;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "default_max_used")]
    max_used_percent: Percent,
    #[serde(default)]
    window_ms: WindowMs,
}

fn default_max_used() -> Percent {
    Percent::new(80.0).expect("80 is a percentage")
}

/// How long is measured, 100 to 60,000 ms.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
struct WindowMs(u64);

impl Default for WindowMs {
    fn default() -> Self {
        Self(1_000)
    }
}

impl TryFrom<u64> for WindowMs {
    type Error = String;

    fn try_from(ms: u64) -> Result<Self, String> {
        if (100..=60_000).contains(&ms) { Ok(Self(ms)) } else { Err(format!("{ms} ms is out of range: write 100 to 60000")) }
    }
}

impl CheckKind for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn summary(&self) -> &'static str {
        "less than 80 % of the processor time of the machine, or of the container, is used"
    }

    fn example(&self) -> &'static str {
        "[health.cpu]\nmax_used_percent = 80\nwindow_ms = 1000\n"
    }

    fn build(&self, settings: Settings<'_>) -> Result<Box<dyn Check>, toml::de::Error> {
        let config = Config::deserialize(settings)?;
        Ok(Box::new(Busy { max_used: config.max_used_percent.get(), window: Duration::from_millis(config.window_ms.0) }))
    }

    fn unconfigured(&self) -> Option<Box<dyn Check>> {
        Some(Box::new(Busy { max_used: default_max_used().get(), window: Duration::from_millis(WindowMs::default().0) }))
    }
}

struct Busy {
    max_used: f64,
    window: Duration,
}

#[async_trait]
impl Check for Busy {
    fn deadline(&self) -> Duration {
        self.window + Duration::from_secs(2)
    }

    fn scope(&self) -> Scope {
        Scope::Host
    }

    async fn run(&self, _: &Ports) -> Reading {
        let unknown = |scope, why: &str| Reading::new(State::Unknown, scope, why);
        let Some(before) = read("/proc/stat").await.as_deref().and_then(ticks) else {
            return unknown(Scope::Host, "/proc/stat cannot be read");
        };
        let quota = quota().await.filter(|q| q.cores < before.cores as f64);
        let reading = match &quota {
            Some(quota) => match quota.used_over(self.window).await {
                Some(used) => judge(used, Scope::Cgroup, self.max_used).measure("limit_cores", quota.cores, "count"),
                None => unknown(Scope::Cgroup, "the processor time of the control group cannot be read"),
            },
            None => {
                tokio::time::sleep(self.window).await;
                let after = read("/proc/stat").await.as_deref().and_then(ticks);
                match after.and_then(|after| used_percent(&before, &after)) {
                    Some(used) => judge(used, Scope::Host, self.max_used),
                    None => unknown(Scope::Host, "the counters of /proc/stat did not move"),
                }
            }
        };
        let with_cores = reading.measure("cores", before.cores as f64, "count");
        let Ok(load) = sysinfo::System::load_average() else { return with_cores };
        let loads = [("load_1m", load.one), ("load_5m", load.five), ("load_15m", load.fifteen)];
        loads.into_iter().fold(with_cores, |r, (name, value)| r.measure(name, value, "load"))
    }
}

/// Processor time since the start of the machine.
#[derive(Debug, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    total: u64,
    cores: usize,
}

/// The sums of `/proc/stat`. Guest time is in user time already.
fn ticks(stat: &str) -> Option<Ticks> {
    let sum: Vec<u64> = stat.lines().find_map(|l| l.strip_prefix("cpu "))?.split_whitespace().take(8).map(|n| n.parse().unwrap_or(0)).collect();
    let cores = stat.lines().filter(|l| l.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))).count();
    Some(Ticks { idle: sum.get(3)? + sum.get(4).unwrap_or(&0), total: sum.iter().sum(), cores: cores.max(1) })
}

/// The share that was not idle between two readings; none when nothing was counted.
fn used_percent(before: &Ticks, after: &Ticks) -> Option<f64> {
    let total = after.total.checked_sub(before.total).filter(|t| *t > 0)? as f64;
    // iowait may run backwards.
    let idle = after.idle.saturating_sub(before.idle) as f64;
    Some((100.0 * (total - idle) / total).clamp(0.0, 100.0))
}

/// The tightest limit on processor time, and where the time used is told.
struct Quota {
    cores: f64,
    usage: PathBuf,
    version: Version,
}

impl Quota {
    async fn used_over(&self, window: Duration) -> Option<f64> {
        let (begun, before) = (Instant::now(), self.used_seconds().await?);
        tokio::time::sleep(window).await;
        let used = self.used_seconds().await? - before;
        Some((100.0 * used / (begun.elapsed().as_secs_f64() * self.cores)).clamp(0.0, 100.0))
    }

    async fn used_seconds(&self) -> Option<f64> {
        let text = read(&self.usage).await?;
        Some(match self.version {
            Version::V1 => text.trim().parse::<u64>().ok()? as f64 / 1e9,
            Version::V2 => keyed(&text, "usage_usec")? as f64 / 1e6,
        })
    }
}

async fn quota() -> Option<Quota> {
    let limits = own_group("cpu").await?;
    let usage = if limits.version == Version::V1 { own_group("cpuacct").await? } else { limits.clone() };
    tightest(&limits, &usage).await
}

async fn tightest(limits: &Group, usage: &Group) -> Option<Quota> {
    let mut least: Option<Quota> = None;
    for (dir, usage_dir) in limits.dirs.iter().zip(&usage.dirs) {
        let text = match limits.version {
            Version::V1 => read(dir.join("cpu.cfs_quota_us")).await.unwrap_or_default() + " " + &read(dir.join("cpu.cfs_period_us")).await.unwrap_or_default(),
            Version::V2 => read(dir.join("cpu.max")).await.unwrap_or_default(),
        };
        if let Some(cores) = core_limit(&text).filter(|c| least.as_ref().is_none_or(|l| *c < l.cores)) {
            let file = if limits.version == Version::V1 { "cpuacct.usage" } else { "cpu.stat" };
            least = Some(Quota { cores, usage: usage_dir.join(file), version: limits.version });
        }
    }
    least
}

fn judge(used: f64, scope: Scope, max_used: f64) -> Reading {
    let down_at = DOWN_PERCENT.max(max_used);
    let state = match used {
        u if u >= down_at => State::Down,
        u if u >= max_used => State::Degraded,
        _ => State::Ok,
    };
    let whose = if scope == Scope::Cgroup { "the container's quota" } else { "the machine's processors" };
    Reading::new(state, scope, format!("{used:.1} % of {whose} used"))
        .measure("used_percent", round_percent(used), "percent")
        .threshold("used_percent", format!("degraded at >= {max_used} percent"), used >= max_used)
        .threshold("used_percent", format!("down at >= {down_at} percent"), used >= down_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_at_a_limit_is_past_it() {
        for (used, want) in [(79.9, State::Ok), (80.0, State::Degraded), (94.9, State::Degraded), (95.0, State::Down)] {
            assert_eq!(judge(used, Scope::Host, 80.0).state, want, "{used}");
        }
    }

    #[test]
    fn stat_is_read_without_counting_guests_twice() {
        let before = ticks("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2\ncpu1 1 2\nintr 5\n").unwrap();
        assert_eq!(before, Ticks { idle: 800, total: 1_000, cores: 2 });
        let after = ticks("cpu  140 0 120 830 110 0 0 0 90 0\ncpu0 1 2\n").unwrap();
        assert_eq!(used_percent(&before, &after), Some(30.0));
        assert_eq!(used_percent(&after, &after), None);
        assert_eq!(ticks("nothing"), None);
    }

    #[tokio::test]
    async fn the_tightest_quota_binds_and_its_use_is_a_share_of_it() {
        let top = tempfile::tempdir().unwrap();
        let dirs = vec![top.path().join("a"), top.path().to_owned()];
        std::fs::create_dir_all(&dirs[0]).unwrap();
        std::fs::write(dirs[0].join("cpu.max"), "max 100000").unwrap();
        std::fs::write(dirs[1].join("cpu.max"), "50000 100000").unwrap();
        std::fs::write(dirs[1].join("cpu.stat"), "usage_usec 1000000\n").unwrap();
        let group = Group { version: Version::V2, dirs };
        let quota = tightest(&group, &group).await.unwrap();
        assert_eq!(quota.cores, 0.5);
        let stat = group.dirs[1].join("cpu.stat");
        let (used, _) = tokio::join!(quota.used_over(Duration::from_millis(200)), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            std::fs::write(stat, "usage_usec 1050000\n").unwrap();
        });
        // 50 ms of half a core over 200 ms.
        assert!((35.0..=51.0).contains(&used.unwrap()), "{used:?}");
    }
}
