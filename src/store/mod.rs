//! The store: implements the rooms' storage traits on SQLite. The only home of SQL.
//!
//! Opened at first use, so that what needs no store starts and works without one; a failure is tried again at the next use.
//!
//! **Invariant:** a method returns only after what it wrote is on disk (WAL with synchronous=FULL), and a store of a newer version or with
//! a damaged file is refused, never mended or overwritten.

mod audit;
mod controls;
mod health;
mod recovery;

use std::{
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    Connection as _, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::OnceCell;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// A transaction that writes takes the lock at its beginning, so that it cannot fail in the middle for another one.
const IMMEDIATE: &str = "BEGIN IMMEDIATE";

/// How long a writer waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// How long another process may take to open the same store.
const OPEN: Duration = Duration::from_secs(10);

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its folder or lock file cannot be made.
    #[error("cannot create {folder}: {source}")]
    Folder {
        /// The folder or file.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was written by a newer version, or is of another make.
    #[error("{path} has another schema than this version: {source}; use the version that wrote it, or name another file in [store] path")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// Another process is opening it and does not get done.
    #[error("{path} is being opened by another process, which does not get done")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A database error.
    #[error("{path}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// A row that this version cannot read.
    #[error("{path}: {what} cannot be read")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Which row.
        what: String,
    },
}

/// A SQLite file that is opened when it is first needed.
pub struct Store {
    path: PathBuf,
    pool: OnceCell<SqlitePool>,
}

impl Store {
    /// The store at this path; nothing is opened yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path, pool: OnceCell::new() }
    }

    /// The connections. Where the file cannot be written for now (a full or read-only disk), ones that only read, anew at each call, so that
    /// writing goes on by itself as soon as it is possible.
    async fn pool(&self) -> Result<SqlitePool, StoreError> {
        match self.pool.get_or_try_init(|| open(&self.path)).await {
            Ok(pool) => Ok(pool.clone()),
            Err(error @ (StoreError::Folder { .. } | StoreError::Database { .. })) if self.path.is_file() => open_to_read(&self.path).await.map_err(|_| error),
            Err(error) => Err(error),
        }
    }

    fn database(&self, source: sqlx::Error) -> StoreError {
        StoreError::Database { path: self.path.clone(), source }
    }

    fn corrupt(&self, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt { path: self.path.clone(), what: what.into() }
    }
}

async fn open(path: &Path) -> Result<SqlitePool, StoreError> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        // Readable by its owner only: reasons and outputs of recoveries are in it.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| StoreError::Folder { folder: folder.to_owned(), source })?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY);
    let database = |source| StoreError::Database { path: path.to_owned(), source };
    let _alone = tokio::time::timeout(OPEN, alone(path)).await.map_err(|_| StoreError::Busy { path: path.to_owned() })??;
    let pool = SqlitePoolOptions::new()
        .max_connections(2)
        // Where a disk is full SQLite ends a transaction by itself; sqlx then takes the connection to be inside one for ever.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .connect_with(options)
        .await
        .map_err(database)?;
    MIGRATIONS.run(&pool).await.map_err(|source| StoreError::Schema { path: path.to_owned(), source })?;
    Ok(pool)
}

/// SQLite cannot make the file by which connections coordinate.
const NO_COORDINATION: &[&str] = &["14", "4618", "4874", "5386"];

/// Opens a file that cannot be written. Without a log to replay, a file that nobody can change needs no coordination, which would have to be written.
async fn open_to_read(path: &Path) -> Result<SqlitePool, StoreError> {
    let read_only_disk = rustix::fs::statvfs(path).is_ok_and(|fs| fs.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let unsaved = std::fs::metadata(wal).is_ok_and(|meta| meta.len() > 0);
    match read_only(path, read_only_disk && !unsaved).await {
        // On a full disk nobody else can coordinate either.
        Err(StoreError::Database { source: sqlx::Error::Database(error), .. })
            if !unsaved && error.code().is_some_and(|code| NO_COORDINATION.contains(&&*code)) =>
        {
            read_only(path, true).await
        }
        opened => opened,
    }
}

/// Its schema must be exactly this version's: nothing is migrated.
async fn read_only(path: &Path, immutable: bool) -> Result<SqlitePool, StoreError> {
    let database = |source| StoreError::Database { path: path.to_owned(), source };
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(immutable).busy_timeout(BUSY);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(database)?;
    let version: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(&pool).await.map_err(database)?;
    if MIGRATIONS.iter().map(|m| m.version).max() != Some(version) {
        return Err(StoreError::Schema { path: path.to_owned(), source: sqlx::migrate::MigrateError::VersionMissing(version) });
    }
    Ok(pool)
}

/// Holds off other processes that open the same store: switching to WAL and migrating do not wait for each other as transactions do.
async fn alone(path: &Path) -> Result<std::fs::File, StoreError> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let failed = |source| StoreError::Folder { folder: lock.clone(), source };
    let private = |file: &Path| std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file);
    let file = private(&lock).map_err(failed)?;
    // SQLite would make it readable by all.
    private(path).map_err(|source| StoreError::Folder { folder: path.to_owned(), source })?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    // The blocking task cannot panic; an aborted runtime is an error like any other.
    locked.unwrap_or_else(|e| Err(std::io::Error::other(e))).map_err(failed)
}

fn millis(moment: jiff::Timestamp) -> i64 {
    moment.as_millisecond()
}

#[cfg(test)]
impl Store {
    /// Writes an operation past every rule, as who can write the file can.
    pub(crate) async fn overwrite(&self, operation: &crate::recovery::Operation) -> Result<(), StoreError> {
        let document = serde_json::to_string(operation).map_err(|e| self.corrupt(e.to_string()))?;
        let written = sqlx::query("UPDATE operations SET state = ?, document = ? WHERE id = ?").bind(operation.state.name()).bind(document);
        written.bind(operation.operation_id.as_str()).execute(&self.pool().await?).await.map(|_| ()).map_err(|e| self.database(e))
    }

    /// Makes every later write of an attempt fail, as a full disk would in the middle of an operation.
    pub(crate) async fn refuse_attempts(&self) -> Result<(), StoreError> {
        let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON attempts BEGIN SELECT RAISE(ABORT, 'no space'); END";
        sqlx::query(trigger).execute(&self.pool().await?).await.map(|_| ()).map_err(|e| self.database(e))
    }

    /// What everybody can do who may write the file.
    pub(crate) async fn tamper(&self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql).execute(&self.pool().await?).await.map(|_| ()).map_err(|e| self.database(e))
    }

    /// Puts another document in the place of an operation's, as everybody can who may write the file.
    pub(crate) async fn rewrite(&self, operation: &crate::recovery::Operation) -> Result<(), StoreError> {
        let document = serde_json::to_string(operation).map_err(|e| self.corrupt(e.to_string()))?;
        let rewritten = sqlx::query("UPDATE operations SET document = ? WHERE id = ?").bind(document).bind(operation.operation_id.as_str());
        rewritten.execute(&self.pool().await?).await.map(|_| ()).map_err(|e| self.database(e))
    }
}

#[cfg(test)]
mod tests;
