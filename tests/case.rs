//! Cases: nothing acknowledged is lost, nothing changed goes unseen, and any name comes through a report unharmed.

#[path = "case/report.rs"]
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use image::{ImageFormat, Rgb, RgbImage};
use rain::case::audit::verify;
use rain::case::record::{Candidate, Gallery, Model, Query, Search};
use rain::case::report::{Format, NOT_EVIDENCE, Report};
use rain::case::{Case, Change, Judgement, Origin, Subject, hash, name};
use rusqlite::Connection;

fn png(shade: u8, width: u32, height: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([shade, x as u8 * 9, y as u8 * 5]));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn query(path: &str, bytes: &[u8]) -> Query {
    Query {
        path: path.into(),
        hash: hash(bytes),
        bytes: bytes.len() as u64,
        width: 12,
        height: 24,
        camera: Some(2),
        identity: None,
        time: None,
        cut: None,
    }
}

fn candidate(rank: usize, path: &str, picture: &[u8]) -> Candidate {
    Candidate {
        rank,
        path: path.into(),
        hash: Some(hash(path.as_bytes())),
        picture: Some(hash(picture)),
        distance: 0.1 * rank as f32,
        camera: Some(1),
        identity: None,
    }
}

/// A case with one query, and a ranking of `paths` for it.
fn with_ranking(file: &Path, query_path: &str, paths: &[String]) -> Case {
    let mut case = Case::create(file, "The red coat", "Ada").unwrap();
    let crop = png(10, 12, 24);
    let (number, _) = case.add_query("Ada", query(query_path, &crop), &crop).unwrap();
    let picture = png(200, 16, 32);
    let search = Search {
        query: number,
        model: "3f9a1c20b7de".into(),
        gallery: "/gallery".into(),
        gallery_images: 60,
        measure: "cosine distance".into(),
        settings: vec![],
        candidates: paths.iter().enumerate().map(|(i, path)| candidate(i + 1, path, &picture)).collect(),
    };
    case.saw("Ada", search, &[(&hash(&picture), &picture)]).unwrap();
    case
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("/gallery/{i:04}.png")).collect()
}

fn judge(case: &mut Case, who: &str, image: &str, judgement: Option<Judgement>) -> bool {
    case.judge(who, Subject::pair(1, image), judgement, None).unwrap().is_some()
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.raincase");
    let paths = names(40);
    drop(with_ranking(&file, "/crops/q.png", &paths));
    let mut acknowledged: BTreeMap<u64, (String, Judgement)> = BTreeMap::new();
    for round in 0..20u64 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rain"))
            .args(["case", "judge", "--by", "Ada"])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let rows = paths.clone();
        // A stream without end: the kill comes in the middle of it.
        let writer = std::thread::spawn(move || {
            let _ = writeln!(stdin, "query,image,verdict");
            for i in 0.. {
                let verdict = ["same", "different", "unsure"][(i / rows.len() + i + round as usize) % 3];
                if writeln!(stdin, "1,{},{verdict}", rows[i % rows.len()]).is_err() {
                    return;
                }
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut at = 0;
        let mut take = |line: String, at: &mut usize| {
            let i = *at;
            *at += 1;
            let judgement = Judgement::ALL[(i / paths.len() + i + round as usize) % 3];
            if let Ok(seq) = line.parse::<u64>() {
                acknowledged.insert(seq, (paths[i % paths.len()].clone(), judgement));
            }
        };
        for _ in 0..3 + round * 7 % 31 {
            take(lines.next().unwrap().unwrap(), &mut at);
        }
        child.kill().unwrap(); // SIGKILL
        // What it had still said counts as well.
        while let Some(Ok(line)) = lines.next() {
            take(line, &mut at);
        }
        child.wait().unwrap();
        writer.join().unwrap();

        let audit = verify(&file, None).unwrap();
        assert_eq!(audit.problems, Vec::<String>::new(), "round {round}");
        let case = Case::open(&file).unwrap();
        for (seq, (path, judgement)) in &acknowledged {
            let entry = case.state().entry(*seq).unwrap_or_else(|| panic!("entry {seq} was lost in round {round}"));
            let Change::Verdict(subject, edit) = &entry.change else { panic!("{entry:?}") };
            assert_eq!(subject.image.as_deref(), Some(path.as_str()));
            assert_eq!(edit.to.as_ref().map(|v| v.judgement), Some(*judgement));
        }
    }
    assert!(acknowledged.len() > 200, "{} verdicts were acknowledged", acknowledged.len());
}

type Dump = Vec<Vec<String>>;

/// Everything in the tables, or none where the file cannot be read.
fn dump(file: &Path) -> Option<Dump> {
    let db = Connection::open(file).ok()?;
    let mut all = Vec::new();
    let columns = [
        "SELECT seq, at, who, kind, key, old, new, undoes, redoes, hash FROM log ORDER BY seq",
        "SELECT kind, key, value, seq FROM fact ORDER BY kind, key",
        "SELECT hash, hex(bytes) FROM picture ORDER BY hash",
        "SELECT type, name, sql FROM sqlite_schema ORDER BY name",
    ];
    for sql in columns {
        let mut statement = db.prepare(sql).ok()?;
        let width = statement.column_count();
        let rows = statement
            .query_map([], |row| {
                (0..width).map(|i| row.get::<_, rusqlite::types::Value>(i).map(|v| format!("{v:?}"))).collect()
            })
            .ok()?;
        for row in rows {
            all.push(row.ok()?);
        }
    }
    Some(all)
}

#[test]
fn a_changed_byte_is_found_wherever_it_says_something() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("a.raincase"), folder.path().join("b.raincase"));
    let paths = names(3);
    let mut case = with_ranking(&file, "/crops/q.png", &paths);
    judge(&mut case, "Ada", &paths[0], Some(Judgement::Same));
    judge(&mut case, "Bo", &paths[0], Some(Judgement::Different));
    case.note("Ada", Subject::query(1), "seen at the north gate").unwrap();
    drop(case);
    let whole = fs::read(&file).unwrap();
    let before = dump(&file).unwrap();
    assert!(verify(&file, None).unwrap().green());

    // Every byte of the log's own text, of the facts and of the pictures.
    let mut places: Vec<usize> = Vec::new();
    for needle in [
        &b"north gate"[..],
        b"Ada",
        b"same",
        b"verdict",
        b"cosine distance",
        b"the log only grows",
        b"IHDR",
        b"2026-",
        b"202",
    ] {
        places.extend(
            whole.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle).map(|(i, _)| i + needle.len() / 2),
        );
    }
    // And others, spread over the file.
    places.extend((0..whole.len()).step_by(97));
    let mut found = 0;
    for place in &places {
        let mut bytes = whole.clone();
        bytes[*place] ^= 0x01;
        fs::write(&copy, &bytes).unwrap();
        let verdict = verify(&copy, None);
        let seen = !verdict.as_ref().is_ok_and(|audit| audit.green());
        found += usize::from(seen);
        if !seen {
            assert!(dump(&copy).as_ref() == Some(&before), "the byte at {place} changed what the case says, unseen");
        }
        for side in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.path().join(format!("b.raincase{side}")));
        }
    }
    assert!(found > places.len() / 4, "{found} of {}", places.len());
}

#[test]
fn the_log_refuses_to_be_changed_and_shows_when_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.raincase");
    let paths = names(2);
    let mut case = with_ranking(&file, "/crops/q.png", &paths);
    judge(&mut case, "Ada", &paths[0], Some(Judgement::Same));
    let noted = case.state().head().to_owned();
    judge(&mut case, "Ada", &paths[1], Some(Judgement::Different));
    drop(case);
    assert!(verify(&file, Some(&noted)).unwrap().green());

    let db = Connection::open(&file).unwrap();
    for sql in
        ["UPDATE log SET who = 'Eve'", "DELETE FROM log", "UPDATE picture SET bytes = x'00'", "DELETE FROM picture"]
    {
        assert!(db.execute(sql, []).is_err(), "{sql}");
    }
    // A fact alone.
    db.execute("UPDATE fact SET value = replace(value, 'same', 'different') WHERE kind = 'verdict'", []).unwrap();
    assert!(!verify(&file, None).unwrap().green());
    db.execute("UPDATE fact SET value = (SELECT new FROM log WHERE log.seq = fact.seq)", []).unwrap();
    assert!(verify(&file, None).unwrap().green());
    // Without its guard.
    db.execute_batch(
        "PRAGMA foreign_keys = OFF; DROP TRIGGER log_keeps_all; DELETE FROM log WHERE seq = (SELECT max(seq) FROM log)",
    )
    .unwrap();
    let problems = verify(&file, None).unwrap().problems.join("\n");
    assert!(problems.contains("triggers") && problems.contains("not what the log says"), "{problems}");
    drop(db);

    // Cut off consistently, and made anew: only the link that was noted down tells.
    let other = folder.path().join("b.raincase");
    drop(with_ranking(&other, "/crops/q.png", &paths));
    assert!(verify(&other, None).unwrap().green());
    let problems = verify(&other, Some(&noted)).unwrap().problems.join("\n");
    assert!(problems.contains("noted down"), "{problems}");
}

#[test]
fn undo_and_redo_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.raincase");
    let paths = names(2);
    let mut case = with_ranking(&file, "/crops/q.png", &paths);
    judge(&mut case, "Ada", &paths[0], Some(Judgement::Same));
    judge(&mut case, "Ada", &paths[0], Some(Judgement::Different));
    case.tag("Ada", Subject::pair(1, &*paths[0]), "north gate", true).unwrap();
    case.remove_query("Ada", 1).unwrap();
    let length = case.state().log.len();
    drop(case);

    let mut case = Case::open(&file).unwrap();
    assert!(case.undo("Bo").unwrap().is_none(), "nobody undoes what somebody else did");
    let subject = Subject::pair(1, &*paths[0]);
    let verdict = |case: &Case| case.state().verdicts.get(&subject).map(|v| v.judgement);
    case.undo("Ada").unwrap();
    assert!(case.state().queries.contains_key(&1), "the query is back");
    case.undo("Ada").unwrap();
    assert!(case.state().tags.is_empty());
    case.undo("Ada").unwrap();
    assert_eq!(verdict(&case), Some(Judgement::Same));
    case.undo("Ada").unwrap();
    assert_eq!(verdict(&case), None);
    assert!(case.undo("Ada").unwrap().is_none(), "what Rain noted by itself is not undone");
    drop(case);

    let mut case = Case::open(&file).unwrap();
    for _ in 0..2 {
        case.redo("Ada").unwrap();
    }
    assert_eq!(verdict(&case), Some(Judgement::Different));
    // Something new ends what can be done again.
    case.bookmark("Ada", subject.clone(), true).unwrap();
    assert!(case.redo("Ada").unwrap().is_none());
    case.undo("Ada").unwrap();
    assert!(case.state().bookmarks.is_empty());
    assert_eq!(case.state().log.len(), length + 4 + 2 + 2, "every undo is an entry of its own");
    assert!(case.state().log.iter().any(|e| matches!(e.origin, Origin::Redoes(_))));
    assert!(verify(&file, None).unwrap().green());
}

#[test]
fn a_second_person_reviews_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let paths = names(1);
    let mut case = with_ranking(&folder.path().join("a.raincase"), "/crops/q.png", &paths);
    let subject = Subject::pair(1, &*paths[0]);
    judge(&mut case, "Ada", &paths[0], Some(Judgement::Same));
    assert!(judge(&mut case, "Bo", &paths[0], Some(Judgement::Different)));
    assert!(!judge(&mut case, "Bo", &paths[0], Some(Judgement::Different)), "the same word twice is one");
    assert!(judge(&mut case, "Cy", &paths[0], Some(Judgement::Same)));
    let first = &case.state().verdicts[&subject];
    assert_eq!((first.judgement, first.by.as_str()), (Judgement::Same, "Ada"));
    assert_eq!(first.seen.as_ref().map(|s| (s.search, s.rank)), Some((1, 1)));
    let reviews: Vec<_> = case.state().reviews_of(&subject).map(|(by, r)| (by.to_owned(), r.words())).collect();
    assert_eq!(reviews, [("Bo".to_owned(), "contradicts"), ("Cy".to_owned(), "confirms")]);
    assert!(judge(&mut case, "Bo", &paths[0], None), "a reviewer may take the review back");
    assert_eq!(case.state().reviews_of(&subject).count(), 1);
    assert_eq!(case.state().verdicts[&subject].by, "Ada");
}

#[test]
fn two_programs_write_one_case_in_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.raincase");
    let paths = names(8);
    drop(with_ranking(&file, "/crops/q.png", &paths));
    let threads: Vec<_> = ["Ada", "Bo"]
        .map(|who| {
            let (file, paths) = (file.clone(), paths.clone());
            std::thread::spawn(move || {
                let mut case = Case::open(&file).unwrap();
                for (i, path) in paths.iter().cycle().take(40).enumerate() {
                    let judgement = Judgement::ALL[(i / 8 + who.len()) % 3];
                    case.judge(who, Subject::pair(1, path.clone()), Some(judgement), None).unwrap();
                }
            })
        })
        .into_iter()
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(verify(&file, None).unwrap().problems, Vec::<String>::new());
    let case = Case::open(&file).unwrap();
    assert_eq!(case.state().verdicts.len(), 8);
}

#[test]
fn what_is_no_case_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let told = |path: &Path| Case::open(path).unwrap_err().to_string();
    fs::write(path("text"), "not a database, but a text that is long enough").unwrap();
    fs::write(path("empty"), "").unwrap();
    Connection::open(path("other")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(told(&path("text")).contains("is not a case file"));
    assert!(told(&path("empty")).contains("is not a case file"));
    assert!(told(&path("other")).contains("SQLite database, but not a case"));
    assert!(told(&path("none")).contains("Check the path"));
    assert!(told(folder.path()).contains("is not a file"));

    let file = path("a.raincase");
    drop(Case::create(&file, "A", "Ada").unwrap());
    let again = Case::create(&file, "A", "Ada").unwrap_err().to_string();
    assert!(again.contains("exists already"), "{again}");
    let db = Connection::open(&file).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    assert!(told(&file).contains("newer version"));
    db.pragma_update(None, "user_version", 1).unwrap();

    let mut case = Case::open(&file).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = case.rename("Ada", "B").unwrap_err().to_string();
    assert!(error.contains("locked by another program"), "{error}");
    db.execute_batch("ROLLBACK").unwrap();
    case.rename("Ada", "B").unwrap();
    assert_eq!(case.state().about.title, "B");
}

#[cfg(unix)]
#[test]
fn a_write_protected_case_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a #1 %41?");
    fs::create_dir(&inner).unwrap();
    let file = inner.join("a.raincase");
    drop(with_ranking(&file, "/crops/q.png", &names(1)));
    let protect = |mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode & 0o666)).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(mode)).unwrap();
    };
    protect(0o555);
    if fs::File::create(inner.join("x")).is_ok() {
        protect(0o755);
        eprintln!("skipped: this user may write anywhere");
        return;
    }
    let mut case = Case::open(&file).unwrap();
    assert!(!case.writable());
    assert_eq!(case.state().queries.len(), 1);
    let error = case.rename("Ada", "B").unwrap_err().to_string();
    assert!(error.contains("can only be read"), "{error}");
    protect(0o755);
}

#[test]
fn other_tools_read_the_case_by_its_views() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.raincase");
    let paths = names(3);
    let mut case = with_ranking(&file, "/crops/q.png", &paths);
    judge(&mut case, "Ada", &paths[1], Some(Judgement::Same));
    let db = Connection::open(&file).unwrap();
    let row: (i64, String, String, i64) = db
        .query_row("SELECT query, image, verdict, rank FROM verdicts", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
        })
        .unwrap();
    assert_eq!(row, (1, paths[1].clone(), "same".into(), 2));
    let count: i64 = db.query_row("SELECT count(*) FROM candidates WHERE search = 1", [], |r| r.get(0)).unwrap();
    assert_eq!(count, 3);
    let path: String = db.query_row("SELECT path FROM queries", [], |r| r.get(0)).unwrap();
    assert_eq!(name::to_path(&path), Path::new("/crops/q.png"));
}
