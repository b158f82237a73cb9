//! Opens one path: a regular file, in a place that may be read, and nothing else.
//!
//! The path is first resolved to a handle that reads nothing (`O_PATH`), for a caller beneath its root without leaving it (`openat2`
//! through cap-std). Place and type are read from that handle, and the file is opened through it. So it does not matter what the path
//! leads to a moment later.
//!
//! **Invariant:** what is read is what was checked; no device, FIFO or socket is ever opened, not even for a moment.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions as BeneathOptions, OpenOptionsExt as _},
};
use rustix::fs::{Mode, OFlags};

use super::file::Access;

/// Why a file was not opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Missing,
    Outside,
    Other(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::NotFound { Self::Missing } else { Self::Other(reason(&error)) }
    }
}

/// What the system's refusal means.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "permission denied to the user that opsmedic runs as".to_owned(),
        _ => format!("it cannot be opened: {error}"),
    }
}

/// Opens a file for one who may read it.
pub(super) fn open(path: &Path, access: &Access) -> Result<File, Refusal> {
    let handle = match access {
        Access::Anyone => File::from(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(io::Error::from)?),
        Access::Roots(roots) => handle_within(path, roots)?,
    };
    refuse_irregular(&handle.metadata()?.file_type())?;
    open_through(&handle)
}

/// Whether a path, or as much of it as exists, leads out of the roots. What lies there is nobody's business then, not even whether it
/// is there.
pub(super) fn leads_out(path: &Path, roots: &[PathBuf]) -> bool {
    let Some(there) = path.ancestors().find_map(|part| fs::canonicalize(part).ok()) else { return true };
    !roots.iter().any(|root| match fs::canonicalize(root) {
        Ok(real) => there.starts_with(real),
        // A root that is not there (yet): nothing in it is, either.
        Err(_) => root.starts_with(&there),
    })
}

fn real_roots(roots: &[PathBuf]) -> Vec<PathBuf> {
    roots.iter().filter_map(|root| fs::canonicalize(root).ok()).collect()
}

fn handle_within(path: &Path, roots: &[PathBuf]) -> Result<File, Refusal> {
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if leads_out(path, roots) => {
            tracing::debug!(%error, "a path leads out of the roots");
            return Err(Refusal::Outside);
        }
        Err(error) => return Err(error.into()),
    };
    let roots = real_roots(roots);
    let inside = roots.iter().find_map(|root| Some((root, real.strip_prefix(root).ok()?)));
    let (root, beneath) = inside.ok_or(Refusal::Outside)?;
    if beneath.as_os_str().is_empty() {
        return Err(Refusal::Other(directory()));
    }
    let options = BeneathOptions::new().read(true).custom_flags(OFlags::PATH.bits().cast_signed()).to_owned();
    let dir = Dir::open_ambient_dir(root, ambient_authority())?;
    let handle = dir.open_with(beneath, &options).map_err(escape_or)?.into_std();
    if is_within(&handle, &roots)? { Ok(handle) } else { Err(Refusal::Outside) }
}

/// Whether what a handle is of lies in a root now. A root, or a folder above it, may have been put elsewhere since it was resolved.
pub(super) fn is_within(handle: &File, roots: &[PathBuf]) -> io::Result<bool> {
    let place = fs::read_link(descriptor(handle))?;
    Ok(roots.iter().any(|root| place.starts_with(root)))
}

/// cap-std says "permission denied" of its own, without the system's number, when a path would leave the folder.
fn escape_or(error: io::Error) -> Refusal {
    if error.kind() == ErrorKind::PermissionDenied && error.raw_os_error().is_none() { Refusal::Outside } else { error.into() }
}

/// Opens what the handle is of, whatever its path leads to by now.
fn open_through(handle: &File) -> Result<File, Refusal> {
    // Never waits for a lease to be broken, and takes no terminal.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(descriptor(handle));
    opened.map_err(|error| match error.kind() {
        // Not the file, which the handle holds.
        ErrorKind::NotFound => Refusal::Other("it cannot be opened safely, because /proc is not mounted".to_owned()),
        _ => error.into(),
    })
}

fn descriptor(handle: &File) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}

fn directory() -> String {
    "it is a directory: name its files, such as DIRECTORY/*.log".to_owned()
}

fn refuse_irregular(kind: &fs::FileType) -> Result<(), Refusal> {
    let what = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => return Err(Refusal::Other(directory())),
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Refusal::Other(format!("it is {what}, not a regular file")))
}
