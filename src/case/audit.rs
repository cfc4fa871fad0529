//! The chain of the log, and the check of a whole file.
//!
//! Each entry's hash covers everything in it and the hash before, so a change anywhere in the log breaks every later link;
//! replaying the log must give the table of facts, byte for byte; every picture must be what its hash says. What a chain
//! cannot tell is whether somebody wrote all of it anew, or cut its end off: note the last link elsewhere (reports print
//! it), and [`verify`] compares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use super::change::{Change, Row};
use super::store::{COLUMNS, RawEntry, STEPS, connect, read_entry, sql_error};
use crate::error::{Error, Result};

/// Problems listed at most; a broken file may have one an entry.
const LISTED: usize = 50;

/// The link of the chain for one entry, in hex digits; `before` is the link of the entry before, empty for the first.
pub fn link(
    before: &str,
    seq: u64,
    at: &str,
    who: &str,
    row: &Row,
    undoes: Option<u64>,
    redoes: Option<u64>,
) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("rain case log, version 1");
    // Each part with its length: no two entries give one sequence of bytes.
    let mut part = |bytes: Option<&[u8]>| match bytes {
        None => drop(hasher.update(&[0])),
        Some(bytes) => drop(hasher.update(&[1]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes)),
    };
    let number = |n: Option<u64>| n.map(u64::to_le_bytes);
    part(Some(before.as_bytes()));
    part(Some(&seq.to_le_bytes()));
    for text in [Some(at), Some(who), Some(&row.kind), Some(&row.key), row.old.as_deref(), row.new.as_deref()] {
        part(text.map(str::as_bytes));
    }
    for n in [number(undoes), number(redoes)] {
        part(n.as_ref().map(<[u8; 8]>::as_slice));
    }
    hasher.finalize().to_hex().to_string()
}

/// What a check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Audit {
    /// Entries of the log.
    pub entries: usize,
    /// Facts in force.
    pub facts: usize,
    /// Pictures.
    pub pictures: usize,
    /// The last link of the chain.
    pub head: String,
    /// What is wrong; empty where all is well.
    pub problems: Vec<String>,
}

impl Audit {
    /// Whether nothing is wrong.
    pub fn green(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, text: String) {
        if self.problems.len() < LISTED {
            self.problems.push(text);
        }
    }
}

/// Checks a whole file: its structure, the chain, the facts against a replay of the log, and every picture. `noted` is a
/// last link that was noted down before: it must still be in the chain.
///
/// # Errors
/// Only where the file cannot be read at all or is not a case; what is wrong inside is in the answer.
pub fn verify(path: &Path, noted: Option<&str>) -> Result<Audit> {
    let (mut db, _) = connect(path)?;
    // One transaction: one moment of a file that another program may be writing to.
    let tx = db.transaction().map_err(|e| sql_error(path, "read", e))?;
    let mut audit = Audit::default();
    let outcome = (|| {
        structure(&tx, &mut audit)?;
        let (facts, pictures) = replay(&tx, &mut audit, noted)?;
        compare(&tx, &mut audit, facts)?;
        check_pictures(&tx, &mut audit, pictures)
    })();
    match outcome {
        Err(
            e @ rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error {
                    code: rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked,
                    ..
                },
                _,
            ),
        ) => return Err(sql_error(path, "read", e)),
        Err(e) => audit.problem(format!("the file is damaged: {e}")),
        Ok(()) => {}
    }
    Ok(audit)
}

fn structure(db: &Connection, audit: &mut Audit) -> rusqlite::Result<()> {
    let mut check = db.prepare("PRAGMA integrity_check(20)")?;
    for line in check.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            audit.problem(format!("the file is damaged: {line}"));
        }
    }
    // The triggers that protect the log are part of it.
    let fresh = Connection::open_in_memory()?;
    for step in STEPS {
        fresh.execute_batch(step)?;
    }
    if schema(db)? != schema(&fresh)? {
        audit.problem("the tables, or the triggers that protect the log, are not those that Rain makes".into());
    }
    Ok(())
}

fn schema(db: &Connection) -> rusqlite::Result<BTreeSet<(String, Option<String>)>> {
    let mut statement = db.prepare(
        "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || typeof(type) || typeof(name) || typeof(tbl_name), sql
         FROM sqlite_schema",
    )?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

type Facts = BTreeMap<(String, String), (String, u64)>;

/// Walks the log; returns the facts that it adds up to, and the pictures that it speaks of.
fn replay(db: &Connection, audit: &mut Audit, noted: Option<&str>) -> rusqlite::Result<(Facts, BTreeSet<String>)> {
    let (mut facts, mut pictures) = (Facts::new(), BTreeSet::new());
    let mut noted_found = false;
    let mut statement = db.prepare(&format!("SELECT {COLUMNS} FROM log ORDER BY seq"))?;
    let rows = statement.query_map([], read_entry)?;
    for raw in rows {
        audit.entries += 1;
        let expected = audit.entries as u64;
        let RawEntry { seq, at, who, row, undoes, redoes, hash } = match raw {
            Ok(raw) => raw,
            Err(e) => {
                audit.problem(format!("entry {expected} of the log cannot be read: {e}"));
                continue;
            }
        };
        if seq != expected {
            audit.problem(format!("entry {expected} of the log is missing; entry {seq} stands there"));
            audit.entries = usize::try_from(seq).unwrap_or(audit.entries);
        }
        if link(&audit.head, seq, &at, &who, &row, undoes, redoes) != hash {
            audit.problem(format!(
                "entry {seq} of the log ({at}, {who}) was changed: its link of the chain does not fit"
            ));
        }
        noted_found |= noted == Some(hash.as_str());
        audit.head = hash;
        match Change::from_row(&row) {
            Err(e) => audit.problem(format!("entry {seq} of the log makes no sense: {e}")),
            Ok(change) => pictures.extend(pictures_of(&change)),
        }
        let Row { kind, key, old, new } = row;
        let name = (kind, key);
        let before = match new {
            Some(new) => facts.insert(name, (new, seq)),
            None => facts.remove(&name),
        };
        if before.map(|(value, _)| value) != old {
            audit.problem(format!("entry {seq} of the log starts from something else than the entries before it left"));
        }
    }
    if audit.entries == 0 {
        audit.problem("the log is empty".into());
    }
    if let (Some(noted), false) = (noted, noted_found) {
        audit
            .problem(format!("the link {noted} that was noted down is not in the chain: the log was rewritten or cut"));
    }
    Ok((facts, pictures))
}

fn pictures_of(change: &Change) -> Vec<String> {
    match change {
        Change::Query(_, edit) => edit.to.iter().map(|query| query.hash.clone()).collect(),
        Change::Search(_, edit) => {
            edit.to.iter().flat_map(|search| search.candidates.iter().filter_map(|c| c.picture.clone())).collect()
        }
        _ => Vec::new(),
    }
}

fn compare(db: &Connection, audit: &mut Audit, mut expected: Facts) -> rusqlite::Result<()> {
    let mut statement = db.prepare("SELECT kind, key, value, seq FROM fact")?;
    let rows = statement.query_map([], |row| {
        Ok((
            (row.get::<_, String>(0)?, row.get::<_, String>(1)?),
            (row.get::<_, String>(2)?, row.get::<_, i64>(3)? as u64),
        ))
    })?;
    for row in rows {
        match row {
            Err(e) => audit.problem(format!("a fact cannot be read: {e}")),
            Ok((name, value)) => {
                audit.facts += 1;
                if expected.remove(&name).as_ref() != Some(&value) {
                    audit.problem(format!("the fact {} {} is not what the log says", name.0, name.1));
                }
            }
        }
    }
    for (kind, key) in expected.keys() {
        audit.problem(format!("the fact {kind} {key} is in the log, but not in the table"));
    }
    Ok(())
}

fn check_pictures(db: &Connection, audit: &mut Audit, mut expected: BTreeSet<String>) -> rusqlite::Result<()> {
    let mut statement = db.prepare("SELECT hash, bytes FROM picture")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    for row in rows {
        match row {
            Err(e) => audit.problem(format!("a picture cannot be read: {e}")),
            Ok((hash, bytes)) => {
                audit.pictures += 1;
                if super::hash(&bytes) != hash {
                    audit.problem(format!("the picture {hash} is not what its hash says"));
                }
                if !expected.remove(&hash) {
                    audit.problem(format!("the picture {hash} is in no entry of the log"));
                }
            }
        }
    }
    for hash in expected {
        audit.problem(format!("the picture {hash} is missing"));
    }
    Ok(())
}

/// The error for a case that [`verify`] found fault with.
pub fn fault(path: &Path, audit: &Audit) -> Error {
    let more = audit.problems.len().saturating_sub(1);
    let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
    let first = audit.problems.first().map_or("is not as Rain wrote it", String::as_str);
    Error::file(path, format!("{first}{more}"), "Go back to a copy of the case, or treat what it says with doubt")
}
