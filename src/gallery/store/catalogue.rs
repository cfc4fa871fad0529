//! The part of a gallery that is kept in SQLite: how many rows count, and what is known of each image.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::header::{Header, Maker, Precision};
use super::record::{Change, ContentHash, Labels, NO_TIME, Record};
use super::stream::Committed;
use crate::data::dataset::Broken;
use crate::error::{Error, Result};

/// Marks the file as Rain's gallery for tools that look at SQLite's application id ("RGal").
const APPLICATION: i32 = 0x5247_616c;
const VERSION: i32 = 1;

const SCHEMA: &str = "
CREATE TABLE about (
    model TEXT NOT NULL, name TEXT NOT NULL, height INTEGER NOT NULL, width INTEGER NOT NULL, columns INTEGER NOT NULL,
    precision INTEGER NOT NULL, segment_rows INTEGER NOT NULL
);
CREATE TABLE segment (
    number INTEGER PRIMARY KEY, rows INTEGER NOT NULL,
    vectors INTEGER NOT NULL, codes INTEGER NOT NULL, scales INTEGER NOT NULL
);
CREATE TABLE image (
    row INTEGER PRIMARY KEY, path NOT NULL, hash BLOB NOT NULL, identity INTEGER NOT NULL, camera INTEGER NOT NULL,
    time INTEGER, width INTEGER NOT NULL, height INTEGER NOT NULL, bytes INTEGER NOT NULL, modified INTEGER NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX image_path ON image (path) WHERE gone = 0;
CREATE INDEX image_hash ON image (hash);
CREATE INDEX image_gone ON image (row) WHERE gone = 1;
CREATE TABLE thumbnail (row INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
CREATE TABLE folder (path PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE broken (path PRIMARY KEY, bytes INTEGER NOT NULL, modified INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
";

const COLUMNS: &str = "row, path, hash, identity, camera, time, width, height, bytes, modified";

/// A gallery's database.
#[derive(Debug)]
pub struct Catalogue {
    path: PathBuf,
    connection: Connection,
}

/// The three files of a segment, in the order vectors, codes, scales.
pub type Counts = [Committed; 3];

impl Catalogue {
    /// Makes the database of a new gallery; `name` is the model file's, for messages.
    pub fn create(path: &Path, header: &Header, name: &str) -> Result<Self> {
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE);
        let mut catalogue = Self { path: path.to_path_buf(), connection: connection.map_err(|e| failed(path, &e))? };
        catalogue.set_up(false)?;
        let Header { maker, precision, segment_rows } = header;
        catalogue.write(|transaction| {
            transaction.execute_batch(SCHEMA)?;
            transaction.execute(
                "INSERT INTO about VALUES (?, ?, ?, ?, ?, ?, ?)",
                params![
                    maker.model,
                    name,
                    maker.height as i64,
                    maker.width as i64,
                    maker.columns as i64,
                    precision.bytes() as i64,
                    *segment_rows as i64
                ],
            )?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)
        })?;
        Ok(catalogue)
    }

    /// Opens the database of a gallery, for reading alone or for writing too.
    pub fn open(path: &Path, write: bool) -> Result<Self> {
        let open = |flags| Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        let mut connection = match open(OpenFlags::SQLITE_OPEN_READ_WRITE) {
            // A gallery on a read-only disk can still be searched.
            Err(_) if !write => open(OpenFlags::SQLITE_OPEN_READ_ONLY),
            other => other,
        }
        .map_err(|e| failed(path, &e))?;
        let version = |c: &Connection| -> rusqlite::Result<(i32, i32)> {
            let pragma = |name| c.pragma_query_value(None, name, |row| row.get(0));
            Ok((pragma("application_id")?, pragma("user_version")?))
        };
        let found = version(&connection).or_else(|e| {
            if write {
                return Err(e);
            }
            // SQLite wants to write beside the file even to read it; where it cannot, nobody else can change it either.
            let immutable = format!("file:{}?immutable=1", escaped(path));
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            connection = Connection::open_with_flags(immutable, flags)?;
            version(&connection)
        });
        let refused = |problem: &str, remedy: &str| Err(Error::file(path, problem, remedy));
        match found.map_err(|e| failed(path, &e))? {
            (APPLICATION, VERSION) => {}
            (APPLICATION, later) if later > VERSION => {
                return refused("this gallery was made by a later Rain", "Use that one, or build the gallery anew");
            }
            _ => return refused("is not a gallery's database", "Name a folder made by `rain index build`"),
        }
        let catalogue = Self { path: path.to_path_buf(), connection };
        catalogue.set_up(write)?;
        Ok(catalogue)
    }

    fn set_up(&self, write: bool) -> Result<()> {
        self.connection.busy_timeout(Duration::from_secs(10)).map_err(|e| failed(&self.path, &e))?;
        if write {
            // FULL: a commit is on the disk when it returns, whatever happens to the machine.
            let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
            self.connection.execute_batch(pragmas).map_err(|e| failed(&self.path, &e))?;
        }
        Ok(())
    }

    /// What the gallery was made with, and the model file's name.
    pub fn about(&self) -> Result<(Header, String)> {
        let about = self.connection.query_row("SELECT * FROM about", [], |row| {
            let number = |index| row.get::<_, i64>(index).map(|n| n.max(0) as usize);
            let maker = Maker { model: row.get(0)?, height: number(2)?, width: number(3)?, columns: number(4)? };
            let precision = if number(5)? == 4 { Precision::F32 } else { Precision::F16 };
            Ok((Header { maker, precision, segment_rows: number(6)?.max(1) }, row.get(1)?))
        });
        about.map_err(|e| failed(&self.path, &e))
    }

    /// What counts of each segment, in order.
    pub fn counts(&self) -> Result<Vec<Counts>> {
        self.rows("SELECT rows, vectors, codes, scales FROM segment ORDER BY number", |row| {
            let records = row.get::<_, i64>(0)?.max(0) as usize;
            let committed = |index| row.get(index).map(|checksum| Committed { records, checksum });
            Ok([committed(1)?, committed(2)?, committed(3)?])
        })
    }

    /// Rows whose file is gone, ascending.
    pub fn gone(&self) -> Result<Vec<usize>> {
        self.rows("SELECT row FROM image WHERE gone = 1 ORDER BY row", |row| Ok(row.get::<_, i64>(0)? as usize))
    }

    /// Who, where and when of the first `rows` rows.
    pub fn labels(&self, rows: usize) -> Result<Labels> {
        let unknown = crate::data::dataset::UNKNOWN;
        let mut labels =
            Labels { identity: vec![unknown; rows], camera: vec![unknown; rows], time: vec![NO_TIME; rows] };
        let mut read = || {
            let mut statement = self.connection.prepare_cached("SELECT row, identity, camera, time FROM image")?;
            let mut cursor = statement.query([])?;
            while let Some(row) = cursor.next()? {
                let at = row.get::<_, i64>(0)? as usize;
                if at < rows {
                    labels.identity[at] = row.get(1)?;
                    labels.camera[at] = row.get(2)?;
                    labels.time[at] = row.get::<_, Option<i64>>(3)?.unwrap_or(NO_TIME);
                }
            }
            Ok(())
        };
        read().map_err(|e: rusqlite::Error| failed(&self.path, &e))?;
        Ok(labels)
    }

    /// What is known of a row.
    pub fn record(&self, row: usize) -> Result<Option<Record>> {
        Ok(self.one(&format!("SELECT {COLUMNS} FROM image WHERE row = ?"), row as i64)?.map(|(_, record)| record))
    }

    /// The row that is searched under a path.
    pub fn at_path(&self, path: &Path) -> Result<Option<(usize, Record)>> {
        self.one(&format!("SELECT {COLUMNS} FROM image WHERE path = ? AND gone = 0"), path_value(path))
    }

    /// The rows of one content, those that are searched first.
    pub fn of_content(&self, hash: ContentHash) -> Result<Vec<(usize, Record, bool)>> {
        let query = format!("SELECT {COLUMNS}, gone FROM image WHERE hash = ? ORDER BY gone, row");
        let row = |row: &Row<'_>| {
            let (at, record) = record(row)?;
            Ok((at, record, row.get::<_, i64>(10)? != 0))
        };
        let all = self.connection.prepare_cached(&query).and_then(|mut s| s.query_map([&hash.0[..]], row)?.collect());
        all.map_err(|e| failed(&self.path, &e))
    }

    /// Every content that has a row, whether its file is there or not.
    pub fn contents(&self) -> Result<HashSet<ContentHash>> {
        let all = self.rows("SELECT hash FROM image", |row| row.get::<_, Vec<u8>>(0))?;
        Ok(all.iter().map(|bytes| content_hash(bytes)).collect())
    }

    /// Hands every row that is searched to `on`, ascending; nothing is collected.
    pub fn each(&self, on: &mut dyn FnMut(usize, Record) -> Result<()>) -> Result<()> {
        let wrong = |e| failed(&self.path, &e);
        let query = format!("SELECT {COLUMNS} FROM image WHERE gone = 0 ORDER BY row");
        let mut statement = self.connection.prepare_cached(&query).map_err(wrong)?;
        let mut cursor = statement.query([]).map_err(wrong)?;
        while let Some(row) = cursor.next().map_err(wrong)? {
            let (at, record) = record(row).map_err(wrong)?;
            on(at, record)?;
        }
        Ok(())
    }

    /// The small JPEG of a row.
    pub fn thumbnail(&self, row: usize) -> Result<Option<Vec<u8>>> {
        self.one_value("SELECT jpeg FROM thumbnail WHERE row = ?", row as i64)
    }

    /// The folders that were indexed.
    pub fn folders(&self) -> Result<Vec<PathBuf>> {
        self.rows("SELECT path FROM folder ORDER BY path", |row| Ok(path_of(row.get(0)?)))
    }

    /// The files that could not be used.
    pub fn broken(&self) -> Result<Vec<Broken>> {
        self.rows("SELECT path, reason FROM broken ORDER BY path", |row| {
            Ok(Broken { path: path_of(row.get(0)?), reason: row.get(1)? })
        })
    }

    /// Whether a file of this length and time of change was found broken before.
    pub fn is_broken(&self, path: &Path, bytes: u64, modified: i64) -> Result<bool> {
        let before = self.connection.prepare_cached("SELECT bytes, modified FROM broken WHERE path = ?");
        let before = before.and_then(|mut statement| {
            statement.query_row([path_value(path)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()
        });
        Ok(before.map_err(|e| failed(&self.path, &e))? == Some((bytes as i64, modified)))
    }

    /// Remembers folders.
    pub fn add_folders(&mut self, folders: &[PathBuf]) -> Result<()> {
        self.write(|transaction| {
            folders.iter().try_for_each(|folder| {
                transaction.execute("INSERT OR IGNORE INTO folder VALUES (?)", [path_value(folder)]).map(drop)
            })
        })
    }

    /// Remembers files that could not be used, each with its length and time of change.
    pub fn add_broken(&mut self, files: &[(Broken, u64, i64)]) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached("INSERT OR REPLACE INTO broken VALUES (?, ?, ?, ?)")?;
            files.iter().try_for_each(|(Broken { path, reason }, bytes, modified)| {
                statement.execute(params![path_value(path), *bytes as i64, modified, reason]).map(drop)
            })
        })
    }

    /// Makes changes and new counts visible at once. New rows are `first`, `first + 1`, … in the order of the changes.
    pub fn commit(&mut self, changes: &[Change], first: usize, counts: &[(usize, Counts)]) -> Result<()> {
        self.write(|transaction| {
            let mut remove = transaction.prepare_cached("UPDATE image SET gone = 1 WHERE row = ?")?;
            // Paths are taken away before they are given out, so that files may have changed places.
            for change in changes {
                if let Change::Remove { row } | Change::Update { row, .. } = change {
                    remove.execute([*row as i64])?;
                }
            }
            let mut update = transaction.prepare_cached(
                "UPDATE image SET path = ?2, hash = ?3, identity = ?4, camera = ?5, time = ?6, width = ?7, height = ?8, \
                 bytes = ?9, modified = ?10, gone = 0 WHERE row = ?1",
            )?;
            let mut insert =
                transaction.prepare_cached("INSERT INTO image VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)")?;
            let mut mended = transaction.prepare_cached("DELETE FROM broken WHERE path = ?")?;
            let mut picture = transaction.prepare_cached("INSERT OR REPLACE INTO thumbnail VALUES (?, ?)")?;
            let mut next = first as i64;
            for change in changes {
                let (statement, at, r) = match change {
                    Change::Remove { .. } => continue,
                    Change::Update { row, record } => (&mut update, *row as i64, record),
                    Change::Add { record, thumbnail, .. } => {
                        if !thumbnail.is_empty() {
                            picture.execute(params![next, thumbnail])?;
                        }
                        next += 1;
                        (&mut insert, next - 1, record)
                    }
                };
                statement.execute(params![
                    at,
                    path_value(&r.path),
                    &r.hash.0[..],
                    r.identity,
                    r.camera,
                    r.time,
                    r.width,
                    r.height,
                    r.bytes as i64,
                    r.modified
                ])?;
                mended.execute([path_value(&r.path)])?;
            }
            let mut count = transaction.prepare_cached("INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?, ?)")?;
            for (segment, [vectors, codes, scales]) in counts {
                let sums = [vectors.checksum, codes.checksum, scales.checksum];
                count.execute(params![*segment as i64, vectors.records as i64, sums[0], sums[1], sums[2]])?;
            }
            Ok(())
        })
    }

    /// What is wrong with the database itself: SQLite's own check, and whether rows and counts fit.
    pub fn problems(&self, rows: usize) -> Result<Vec<String>> {
        let mut problems = self.rows("PRAGMA quick_check", |row| row.get::<_, String>(0))?;
        problems.retain(|line| line != "ok");
        let (count, last): (i64, i64) = self
            .connection
            .query_row("SELECT COUNT(*), COALESCE(MAX(row), -1) FROM image", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|e| failed(&self.path, &e))?;
        if (count, last + 1) != (rows as i64, rows as i64) {
            problems.push(format!("{count} images, the last of row {last}, for {rows} rows of embeddings"));
        }
        Ok(problems)
    }

    fn write(&mut self, work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>) -> Result<()> {
        let path = &self.path;
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(|e| failed(path, &e))?;
        work(&transaction).map_err(|e| failed(path, &e))?;
        transaction.commit().map_err(|e| failed(path, &e))
    }

    fn rows<T>(&self, query: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let all = self.connection.prepare_cached(query).and_then(|mut s| s.query_map([], read)?.collect());
        all.map_err(|e| failed(&self.path, &e))
    }

    fn one(&self, query: &str, value: impl rusqlite::ToSql) -> Result<Option<(usize, Record)>> {
        let found = self.connection.prepare_cached(query).and_then(|mut s| s.query_row([value], record).optional());
        found.map_err(|e| failed(&self.path, &e))
    }

    fn one_value(&self, query: &str, value: i64) -> Result<Option<Vec<u8>>> {
        let found =
            self.connection.prepare_cached(query).and_then(|mut s| s.query_row([value], |row| row.get(0)).optional());
        found.map_err(|e| failed(&self.path, &e))
    }
}

/// A row of [`COLUMNS`].
fn record(row: &Row<'_>) -> rusqlite::Result<(usize, Record)> {
    let hash: Vec<u8> = row.get(2)?;
    let record = Record {
        path: path_of(row.get(1)?),
        hash: content_hash(&hash),
        identity: row.get(3)?,
        camera: row.get(4)?,
        time: row.get(5)?,
        width: row.get(6)?,
        height: row.get(7)?,
        bytes: row.get::<_, i64>(8)? as u64,
        modified: row.get(9)?,
    };
    Ok((row.get::<_, i64>(0)? as usize, record))
}

fn content_hash(bytes: &[u8]) -> ContentHash {
    let mut short = [0; 16];
    short.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    ContentHash(short)
}

/// A path as text, or as bytes where it is no text, so that every file can be named.
fn path_value(path: &Path) -> Value {
    match path.to_str() {
        Some(text) => Value::Text(text.to_string()),
        #[cfg(unix)]
        None => Value::Blob(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec()),
        #[cfg(not(unix))]
        None => Value::Text(path.to_string_lossy().into_owned()),
    }
}

fn path_of(value: Value) -> PathBuf {
    match value {
        Value::Text(text) => PathBuf::from(text),
        #[cfg(unix)]
        Value::Blob(bytes) => PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes)),
        _ => PathBuf::new(),
    }
}

/// A path as SQLite's URIs want it.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as Code;
    let (problem, remedy) = match error.sqlite_error_code() {
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => {
            ("another program is writing to this gallery".to_string(), "Wait until it is done, then try again")
        }
        Some(Code::DiskFull) => {
            ("the disk is full".to_string(), "Free some space on it; what was saved before is intact")
        }
        Some(Code::ReadOnly) => ("cannot be written to".to_string(), "Change its permissions, or copy the gallery"),
        Some(Code::CannotOpen) => {
            ("could not be opened".to_string(), "Check the path, or build the gallery with `rain index build`")
        }
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => (
            "is damaged, or no gallery's database".to_string(),
            "Restore the gallery's folder from a copy, or build the gallery anew",
        ),
        _ => (
            format!("the database refused: {}", error.to_string().trim_end_matches('.')),
            "Check the disk, then try again",
        ),
    };
    Error::file(path, problem, remedy)
}
