//! Whether filesystems have space and inodes left.
//!
//! Free is what an unprivileged user may still write: available / (used + available), as `df` shows it.
//! Degraded at 10 % free or less (the seed's limit), down at a fifth of that, 2 % by default, when less than 5 GiB are free as well
//! (operations reference: critical at 98 % used and below 5 GiB).
//! Inodes: degraded from 90 % used, down from 98 % (operations reference). A path that does not exist is `unknown`.
//! Each path is looked at on its own thread, so that a mount that hangs holds up nothing; while it hangs no second look is begun.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::health::settings::{GRACE, round_percent, show_bytes};
use crate::health::{Check, CheckKind, Reading, Scope, State, check::Settings};
use crate::ports::Ports;
use crate::types::percent::Percent;

/// How long one look may take; a local filesystem takes microseconds.
const LOOK: Duration = Duration::from_secs(3);
/// With more than this free no disk is full, however large it is (operations reference: critical also needs less than 5 GiB).
const DOWN_BELOW_BYTES: u64 = 5 << 30;
const INODES_DEGRADED_PERCENT: f64 = 90.0;
const INODES_DOWN_PERCENT: f64 = 98.0;

/// The kind `disk`.
pub(super) struct Disk;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "default_paths")]
    paths: Vec<PathBuf>,
    #[serde(default = "default_min_free")]
    min_free_percent: Percent,
}

fn default_paths() -> Vec<PathBuf> {
    vec![PathBuf::from("/")]
}

fn default_min_free() -> Percent {
    Percent::new(10.0).expect("10 is a percentage")
}

impl CheckKind for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn summary(&self) -> &'static str {
        "filesystems have more than 10 % of their space free, and inodes"
    }

    fn example(&self) -> &'static str {
        "[health.disk]\npaths = [\"/\"]\nmin_free_percent = 10\n"
    }

    fn build(&self, settings: Settings<'_>) -> Result<Box<dyn Check>, toml::de::Error> {
        use serde::de::Error as _;
        let config = Config::deserialize(settings)?;
        if config.paths.is_empty() || config.paths.iter().any(|p| !p.is_absolute()) {
            return Err(toml::de::Error::custom("paths is a list of absolute paths, and not empty"));
        }
        Ok(Box::new(Filesystems::new(config.paths, config.min_free_percent)))
    }

    fn unconfigured(&self) -> Option<Box<dyn Check>> {
        Some(Box::new(Filesystems::new(default_paths(), default_min_free())))
    }
}

struct Filesystems {
    /// Each with whether a look at it is under way.
    paths: Vec<(PathBuf, Arc<AtomicBool>)>,
    min_free: f64,
}

impl Filesystems {
    fn new(paths: Vec<PathBuf>, min_free: Percent) -> Self {
        Self { paths: paths.into_iter().map(|p| (p, Arc::default())).collect(), min_free: min_free.get() }
    }
}

#[async_trait]
impl Check for Filesystems {
    fn deadline(&self) -> Duration {
        LOOK + GRACE
    }

    fn scope(&self) -> Scope {
        Scope::Host
    }

    async fn run(&self, _: &Ports) -> Reading {
        let looks = futures::future::join_all(self.paths.iter().map(|(path, busy)| look(path.clone(), busy.clone(), LOOK))).await;
        let readings: Vec<Reading> = self.paths.iter().zip(looks).map(|((path, _), looked)| judge(path, looked, self.min_free)).collect();
        let worst = readings.iter().map(|r| r.state).max().unwrap_or(State::Unknown);
        // With several paths, those that are as bad as the worst speak.
        let message = readings.iter().filter(|r| r.state == worst).map(|r| r.message.as_str()).collect::<Vec<_>>().join("; ");
        let mut reading = Reading::new(worst, Scope::Host, message);
        for mut one in readings {
            reading.measurements.append(&mut one.measurements);
            reading.thresholds.append(&mut one.thresholds);
        }
        reading
    }
}

/// Figures of a filesystem, in bytes and inodes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Space {
    total: u64,
    used: u64,
    available: u64,
    inodes: u64,
    inodes_available: u64,
}

impl Space {
    fn of(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        let unit = if stat.f_frsize == 0 { stat.f_bsize } else { stat.f_frsize };
        let bytes = |blocks: u64| blocks.saturating_mul(unit);
        Ok(Self {
            total: bytes(stat.f_blocks),
            used: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)),
            available: bytes(stat.f_bavail),
            inodes: stat.f_files,
            inodes_available: stat.f_favail.min(stat.f_files),
        })
    }
}

/// What a look at a path came to.
#[derive(Debug)]
enum Looked {
    Space(Space),
    Failed(io::ErrorKind),
    Hangs,
}

/// Asks on a thread of its own: a runtime waits for its blocking threads when it ends, and a hung mount never lets one go.
async fn look(path: PathBuf, busy: Arc<AtomicBool>, limit: Duration) -> Looked {
    let begun = Instant::now();
    // One thread a path: a hung mount must not collect them. Another caller's look is waited for; it is a matter of microseconds.
    while busy.swap(true, Ordering::AcqRel) {
        if begun.elapsed() >= limit {
            return Looked::Hangs;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (tell, told) = oneshot::channel();
    let flag = busy.clone();
    let started = std::thread::Builder::new().name("statvfs".to_owned()).spawn(move || {
        let space = Space::of(&path);
        flag.store(false, Ordering::Release);
        // Nobody listens any more after the limit.
        let _ = tell.send(space);
    });
    if let Err(error) = started {
        busy.store(false, Ordering::Release);
        return Looked::Failed(error.kind());
    }
    match tokio::time::timeout(limit, told).await {
        Ok(Ok(Ok(space))) => Looked::Space(space),
        Ok(Ok(Err(error))) => Looked::Failed(error.kind()),
        Ok(Err(_)) => Looked::Failed(io::ErrorKind::Other),
        Err(_) => Looked::Hangs,
    }
}

fn judge(path: &Path, looked: Looked, min_free: f64) -> Reading {
    let shown = path.display();
    let unknown = |why: &str| Reading::new(State::Unknown, Scope::Host, format!("{shown}: {why}"));
    let space = match looked {
        Looked::Space(space) if space.used + space.available > 0 => space,
        Looked::Space(_) => return unknown("has no size: not a disk"),
        Looked::Hangs => return unknown("does not answer: the mount hangs"),
        Looked::Failed(io::ErrorKind::NotFound) => return unknown("does not exist"),
        Looked::Failed(io::ErrorKind::PermissionDenied) => return unknown("may not be looked at"),
        Looked::Failed(_) => return unknown("cannot be looked at"),
    };
    let down_at = min_free / 5.0;
    let free = 100.0 * space.available as f64 / (space.used as f64 + space.available as f64);
    let scarce = space.available < DOWN_BELOW_BYTES;
    let by_space = if free <= down_at && scarce { State::Down } else { state(free <= min_free) };
    let mut reading = Reading::new(by_space, Scope::Host, format!("{shown}: {free:.1} % free ({})", show_bytes(space.available)))
        .measure(format!("total:{shown}"), space.total as f64, "bytes")
        .measure(format!("used:{shown}"), space.used as f64, "bytes")
        .measure(format!("free:{shown}"), space.available as f64, "bytes")
        .measure(format!("free_percent:{shown}"), round_percent(free), "percent")
        .threshold(format!("free_percent:{shown}"), format!("degraded at <= {min_free} percent"), free <= min_free)
        .threshold(format!("free_percent:{shown}"), format!("down at <= {down_at} percent and < {}", show_bytes(DOWN_BELOW_BYTES)), free <= down_at && scarce);
    // Some filesystems (btrfs) make inodes as they need them and give 0.
    if space.inodes > 0 {
        let used = 100.0 * (space.inodes - space.inodes_available) as f64 / space.inodes as f64;
        let by_inodes = if used >= INODES_DOWN_PERCENT { State::Down } else { state(used >= INODES_DEGRADED_PERCENT) };
        if by_inodes > State::Ok {
            reading.message = format!("{}, {used:.1} % of inodes used", reading.message);
        }
        reading.state = reading.state.max(by_inodes);
        reading = reading
            .measure(format!("inodes_used_percent:{shown}"), round_percent(used), "percent")
            .threshold(format!("inodes_used_percent:{shown}"), format!("degraded at >= {INODES_DEGRADED_PERCENT} percent"), used >= INODES_DEGRADED_PERCENT)
            .threshold(format!("inodes_used_percent:{shown}"), format!("down at >= {INODES_DOWN_PERCENT} percent"), used >= INODES_DOWN_PERCENT);
    }
    reading
}

fn state(degraded: bool) -> State {
    if degraded { State::Degraded } else { State::Ok }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(available: u64, inodes_available: u64) -> State {
        // 1,000 units, 100 of them reserved for root.
        let space = Space { total: 1_100, used: 1_000 - available, available, inodes: 1_000, inodes_available };
        judge(Path::new("/"), Looked::Space(space), 10.0).state
    }

    #[test]
    fn exactly_at_a_limit_is_past_it() {
        for (available, inodes, want) in [
            (101, 500, State::Ok),
            (100, 500, State::Degraded),
            (21, 500, State::Degraded),
            (20, 500, State::Down),
            (0, 500, State::Down),
            (500, 101, State::Ok),
            (500, 100, State::Degraded),
            (500, 20, State::Down),
        ] {
            assert_eq!(of(available, inodes), want, "{available} {inodes}");
        }
    }

    #[tokio::test]
    async fn a_missing_path_is_unknown_and_a_real_one_has_figures() {
        let check = Filesystems::new(vec!["/".into(), "/no/such/path".into()], Percent::new(0.0).unwrap());
        let reading = check.run(&Ports::real()).await;
        assert_eq!((reading.state, reading.message.as_str()), (State::Unknown, "/no/such/path: does not exist"));
        assert!(reading.measurements.iter().any(|m| m.name == "free_percent:/" && m.value > 0.0));
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_not_joined_by_another_thread() {
        let busy = Arc::new(AtomicBool::new(true));
        assert!(matches!(look("/".into(), busy.clone(), Duration::from_millis(30)).await, Looked::Hangs));
        busy.store(false, Ordering::Release);
        assert!(matches!(look("/".into(), busy.clone(), LOOK).await, Looked::Space(_)));
        assert!(!busy.load(Ordering::Acquire));
    }

    #[tokio::test]
    async fn many_callers_at_once_all_get_their_figures() {
        let busy = Arc::new(AtomicBool::new(false));
        let looks = futures::future::join_all((0..60).map(|_| look("/".into(), busy.clone(), LOOK))).await;
        assert!(looks.iter().all(|l| matches!(l, Looked::Space(_))));
    }
}
