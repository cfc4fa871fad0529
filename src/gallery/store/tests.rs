use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::data::seeded;
use crate::flow::Flow;
use crate::gallery::codes;

fn header(columns: usize, precision: Precision, segment_rows: usize) -> Header {
    let maker = Maker { model: "0123456789ab".into(), height: 64, width: 32, columns };
    Header { maker, precision, segment_rows }
}

fn vector(columns: usize, seed: u64) -> Vec<f32> {
    let mut rng = seeded::rng(seed, "store", &[]);
    (0..columns).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn add(columns: usize, number: u64) -> Change {
    let record = Record {
        path: PathBuf::from(format!("/images/{number:05}.jpg")),
        hash: ContentHash::of(&number.to_le_bytes()),
        identity: number as i64 % 7,
        camera: number as i64 % 3,
        time: number.is_multiple_of(2).then_some(1_700_000_000 + number as i64),
        width: 20,
        height: 50,
        bytes: 1000 + number,
        modified: number as i64,
    };
    Change::Add { record, vector: vector(columns, number), thumbnail: vec![number as u8; 3] }
}

fn sound(folder: &Path) -> Verified {
    let found = verify(folder, &mut |_, _| Flow::Continue).unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    found
}

#[test]
fn what_is_committed_is_read() {
    for precision in [Precision::F16, Precision::F32] {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(folder.path(), &header(70, precision, 10), "m.safetensors").unwrap();
        assert_eq!(Store::open(folder.path()).unwrap().rows(), 0);
        let mut reader = Store::open(folder.path()).unwrap();
        // 27 rows in commits of 4: segments of 10 are crossed in the middle of one.
        for first in (0..27).step_by(4) {
            let changes: Vec<Change> = (first..(first + 4).min(27)).map(|i| add(70, i)).collect();
            let added = writer.commit(&changes).unwrap();
            assert_eq!(added, first as usize..((first + 4).min(27)) as usize);
        }
        assert!(reader.refresh().unwrap() && !reader.refresh().unwrap());
        let store = Store::open(folder.path()).unwrap();
        for store in [&store, &reader] {
            assert_eq!((store.rows(), store.columns(), store.model_name()), (27, 70, "m.safetensors"));
            assert_eq!(store.blocks().iter().map(Block::len).collect::<Vec<_>>(), [10, 10, 7]);
            for row in 0..27 {
                let Change::Add { record, vector, thumbnail } = add(70, row as u64) else { unreachable!() };
                let got = store.vector(row).unwrap();
                match precision {
                    Precision::F32 => assert_eq!(got, vector),
                    Precision::F16 => assert!(got.iter().zip(&vector).all(|(a, b)| (a - b).abs() <= b.abs() / 2048.0 + 1e-7)),
                }
                assert_eq!(store.record(row).unwrap(), record);
                assert_eq!(store.thumbnail(row).unwrap(), Some(thumbnail));
                assert_eq!(store.find(&record.path).unwrap(), Some((row, record)));
                let block = &store.blocks()[row / 10];
                let mut coded = vec![0; codes::stride(70)];
                assert_eq!(codes::encode(&got, &mut coded), block.scales[row % 10]);
                assert_eq!(&block.codes[row % 10 * 128..][..128], coded.as_slice());
            }
            let labels = store.labels().unwrap();
            assert_eq!((labels.identity[8], labels.camera[8], labels.time[9]), (1, 2, NO_TIME));
        }
        assert!(store.vector(27).unwrap_err().to_string().contains("no row 27"));
        assert!(store.record(99).is_err());
        assert_eq!((sound(folder.path()).rows, sound(folder.path()).segments), (27, 3));
    }
}

#[test]
fn removed_rows_stay_and_come_back_and_files_may_change_places() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(folder.path(), &header(4, Precision::F32, 8), "m").unwrap();
    writer.commit(&(0..5).map(|i| add(4, i)).collect::<Vec<_>>()).unwrap();
    let record = |row: usize| Store::open(folder.path()).unwrap().record(row).unwrap();
    writer.commit(&[Change::Remove { row: 1 }]).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.live().iter_in(0..9).collect::<Vec<_>>(), [0, 2, 3, 4]);
    assert_eq!(store.find(&record(1).path).unwrap(), None);
    let (of_content, gone) = (writer.of_content(record(1).hash).unwrap(), record(1));
    assert_eq!(of_content, [(1, gone.clone(), true)]);
    // Two files change places, and the third comes back under the path of another that goes.
    let (mut a, mut b) = (record(2), record(3));
    std::mem::swap(&mut a.path, &mut b.path);
    let back = Record { path: record(0).path, ..gone };
    let changes = [
        Change::Update { row: 2, record: a.clone() },
        Change::Update { row: 3, record: b },
        Change::Update { row: 1, record: back.clone() },
        Change::Remove { row: 0 },
    ];
    assert_eq!(writer.commit(&changes).unwrap(), 5..5);
    assert_eq!(record(2).path, a.path);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.find(&back.path).unwrap(), Some((1, back)));
    assert_eq!(store.live().iter_in(0..9).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((sound(folder.path()).gone, sound(folder.path()).rows), (1, 5));
}

/// Every file of the gallery as a crash could leave it.
fn copy(from: &Path, to: &Path) {
    for part in ["", SEGMENTS] {
        std::fs::create_dir_all(to.join(part)).unwrap();
        for entry in std::fs::read_dir(from.join(part)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), to.join(part).join(entry.file_name())).unwrap();
            }
        }
    }
}

#[test]
fn whatever_lies_behind_the_committed_rows_does_no_harm() {
    // A crash leaves, of each of the three files, any number of bytes behind what counts, or garbage of that length.
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(folder.path(), &header(4, Precision::F16, 4), "m").unwrap();
    writer.commit(&(0..3).map(|i| add(4, i)).collect::<Vec<_>>()).unwrap();
    drop(writer);
    let expected = Store::open(folder.path()).unwrap().vector(2).unwrap();
    for extra in 0..70 {
        let crashed = tempfile::tempdir().unwrap();
        copy(folder.path(), crashed.path());
        for (index, name) in ["000000.rows", "000000.codes", "000000.scales", "000001.rows", "000001.codes"].iter().enumerate() {
            let path = crashed.path().join(SEGMENTS).join(name);
            let mut bytes = std::fs::read(&path).unwrap_or_default();
            bytes.extend(vec![0xa5; (extra * (index + 1)) % 71]);
            std::fs::write(&path, bytes).unwrap();
        }
        assert_eq!(sound(crashed.path()).rows, 3);
        assert_eq!(Store::open(crashed.path()).unwrap().vector(2).unwrap(), expected);
        let mut writer = Writer::open(crashed.path()).unwrap();
        assert_eq!(writer.commit(&(3..6).map(|i| add(4, i)).collect::<Vec<_>>()).unwrap(), 3..6);
        drop(writer);
        let found = sound(crashed.path());
        assert_eq!((found.rows, found.segments, found.left_over), (6, 2, 0), "{extra} bytes");
    }
}

#[test]
fn a_failed_commit_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(folder.path(), &header(4, Precision::F16, 4), "m").unwrap();
    writer.commit(&[add(4, 0)]).unwrap();
    // The same path twice: the database refuses after the rows are written.
    let message = writer.commit(&[add(4, 1), add(4, 2), add(4, 1)]).unwrap_err().to_string();
    assert!(message.contains("gallery.sqlite"), "{message}");
    let wrong = |vector: Vec<f32>| match add(4, 9) {
        Change::Add { record, thumbnail, .. } => Change::Add { record, vector, thumbnail },
        other => other,
    };
    for (vector, expected) in [(vec![0.0; 5], "5 numbers"), (vec![0.0, f32::NAN, 0.0, 0.0], "NaN"), (vec![1e5; 4], "100000")] {
        let message = writer.commit(&[add(4, 1), wrong(vector)]).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("00009.jpg"), "{message}");
    }
    assert_eq!(writer.commit(&[add(4, 1)]).unwrap(), 1..2);
    let found = sound(folder.path());
    assert_eq!((found.rows, found.left_over), (2, 0));
}

#[test]
fn damage_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(folder.path(), &header(4, Precision::F32, 8), "m").unwrap();
    writer.commit(&(0..5).map(|i| add(4, i)).collect::<Vec<_>>()).unwrap();
    drop(writer);
    for (name, at) in [("000000.rows", 10), ("000000.rows", HEADER_BYTES + 20), ("000000.codes", HEADER_BYTES + 64), ("000000.scales", HEADER_BYTES + 30)] {
        let damaged = tempfile::tempdir().unwrap();
        copy(folder.path(), damaged.path());
        let path = damaged.path().join(SEGMENTS).join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[at] ^= 0x40;
        std::fs::write(&path, &flipped).unwrap();
        let problems = verify(damaged.path(), &mut |_, _| Flow::Continue).unwrap().problems;
        assert!(problems.iter().any(|p| p.contains(name)), "{name} {at}: {problems:?}");
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let problems = verify(damaged.path(), &mut |_, _| Flow::Continue).unwrap().problems;
        assert!(problems.iter().any(|p| p.contains(name) && p.contains("damaged")), "{problems:?}");
        assert!(Store::open(damaged.path()).unwrap_err().to_string().contains(name));
        assert!(Writer::open(damaged.path()).unwrap().commit(&[add(4, 9)]).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(Store::open(damaged.path()).unwrap_err().to_string().contains(name));
    }
    std::fs::write(folder.path().join(DATABASE), "no database").unwrap();
    for error in [Store::open(folder.path()).unwrap_err(), Writer::open(folder.path()).unwrap_err()] {
        assert!(error.to_string().contains("is damaged, or no gallery's database"), "{error}");
    }
}

#[test]
fn only_one_writes_and_a_gallery_is_not_made_twice() {
    let folder = tempfile::tempdir().unwrap();
    let empty = Store::open(folder.path()).unwrap_err().to_string();
    assert!(empty.contains("no gallery") && empty.contains("rain index build"), "{empty}");
    let header = header(4, Precision::F16, 8);
    let writer = Writer::create(folder.path(), &header, "m").unwrap();
    let second = Writer::open(folder.path()).unwrap_err().to_string();
    assert!(second.contains("another program is writing"), "{second}");
    drop(writer);
    let again = Writer::create(folder.path(), &header, "m").unwrap_err().to_string();
    assert!(again.contains("rain index add"), "{again}");
    Writer::open(folder.path()).unwrap();
}

#[test]
fn galleries_go_out_and_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = folder.path().join("g");
    let mut writer = Writer::create(&gallery, &header(6, Precision::F32, 4), "m").unwrap();
    writer.commit(&(0..9).map(|i| add(6, i)).collect::<Vec<_>>()).unwrap();
    writer.commit(&[Change::Remove { row: 2 }]).unwrap();
    let store = Store::open(&gallery).unwrap();
    let kept = [0usize, 1, 3, 4, 5, 6, 7, 8];
    for name in ["out.safetensors", "out.npy"] {
        let (file, again) = (folder.path().join(name), folder.path().join(format!("{name}.gallery")));
        assert_eq!(exchange::export(&store, &file, &mut |_, _| Flow::Continue).unwrap(), 8);
        let maker = (name == "out.npy").then_some(&store.header().maker);
        assert!(maker.is_none() || exchange::import(&file, &again, None, Precision::F32, &mut |_, _| Flow::Continue).is_err());
        assert_eq!(exchange::import(&file, &again, maker, Precision::F32, &mut |_, _| Flow::Continue).unwrap(), 8);
        let copy = Store::open(&again).unwrap();
        for (row, &original) in kept.iter().enumerate() {
            assert_eq!(copy.vector(row).unwrap(), store.vector(original).unwrap());
            if maker.is_none() {
                let (a, b) = (copy.record(row).unwrap(), store.record(original).unwrap());
                assert_eq!((a.path, a.identity, a.camera), (b.path, b.identity, b.camera));
            }
        }
        sound(&again);
    }
    let table = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    assert!(table.starts_with("row,path,identity,camera,time\n0,\"/images/00000.jpg\",0,0,1700000000\n"), "{table}");
    let other = Maker { model: "ffffffffffff".into(), ..store.header().maker.clone() };
    let target = folder.path().join("other");
    let refused = exchange::import(&folder.path().join("out.safetensors"), &target, Some(&other), Precision::F16, &mut |_, _| Flow::Continue);
    assert!(refused.unwrap_err().to_string().contains("made by model 0123456789ab"));
    let stopped = exchange::export(&store, &folder.path().join("x.npy"), &mut |_, _| Flow::Stop);
    assert!(matches!(stopped, Err(Error::Cancelled)) && !folder.path().join("x.npy").exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_npy_file_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..120), cut in 0usize..400, at in 0usize..400) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        std::fs::write(&path, &bytes).unwrap();
        let _ = exchange::read(&path);
        let mut good = b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n".to_vec();
        good.extend([0; 24]);
        good.truncate(cut);
        if let (Some(byte), Some(noise)) = (good.get_mut(at), bytes.pop()) { *byte = noise; }
        std::fs::write(&path, &good).unwrap();
        let _ = exchange::read(&path);
    }
}
