//! Which control group this process runs in, and what limits it: version 1 and 2, with and without a namespace.
//!
//! Finds directories and reads numbers out of file contents; opens nothing but through [`read`]. The limits of every ancestor bind, so all are looked at, not only
//! the mount's root: a process's own group is in `/proc/self/cgroup`, and where that is mounted in `/proc/self/mountinfo`.

use std::path::{Path, PathBuf};

/// The two generations of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// The directories of a process's group and its ancestors under one controller, innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) version: Version,
    pub(super) dirs: Vec<PathBuf>,
}

/// A file's text; none when it is not there.
pub(super) async fn read(path: impl AsRef<Path>) -> Option<String> {
    tokio::fs::read_to_string(path).await.ok()
}

/// The group of this process under a controller (`memory`, `cpu`, `cpuacct`).
pub(super) async fn own_group(controller: &str) -> Option<Group> {
    group(controller, &read("/proc/self/cgroup").await?, &read("/proc/self/mountinfo").await?)
}

/// The group that these contents of `/proc/self/cgroup` and `/proc/self/mountinfo` describe.
fn group(controller: &str, cgroups: &str, mountinfo: &str) -> Option<Group> {
    let lines = || cgroups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let v1 = lines().find(|(controllers, _)| controllers.split(',').any(|c| c == controller));
    let of = |version, path, mount: (&str, &str)| Group { version, dirs: directories(path, mount.0, mount.1) };
    let in_v1 = v1.and_then(|(_, path)| Some(of(Version::V1, path, mount(mountinfo, "cgroup", Some(controller))?)));
    in_v1.or_else(|| {
        let (_, path) = lines().find(|(controllers, _)| controllers.is_empty())?;
        Some(of(Version::V2, path, mount(mountinfo, "cgroup2", None)?))
    })
}

/// Root and mount point of the first mount of this type that has this option.
fn mount<'m>(mountinfo: &'m str, kind: &str, option: Option<&str>) -> Option<(&'m str, &'m str)> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let options = (right.next()? == kind).then(|| right.nth(1))??;
        if option.is_some_and(|wanted| !options.split(',').any(|o| o == wanted)) {
            return None;
        }
        let mut left = left.split(' ').skip(3);
        Some((left.next()?, left.next()?))
    })
}

/// The directories of a group and its ancestors. `root` is the part of the hierarchy that is mounted: in a container often the container's own group, while the
/// group's path is told from the host's view.
fn directories(group: &str, root: &str, mount_point: &str) -> Vec<PathBuf> {
    let group = Path::new(group);
    let outside = group.components().any(|c| c == std::path::Component::ParentDir);
    let below = group.strip_prefix(root).ok().filter(|_| !outside).unwrap_or(Path::new(""));
    below.ancestors().map(|part| Path::new(mount_point).join(part)).collect()
}

/// The files that hold a memory limit, the usage and its parts.
pub(super) fn memory_files(version: Version) -> [&'static str; 3] {
    match version {
        Version::V1 => ["memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"],
        Version::V2 => ["memory.max", "memory.current", "memory.stat"],
    }
}

/// A limit in bytes; none for `max`, and for the huge number by which version 1 says the same.
pub(super) fn byte_limit(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok().filter(|limit| *limit < 1 << 60)
}

/// Bytes in use, without the page cache that the kernel would drop first.
pub(super) fn memory_used(version: Version, current: &str, stat: &str) -> Option<u64> {
    let name = if version == Version::V1 { "total_inactive_file" } else { "inactive_file" };
    let inactive = keyed(stat, name).unwrap_or(0);
    Some(current.trim().parse::<u64>().ok()?.saturating_sub(inactive))
}

/// The number after `name` in a file of `name number` lines.
pub(super) fn keyed(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The limit in cores of `cpu.max` (`quota period` in microseconds, or `max period`), or of version 1's two files joined by a space (-1 is no limit).
pub(super) fn core_limit(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    let quota: f64 = words.next()?.parse().ok()?;
    let period: f64 = words.next()?.parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    fn dirs(controller: &str, cgroups: &str, mounts: &str) -> (Version, Vec<String>) {
        let group = group(controller, cgroups, mounts).unwrap();
        (group.version, group.dirs.iter().map(|d| d.display().to_string().trim_end_matches('/').to_owned()).collect())
    }

    #[test]
    fn finds_the_own_group_and_all_ancestors() {
        let unified = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
        let (version, found) = dirs("memory", "0::/system.slice/app.service\n", unified);
        assert_eq!((version, found), (Version::V2, ["/system.slice/app.service", "/system.slice", ""].map(|d| format!("/sys/fs/cgroup{d}")).to_vec()));
        // In a namespace.
        assert_eq!(dirs("memory", "0::/\n", unified).1, ["/sys/fs/cgroup"]);
        assert_eq!(dirs("memory", "0::/../other\n", unified).1, ["/sys/fs/cgroup"]);
        let (version, found) = dirs("memory", "4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/\n", HYBRID);
        assert_eq!((version, found), (Version::V1, ["/a/b", "/a", ""].map(|d| format!("/sys/fs/cgroup/memory{d}")).to_vec()));
        assert_eq!(dirs("cpuacct", "1:cpu,cpuacct:/c\n0::/\n", HYBRID).1, ["/sys/fs/cgroup/cpu,cpuacct/c", "/sys/fs/cgroup/cpu,cpuacct"]);
        // The path is the host's, the mount the container's.
        let docker = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n";
        assert_eq!(dirs("memory", "4:memory:/docker/abc\n", docker).1, ["/sys/fs/cgroup/memory"]);
        assert_eq!(dirs("memory", "4:memory:/docker/abc/x\n", docker).1, ["/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory"]);
        assert_eq!(group("memory", "", HYBRID), None);
        assert_eq!(group("memory", "0::/\n", "garbage"), None);
    }

    #[test]
    fn numbers_are_read_and_no_limit_is_none() {
        assert_eq!([byte_limit("max\n"), byte_limit("9223372036854771712\n"), byte_limit("536870912\n")], [None, None, Some(536_870_912)]);
        let stat = "anon 10\ninactive_file 300\ntotal_inactive_file 400\n";
        assert_eq!(memory_used(Version::V2, "1000\n", stat), Some(700));
        assert_eq!(memory_used(Version::V1, "1000\n", stat), Some(600));
        assert_eq!(memory_used(Version::V2, "100\n", stat), Some(0));
        assert_eq!([core_limit("max 100000\n"), core_limit("150000 100000\n"), core_limit("-1\n 100000\n"), core_limit("")], [None, Some(1.5), None, None]);
        assert_eq!(keyed("usage_usec 7\nuser_usec 5\n", "usage_usec"), Some(7));
    }
}
