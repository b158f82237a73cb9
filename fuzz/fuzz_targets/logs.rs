//! Any bytes as a log: the format is found out, records are cut, counted and reported, and what is reported is harmless.
#![no_main]

use std::{
    cell::RefCell,
    sync::{Arc, LazyLock},
};

use libfuzzer_sys::fuzz_target;
use opsmedic::{
    logs::{Access, Logs, Request, Settings},
    ports::Ports,
    types::redact::Redactor,
};
use tokio_util::sync::CancellationToken;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap());

static LOGS: LazyLock<Logs> = LazyLock::new(|| {
    let settings = Settings { timezone: Some("Europe/Berlin".to_owned()), max_seconds: 10, ..Settings::default() };
    Logs::new(settings, &Ports::real(), Arc::new(Redactor::default())).unwrap()
});

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
}

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.path().join("app.log");
    std::fs::write(&path, bytes).unwrap();
    let mut request = Request::new(vec![path.to_str().unwrap().to_owned()], Access::Anyone);
    request.since = Some("all".to_owned());
    request.threads = Some(1);
    let analysed = RUNTIME.with_borrow(|runtime| runtime.block_on(LOGS.analyse(request, CancellationToken::new(), None)));
    // A file that cannot be read as a log is an answer; a defect is none.
    if let Err(error) = analysed {
        assert_ne!(error.code(), "internal", "{error}");
    }
});
