//! The store's own promises; the engine's on top of it are tested in the recovery room.

use super::*;

#[tokio::test]
async fn the_linked_sqlite_is_new_enough_and_every_connection_is_durable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::at(folder.path().join("deep/opsmedic.db"));
    let pool = store.pool().await.expect("opens");
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&pool).await.expect("a version");
    let parts: Vec<u32> = version.split('.').filter_map(|p| p.parse().ok()).collect();
    assert!(parts >= vec![3, 51, 3], "SQLite {version} has the WAL bug that 3.51.3 mended");
    let (mut a, mut b) = (pool.acquire().await.expect("a"), pool.acquire().await.expect("b"));
    for connection in [&mut a, &mut b] {
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut **connection).await.expect("a pragma");
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut **connection).await.expect("a pragma");
        assert_eq!((synchronous, mode.as_str()), (2, "wal"));
    }
}

#[tokio::test]
async fn a_damaged_or_newer_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("opsmedic.db");
    std::fs::write(&path, "this is no database, but it is somebody's file; long enough to be looked at as a header page of one").expect("writes");
    let before = std::fs::read(&path).expect("reads");
    assert!(Store::at(path.clone()).pool().await.is_err());
    assert_eq!(std::fs::read(&path).expect("reads"), before);

    let newer = folder.path().join("newer.db");
    let store = Store::at(newer.clone());
    let pool = store.pool().await.expect("opens");
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)")
        .execute(&pool)
        .await
        .expect("writes");
    pool.close().await;
    let error = Store::at(newer).pool().await.expect_err("newer");
    assert!(matches!(error, StoreError::Schema { .. }), "{error}");
}

#[tokio::test]
async fn health_reports_are_kept_found_by_check_and_forgotten() {
    use crate::health::{Counts, History as _, Report, State};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::at(folder.path().join("opsmedic.db"));
    let report = |at: &str| Report {
        state: State::Unknown,
        host: "h".to_owned(),
        checked_at: at.parse().expect("a constant"),
        duration_ms: 1,
        counts: Counts::default(),
        results: Vec::new(),
        history_note: None,
    };
    let (old, new) = (report("2026-11-01T00:00:00Z"), report("2026-11-20T00:00:00Z"));
    store.append(&old).await.expect("writes");
    store.append(&new).await.expect("writes");
    assert_eq!(store.recent(None, 10).await.expect("reads"), [new.clone(), old]);
    assert_eq!(store.recent(None, 1).await.expect("reads"), std::slice::from_ref(&new));
    assert!(store.recent(Some("redis"), 10).await.expect("reads").is_empty());
    assert_eq!(store.forget_before("2026-11-06T00:00:00Z".parse().expect("a constant")).await.expect("deletes"), 1);
    // Another process sees what is kept.
    assert_eq!(Store::at(store.path.clone()).recent(None, 10).await.expect("reads"), [new]);
}

#[tokio::test]
async fn the_file_is_private_and_many_processes_may_open_it_at_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("opsmedic.db");
    let opened = futures::future::join_all((0..8).map(|_| {
        let path = path.clone();
        tokio::spawn(async move { Store::at(path).pool().await.map(|_| ()) })
    }));
    assert!(opened.await.into_iter().all(|r| r.is_ok_and(|opened| opened.is_ok())));
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
}
