#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::{fs::symlink, net::UnixListener};

use super::*;

struct Place {
    dir: tempfile::TempDir,
    sources: Vec<SourceSettings>,
}

impl Place {
    /// `logs/a.log`, `logs/b.log`, `logs-private/secret.log` and `elsewhere/c.log`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in ["logs/a.log", "logs/b.log", "logs-private/secret.log", "elsewhere/c.log"] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        Self { dir, sources: Vec::new() }
    }

    fn at(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn roots(&self) -> Access {
        Access::Roots(vec![self.at("logs").into(), self.at("elsewhere").into()])
    }

    fn open(&self, access: &Access, paths: &[&str]) -> Result<Found, LogsError> {
        let paths: Vec<String> = paths.iter().map(|p| p.strip_prefix('=').map_or_else(|| self.at(p), str::to_owned)).collect();
        Finder { access, sources: &self.sources, deadline: None }.open(&paths)
    }

    /// Names of the files that are opened and the reasons of those that are not.
    fn outcome(&self, access: &Access, paths: &[&str]) -> (Vec<String>, Vec<String>) {
        let found = self.open(access, paths).unwrap();
        let files = found.files.iter().map(|f| f.path.rsplit('/').next().unwrap().to_owned()).collect();
        (files, found.skipped.into_iter().map(|s| s.reason).collect())
    }

    fn refused(&self, path: &str) -> bool {
        matches!(self.open(&self.roots(), &[path]), Err(LogsError::OutsideRoots { .. }))
    }
}

#[test]
fn files_globs_and_sources_are_opened_once_each() {
    let mut place = Place::new();
    assert_eq!(place.outcome(&Access::Anyone, &["logs/*.log", "logs/a.log"]).0, ["a.log", "b.log"]);
    place.sources = vec![SourceSettings { name: "app".into(), paths: vec![place.at("logs/a*")], timezone: Some("Asia/Tokyo".into()) }];
    for access in [Access::Anyone, place.roots()] {
        assert_eq!(place.outcome(&access, &["=app"]).0, ["a.log"]);
    }
    let found = place.open(&Access::Anyone, &["logs/a.log", "logs/b.log"]).unwrap();
    assert_eq!(found.files.iter().map(|f| f.timezone.as_deref()).collect::<Vec<_>>(), [Some("Asia/Tokyo"), None]);
    fs::hard_link(place.at("logs/a.log"), place.at("logs/z.log")).unwrap();
    let (files, skipped) = place.outcome(&Access::Anyone, &["logs/*.log"]);
    assert_eq!((files.len(), skipped.len()), (2, 1));
}

#[test]
fn what_is_not_there_names_itself() {
    let place = Place::new();
    assert!(matches!(place.open(&Access::Anyone, &["logs/none.log"]), Err(LogsError::NotFound { path, .. }) if path.ends_with("none.log")));
    assert!(matches!(place.open(&Access::Anyone, &["logs/*.txt"]), Err(LogsError::NoMatch { pattern }) if pattern.ends_with("*.txt")));
    assert!(matches!(place.open(&Access::Anyone, &["logs/a***"]), Err(LogsError::BadGlob { .. })));
    assert!(matches!(place.open(&Access::Anyone, &[]), Err(LogsError::NoPaths { .. })));
    let (files, skipped) = place.outcome(&Access::Anyone, &["logs/none.log", "logs/a.log"]);
    assert_eq!((files, skipped), (vec!["a.log".to_owned()], vec!["there is no such file".to_owned()]));
}

#[test]
fn only_regular_files_are_read() {
    let place = Place::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.at("logs/fifo"), rustix::fs::Mode::RWXU).unwrap();
    let _socket = UnixListener::bind(place.at("logs/socket")).unwrap();
    fs::create_dir(place.at("logs/folder")).unwrap();
    fs::write(place.at("logs/packed"), [0x1f, 0x8b, 8, 0]).unwrap();
    symlink("/dev/zero", place.at("logs/zero")).unwrap();
    for (name, word) in [("fifo", "FIFO"), ("socket", "socket"), ("folder", "directory"), ("packed", "gzip"), ("zero", "device")] {
        let (files, skipped) = place.outcome(&Access::Anyone, &[&format!("logs/{name}"), "logs/a.log"]);
        assert_eq!(files, ["a.log"]);
        assert!(skipped[0].contains(word), "{name}: {skipped:?}");
        if name != "zero" {
            assert_eq!(place.outcome(&place.roots(), &[&format!("logs/{name}"), "logs/a.log"]).1.len(), 1, "{name}");
        }
    }
    assert!(place.refused("logs/zero"));
}

#[test]
fn callers_are_held_to_the_roots() {
    let place = Place::new();
    symlink(place.at("logs-private/secret.log"), place.at("logs/out.log")).unwrap();
    symlink(place.at("logs-private"), place.at("logs/outdir")).unwrap();
    symlink(place.at("elsewhere/c.log"), place.at("logs/in.log")).unwrap();
    symlink("a.log", place.at("logs/near.log")).unwrap();
    for path in [
        "logs-private/secret.log",
        "logs/../logs-private/secret.log",
        "logs/out.log",
        "logs/outdir/secret.log",
        "=/etc/passwd",
        "=/etc/*",
        "logs/../logs-private/*",
        "=/proc/self/root/etc/passwd",
        "logs-private/none.log",
    ] {
        assert!(place.refused(path), "{path}");
    }
    assert_eq!(place.outcome(&place.roots(), &["logs/in.log"]).0, ["in.log"]);
    assert_eq!(place.outcome(&place.roots(), &["logs/near.log"]).0, ["near.log"]);
    let (files, skipped) = place.outcome(&place.roots(), &["logs/**/*.log"]);
    assert_eq!(files, ["a.log", "b.log", "in.log"]);
    assert!(skipped.iter().all(|reason| !reason.contains("secret")) && skipped.iter().any(|reason| reason.contains("lead out")), "{skipped:?}");
    let relative = place.open(&place.roots(), &["=logs/a.log"]).err().unwrap();
    assert!(matches!(&relative, LogsError::Relative { .. }) && relative.to_string().contains(&place.at("elsewhere")), "{relative}");
    assert!(matches!(place.open(&Access::Roots(Vec::new()), &["logs/a.log"]), Err(LogsError::OutsideRoots { .. })));
}

#[test]
fn a_root_may_itself_be_a_symlink() {
    let place = Place::new();
    symlink(place.at("logs"), place.at("link")).unwrap();
    let access = Access::Roots(vec![place.at("link").into()]);
    assert_eq!(place.outcome(&access, &["link/a.log", "logs/b.log"]).0, ["a.log", "b.log"]);
}
