//! A table: a CSV file with the columns `path,identity,camera` and, where known, `split,time,frame`, in the folder that its
//! relative paths begin at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Listing, scan};
use crate::data::dataset::{Broken, Part, Photo, UNKNOWN};
use crate::data::taken::{TIMES, Taken, parse_time};
use crate::{Error, Result};

pub const LOOKED_FOR: &str =
    "a table: one .csv file with the columns path,identity,camera (and split,time,frame where known)";

const COLUMNS: [&str; 6] = ["path", "identity", "camera", "split", "time", "frame"];

pub fn is_here(root: &Path) -> bool {
    tables(root).iter().any(|table| {
        header(table).is_some_and(|names| names.contains(&"path".into()) && names.contains(&"identity".into()))
    })
}

fn tables(root: &Path) -> Vec<PathBuf> {
    let is_csv = |path: &PathBuf| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    scan::files(root).into_iter().filter(is_csv).collect()
}

/// The names of the columns, in lower case and without blanks.
fn header(table: &Path) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().from_path(table).ok()?;
    let header = reader.byte_headers().ok()?;
    Some(header.iter().map(clean).collect())
}

/// A name of a column; the mark that some programs put before the first one is no part of it.
fn clean(name: &[u8]) -> String {
    String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_lowercase()
}

/// Lists the rows of the table. People and cameras are numbers, or names that are numbered in sorted order; an empty field
/// or -1 means unknown. Where some rows name a split, those that name none are listed as broken: no part of the test could
/// count them. An image whose time or frame cannot be read is used without; the first such row is named.
pub fn list(root: &Path) -> Result<Listing> {
    let usable: Vec<PathBuf> = tables(root)
        .into_iter()
        .filter(|table| {
            header(table).is_some_and(|names| names.contains(&"path".into()) && names.contains(&"identity".into()))
        })
        .collect();
    let [table] = usable.as_slice() else {
        if usable.len() > 1 {
            return Err(Error::file(
                root,
                "holds several tables with a column path",
                "Leave one of them in this folder",
            ));
        }
        return Err(super::not_laid_out(root, "a table", LOOKED_FOR));
    };
    let rows = rows(table)?;
    let identities = numbers(rows.iter().map(|row| row.fields[1].as_str()));
    let cameras = numbers(rows.iter().map(|row| row.fields[2].as_str()));
    let has_splits = rows.iter().any(|row| !row.fields[3].is_empty());
    let mut listing = Listing::default();
    let mut unread = Unread::default();
    let mut seen = BTreeSet::new();
    for row in &rows {
        let mut wrong = |reason: String| {
            listing.broken.push(Broken { path: table.clone(), reason: format!("line {}: {reason}", row.line) });
        };
        let [_, identity, camera, split, time, frame] = &row.fields;
        let part = match split.to_lowercase().as_str() {
            "" if has_splits => {
                wrong("it names no split, while other rows do (train, query or gallery)".to_string());
                continue;
            }
            "" => Part::Any,
            "train" | "training" => Part::Train,
            "query" | "probe" => Part::Query,
            "gallery" | "test" => Part::Gallery,
            other => {
                wrong(format!("\"{other}\" is no split (train, query or gallery)"));
                continue;
            }
        };
        if row.path.as_os_str().is_empty() {
            wrong("the path is empty".to_string());
            continue;
        }
        let path = root.join(&row.path);
        if !seen.insert(path.clone()) {
            wrong(format!("{} is listed twice; the first counts", path.display()));
            continue;
        }
        let (identity, camera) = (identities[identity.as_str()], cameras[camera.as_str()]);
        let taken = Taken {
            time: unread.or_note(row.line, time, parse_time(time)),
            frame: unread.or_note(row.line, frame, frame.parse().ok()),
        };
        listing.photos.push(Photo { path, identity, camera, part, taken });
    }
    listing.broken.extend(unread.told().map(|reason| Broken { path: table.clone(), reason }));
    Ok(listing)
}

/// Times and frames that are neither empty nor understood: the first, and how many.
#[derive(Default)]
struct Unread {
    first: Option<String>,
    others: usize,
}

impl Unread {
    fn or_note(&mut self, line: u64, text: &str, value: Option<i64>) -> Option<i64> {
        if value.is_none() && !text.is_empty() {
            match &self.first {
                None => self.first = Some(format!("line {line}: \"{text}\"")),
                Some(_) => self.others += 1,
            }
        }
        value
    }

    fn told(self) -> Option<String> {
        let others = match self.others {
            0 => String::new(),
            n => format!(", and so for {n} others"),
        };
        self.first.map(|first| {
            format!(
                "{first} is no time or frame ({TIMES}; frames are whole numbers). Its image is used without{others}"
            )
        })
    }
}

struct Row {
    line: u64,
    /// As the file system spells it, whatever the encoding.
    path: PathBuf,
    /// In the order of [`COLUMNS`]; empty where the table lacks one.
    fields: [String; COLUMNS.len()],
}

fn rows(table: &Path) -> Result<Vec<Row>> {
    let bad = |e: csv::Error| {
        let problem = e.to_string().trim_end_matches('.').replace('\n', " ");
        Error::file(
            table,
            format!("cannot be read as a table: {problem}"),
            "Save it as CSV, with commas between the columns",
        )
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(table).map_err(bad)?;
    let names: Vec<String> = reader.byte_headers().map_err(bad)?.iter().map(clean).collect();
    let places = COLUMNS.map(|column| names.iter().position(|name| name == column));
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(bad)?;
        let bytes = |place: Option<usize>| place.and_then(|place| record.get(place)).unwrap_or_default().trim_ascii();
        let field = |place: Option<usize>| String::from_utf8_lossy(bytes(place)).trim().to_string();
        rows.push(Row {
            line: record.position().map_or(0, csv::Position::line),
            path: path(bytes(places[0])),
            fields: places.map(field),
        });
    }
    Ok(rows)
}

/// A path as a table writes it, with either slash.
fn path(bytes: &[u8]) -> PathBuf {
    let bytes: Vec<u8> = bytes.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        std::ffi::OsString::from_vec(bytes).into()
    }
    #[cfg(not(unix))]
    {
        String::from_utf8_lossy(&bytes).into_owned().into()
    }
}

/// Numbers as they are where all are numbers of 0 or more; else each name's place in sorted order.
fn numbers<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, i64> {
    let names: BTreeSet<&str> = names.collect();
    let known: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty() && *name != "-1").collect();
    let as_numbers: Option<Vec<i64>> = known.iter().map(|name| name.parse().ok().filter(|n| *n >= 0)).collect();
    let values = as_numbers.unwrap_or_else(|| (0..known.len() as i64).collect());
    let unknown = names.iter().filter(|name| name.is_empty() || **name == "-1").map(|name| (*name, UNKNOWN));
    known.into_iter().zip(values).chain(unknown.collect::<Vec<_>>()).collect()
}
