//! The file: SQLite in WAL mode, synced at every commit.
//!
//! Several programs may have one case open. A commit first takes in what others have written since, inside its own
//! transaction, and only then derives the change, so that the log has one order and `from` is always true.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row as SqlRow, TransactionBehavior, params};

use super::audit;
use super::change::{Change, Edit, Entry, Origin, Row};
use super::record::About;
use super::state::State;
use crate::error::{Error, Result};

/// "Rain" in SQLite's header: what tells a case from any other database.
pub(super) const APPLICATION_ID: i64 = 0x5261_696E;
/// The steps of the format; the file's `user_version` counts the ones it has been through.
pub(super) const STEPS: &[&str] = &[include_str!("schema.sql")];
/// How long a commit waits for another program's.
const PATIENCE: Duration = Duration::from_secs(4);
/// The columns of an entry, in the order that [`read_entry`] reads them.
pub(super) const COLUMNS: &str = "seq, at, who, kind, key, old, new, undoes, redoes, hash";

/// An open case.
#[derive(Debug)]
pub struct Case {
    path: PathBuf,
    db: Connection,
    state: State,
    writable: bool,
}

impl Case {
    /// Makes a new case.
    ///
    /// # Errors
    /// Where there is a file already, or the folder cannot be written to.
    pub fn create(path: &Path, title: &str, who: &str) -> Result<Self> {
        if std::fs::metadata(path).is_ok_and(|about| about.len() > 0 || about.is_dir()) {
            return Err(Error::file(path, "exists already", "Open it, or choose another name for the new case"));
        }
        let told = |e| sql_error(path, "create", e);
        // Made by ourselves: the operating system's own words are better than "unable to open database file".
        File::options().create(true).append(true).open(path).map_err(|e| Error::io("create", path, e))?;
        let mut db = Connection::open(path).map_err(told)?;
        prepare(&db).map_err(told)?;
        migrate(&mut db, 0).map_err(told)?;
        let mut case = Self { path: path.to_path_buf(), db, state: State::default(), writable: true };
        let id: [u8; 16] = rand::random();
        let about = About {
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            title: title.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        case.commit(who, &[], |_, _| Ok(Some((Change::About(Edit { from: None, to: Some(about) }), Origin::Done))))?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            crate::fs::sync_folder(folder).map_err(|e| Error::io("write", folder, e))?;
        }
        Ok(case)
    }

    /// Opens a case; one that cannot be written to is opened for reading.
    ///
    /// # Errors
    /// Where the file is missing, is not a case, was written by a newer version, is damaged or locked.
    pub fn open(path: &Path) -> Result<Self> {
        let (mut db, version) = connect(path)?;
        let writable = !db.is_readonly("main").map_err(|e| sql_error(path, "open", e))?;
        if writable {
            prepare(&db).map_err(|e| sql_error(path, "open", e))?;
            migrate(&mut db, version).map_err(|e| sql_error(path, "bring up to date", e))?;
        }
        let mut case = Self { path: path.to_path_buf(), db, state: State::default(), writable };
        case.refresh()?;
        Ok(case)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether changes can be written.
    pub fn writable(&self) -> bool {
        self.writable
    }

    /// What the case holds, as last seen.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes in what other programs have written since; returns the new entries.
    ///
    /// # Errors
    /// Where the file cannot be read or an entry is damaged.
    pub fn refresh(&mut self) -> Result<Vec<Arc<Entry>>> {
        let entries = read_log(&self.db, &self.path, self.state.log.len() as u64)?;
        entries.iter().for_each(|entry| self.state.apply(entry.clone()));
        Ok(entries)
    }

    /// A picture by its hash; none where the case does not have it.
    ///
    /// # Errors
    /// Where the file cannot be read, or the picture is not what its hash says.
    pub fn picture(&self, hash: &str) -> Result<Option<Vec<u8>>> {
        let found = self
            .db
            .prepare_cached("SELECT bytes FROM picture WHERE hash = ?1")
            .and_then(|mut q| q.query_row([hash], |row| row.get::<_, Vec<u8>>(0)).optional())
            .map_err(|e| sql_error(&self.path, "read", e))?;
        match found {
            Some(bytes) if super::hash(&bytes) != hash => Err(Error::file(
                &self.path,
                format!("holds a picture that is not what its hash {} says", super::change::short(hash)),
                "Check the case with `rain case verify`, and go back to a copy of it",
            )),
            found => Ok(found),
        }
    }

    /// Writes one change: `derive` is asked for it with what the case holds by then, and the time; none changes nothing.
    /// When this returns, the change is on the disk.
    ///
    /// # Errors
    /// Where `derive` fails or the file cannot be written; nothing of the change is in the file then.
    pub fn commit(
        &mut self,
        who: &str,
        pictures: &[(&str, &[u8])],
        derive: impl FnOnce(&State, &str) -> Result<Option<(Change, Origin)>>,
    ) -> Result<Option<Arc<Entry>>> {
        let path = self.path.clone();
        if !self.writable {
            return Err(Error::file(
                &path,
                "can only be read: the file or its folder is write-protected",
                "Copy it to a folder that you may write to, and open the copy",
            ));
        }
        let told = |e| sql_error(&path, "write to", e);
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(told)?;
        for entry in read_log(&tx, &path, self.state.log.len() as u64)? {
            self.state.apply(entry);
        }
        let at = super::now();
        let Some((change, origin)) = derive(&self.state, &at)? else { return Ok(None) };
        let row = change.to_row()?;
        let seq = self.state.log.len() as u64 + 1;
        let (undoes, redoes) = match origin {
            Origin::Done => (None, None),
            Origin::Undoes(of) => (Some(of), None),
            Origin::Redoes(of) => (None, Some(of)),
        };
        let hash = audit::link(self.state.head(), seq, &at, who, &row, undoes, redoes);
        let write = || -> rusqlite::Result<()> {
            for (hash, bytes) in pictures {
                tx.prepare_cached("INSERT INTO picture VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                    .execute(params![hash, bytes])?;
            }
            let insert = "INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            let number = |n: Option<u64>| n.map(|n| n as i64);
            tx.prepare_cached(insert)?.execute(params![
                seq as i64,
                at,
                who,
                row.kind,
                row.key,
                row.old,
                row.new,
                number(undoes),
                number(redoes),
                hash
            ])?;
            match &row.new {
                Some(value) => tx
                    .prepare_cached("INSERT OR REPLACE INTO fact VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![row.kind, row.key, value, seq as i64])?,
                None => tx
                    .prepare_cached("DELETE FROM fact WHERE kind = ?1 AND key = ?2")?
                    .execute(params![row.kind, row.key])?,
            };
            Ok(())
        };
        write().map_err(told)?;
        tx.commit().map_err(told)?;
        let entry = Arc::new(Entry { seq, at, who: who.to_owned(), change, origin, hash });
        self.state.apply(entry.clone());
        Ok(Some(entry))
    }
}

/// A connection to an existing case, checked to be one, and its version. For reading only where that is all that can be had.
pub(super) fn connect(path: &Path) -> Result<(Connection, usize)> {
    let mut head = [0; 16];
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let about = file.metadata().map_err(|e| Error::io("open", path, e))?;
    let not_a_case = |problem: &str| Error::file(path, problem, "Choose a file that Rain made as a case");
    if !about.is_file() {
        return Err(not_a_case("is not a file"));
    }
    // Closed before SQLite opens it: closing later would drop SQLite's own locks.
    let whole = file.read_exact(&mut head);
    drop(file);
    if whole.is_err() || &head != b"SQLite format 3\0" {
        return Err(not_a_case("is not a case file"));
    }
    let told = |e| sql_error(path, "open", e);
    let first = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|db| identify(&db).map(|id| (db, id)));
    let (db, (application, version)) = match first {
        Ok(found) => found,
        // WAL needs a file beside the case; where the folder is write-protected, only an untouched case can be read.
        Err(rusqlite::Error::SqliteFailure(e, _))
            if matches!(e.code, ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) =>
        {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let db = Connection::open_with_flags(immutable(path), flags).map_err(told)?;
            let id = identify(&db).map_err(told)?;
            (db, id)
        }
        Err(e) => return Err(told(e)),
    };
    if application != APPLICATION_ID {
        return Err(not_a_case("is an SQLite database, but not a case"));
    }
    if version > STEPS.len() {
        return Err(Error::file(
            path,
            "was written by a newer version of Rain",
            "Open it with that version or a later one",
        ));
    }
    Ok((db, version))
}

fn identify(db: &Connection) -> rusqlite::Result<(i64, usize)> {
    db.busy_timeout(PATIENCE)?;
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((pragma("application_id")?, usize::try_from(pragma("user_version")?).unwrap_or(usize::MAX)))
}

/// The URI by which SQLite reads a file without locks and without a WAL.
fn immutable(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(PATIENCE)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // A commit returns when it is on the disk.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "trusted_schema", "OFF")
}

fn migrate(db: &mut Connection, version: usize) -> rusqlite::Result<()> {
    for (step, sql) in STEPS.iter().enumerate().skip(version) {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", step as i64 + 1)?;
        tx.commit()?;
    }
    Ok(())
}

/// A row of the log, before its change is understood.
pub(super) struct RawEntry {
    pub seq: u64,
    pub at: String,
    pub who: String,
    pub row: Row,
    pub undoes: Option<u64>,
    pub redoes: Option<u64>,
    pub hash: String,
}

pub(super) fn read_entry(row: &SqlRow<'_>) -> rusqlite::Result<RawEntry> {
    let number = |i| row.get::<_, Option<i64>>(i).map(|n| n.map(|n| n as u64));
    Ok(RawEntry {
        seq: row.get::<_, i64>(0)? as u64,
        at: row.get(1)?,
        who: row.get(2)?,
        row: Row { kind: row.get(3)?, key: row.get(4)?, old: row.get(5)?, new: row.get(6)? },
        undoes: number(7)?,
        redoes: number(8)?,
        hash: row.get(9)?,
    })
}

/// The entries after the first `known`.
fn read_log(db: &Connection, path: &Path, known: u64) -> Result<Vec<Arc<Entry>>> {
    let told = |e| sql_error(path, "read", e);
    let sql = format!("SELECT {COLUMNS} FROM log WHERE seq > ?1 ORDER BY seq");
    let mut statement = db.prepare_cached(&sql).map_err(told)?;
    let rows = statement.query_map([known as i64], read_entry).map_err(told)?;
    let mut entries = Vec::new();
    for raw in rows {
        let RawEntry { seq, at, who, row, undoes, redoes, hash } = raw.map_err(told)?;
        let damaged = |reason: String| {
            Error::file(
                path,
                format!("is damaged: entry {seq} of its log cannot be read ({reason})"),
                "Check it with `rain case verify`, and go back to a copy of it",
            )
        };
        if seq != known + entries.len() as u64 + 1 {
            return Err(damaged("an entry before it is missing".into()));
        }
        let change = Change::from_row(&row).map_err(|e| damaged(e.to_string()))?;
        let origin = match (undoes, redoes) {
            (Some(of), _) => Origin::Undoes(of),
            (_, Some(of)) => Origin::Redoes(of),
            (None, None) => Origin::Done,
        };
        entries.push(Arc::new(Entry { seq, at, who, change, origin, hash }));
    }
    Ok(entries)
}

/// SQLite's errors in our words.
pub(super) fn sql_error(path: &Path, action: &'static str, error: rusqlite::Error) -> Error {
    let code = match &error {
        rusqlite::Error::SqliteFailure(e, _) => Some(e.code),
        rusqlite::Error::SqlInputError { error, .. } => Some(error.code),
        _ => None,
    };
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::file(
            path,
            "is locked by another program",
            "Close it there, or wait until it has finished, and try again",
        ),
        Some(ErrorCode::DiskFull) => Error::io(action, path, std::io::ErrorKind::StorageFull.into()),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            Error::io(action, path, std::io::ErrorKind::PermissionDenied.into())
        }
        Some(ErrorCode::SystemIoFailure) => Error::io(action, path, std::io::Error::other(error.to_string())),
        Some(ErrorCode::NotADatabase) => {
            Error::file(path, "is not a case file", "Choose a file that Rain made as a case")
        }
        _ => Error::file(
            path,
            format!("could not be used ({error}), so it may be damaged"),
            "Check it with `rain case verify`, and go back to a copy of it",
        ),
    }
}
