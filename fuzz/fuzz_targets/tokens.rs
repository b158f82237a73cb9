//! Any bytes as a file of tokens: it is understood, or an error says why not and repeats no token.
#![no_main]

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use opsmedic::{
    config::{Config, Env},
    http::{Auth, Outside},
    ports::Ports,
};

static FILE: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("tokens.toml");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (folder, path)
});

fuzz_target!(|bytes: &[u8]| {
    let path = &FILE.1;
    fs::write(path, bytes).unwrap();
    let text = format!("[http.auth]\ntokens_file = \"{}\"\n", path.display());
    let config = Config::parse(&text, None, &Env::default()).unwrap_or_else(|error| panic!("{error}"));
    let _secrets = config.secrets();
    // Good or not; no panic either way.
    let _ = Auth::new(&config.http, ([127, 0, 0, 1], 8642).into(), &Outside(Ports::real()));
});
