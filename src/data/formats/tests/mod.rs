//! Every layout on fixtures written here, and VIPeR itself where it is at hand; names and bad input have files of their own.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::*;
use crate::data::dataset::{Part, UNKNOWN};

mod names;
mod trouble;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn put(root: &Path, name: &str) -> PathBuf {
    let path = root.join(name);
    put_at(&path);
    path
}

fn put_at(path: &Path) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
    RgbImage::from_pixel(8, 16, Rgb([90, 80, 70])).save_with_format(path, image::ImageFormat::Png).expect("saves");
}

fn labels(set: &Dataset) -> Vec<(String, i64, i64, Part)> {
    let name = |p: &Photo| p.path.strip_prefix(&set.root).expect("inside").display().to_string();
    set.photos.iter().map(|p| (name(p), p.identity, p.camera, p.part)).collect()
}

fn one_paragraph(error: &Error, words: &[&str]) {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.ends_with('.'), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn market1501_is_recognised_and_read() {
    let root = folder();
    for name in [
        "bounding_box_train/0002_c1s1_000451_03.jpg",
        "bounding_box_train/0007_c3s3_077419_03.JPG",
        "query/0001_c1s1_001051_00.jpg",
        "bounding_box_test/-1_c1s1_000401_03.jpg",
        "bounding_box_test/0000_c6s3_094992_01.jpg",
        "bounding_box_test/0001_c2s1_000301_00.jpg",
        "bounding_box_test/nobody.jpg",
    ] {
        put(root.path(), name);
    }
    fs::write(root.path().join("bounding_box_test/Thumbs.db"), "x").expect("writes");
    fs::write(root.path().join("bounding_box_test/._0001_c2s1.jpg"), "x").expect("writes");
    let set = read(root.path(), None).expect("reads");
    assert_eq!(set.format, Format::Market1501);
    let expect = |name: &str, identity, camera, part| (name.to_string(), identity, camera, part);
    assert_eq!(
        labels(&set),
        [
            expect("bounding_box_test/-1_c1s1_000401_03.jpg", UNKNOWN, 1, Part::Gallery),
            expect("bounding_box_test/0000_c6s3_094992_01.jpg", 0, 6, Part::Gallery),
            expect("bounding_box_test/0001_c2s1_000301_00.jpg", 1, 2, Part::Gallery),
            expect("bounding_box_train/0002_c1s1_000451_03.jpg", 2, 1, Part::Train),
            expect("bounding_box_train/0007_c3s3_077419_03.JPG", 7, 3, Part::Train),
            expect("query/0001_c1s1_001051_00.jpg", 1, 1, Part::Query),
        ]
    );
    assert_eq!(set.broken.len(), 1);
    assert!(set.broken[0].path.ends_with("nobody.jpg") && set.broken[0].reason.contains("does not say who"));
}

#[test]
fn viper_is_recognised_and_read_inside_a_wrapping_folder_too() {
    let root = folder();
    for name in ["cam_a/000_45.bmp", "cam_a/112_0.bmp", "cam_b/000_90.bmp", "cam_b/x.bmp"] {
        put(&root.path().join("VIPeR"), name);
    }
    for at in [root.path().to_path_buf(), root.path().join("VIPeR")] {
        let set = read(&at, None).expect("reads");
        assert_eq!(set.format, Format::Viper);
        let who: Vec<_> = set.photos.iter().map(|p| (p.identity, p.camera)).collect();
        assert_eq!(who, [(0, 0), (112, 0), (0, 1)]);
        assert!(set.broken.len() == 1 && set.broken[0].reason.contains("begin with the number"));
        assert_eq!(read(&at, Some(Format::Viper)).expect("reads").photos, set.photos);
    }
}

#[test]
fn a_folder_a_person_is_read() {
    let root = folder();
    for name in ["anna/1.png", "anna/old/2.PNG", "bert/0009_c4s1_3.png", "Čeněk/ž ü.png", "loose.png"] {
        put(root.path(), name);
    }
    fs::create_dir(root.path().join("b-empty")).expect("creates");
    fs::write(root.path().join("anna/notes.txt"), "x").expect("writes");
    fs::write(root.path().join("anna/phone.HEIC"), "x").expect("writes");
    let set = read(root.path(), None).expect("reads");
    let expect = |name: &str, identity, camera| (name.to_string(), identity, camera, Part::Any);
    // b-empty is number 1: who has no image keeps the place.
    assert_eq!(
        labels(&set),
        [
            expect("anna/1.png", 0, UNKNOWN),
            expect("anna/old/2.PNG", 0, UNKNOWN),
            expect("bert/0009_c4s1_3.png", 2, 4),
            expect("Čeněk/ž ü.png", 3, UNKNOWN),
        ]
    );
    let reasons: Vec<_> = set.broken.iter().map(|b| b.reason.as_str()).collect();
    assert!(reasons.len() == 2 && reasons[0].contains(".heic") && reasons[1].contains("outside"), "{reasons:?}");
}

#[test]
fn loose_images_are_listed_sorted() {
    let root = folder();
    for name in ["b.png", "a/z.PNG", "c/1.png"] {
        put(root.path(), name);
    }
    let (images, broken) = list_images(root.path()).expect("lists");
    let names: Vec<_> = images.iter().map(|p| p.strip_prefix(root.path()).expect("inside").to_path_buf()).collect();
    assert_eq!(names, ["a/z.PNG", "b.png", "c/1.png"].map(PathBuf::from));
    assert!(broken.is_empty());
}

/// A small rendered picture in the format that its name says.
fn rendered(root: &Path, name: &str, shade: u8) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
    let picture = RgbImage::from_fn(8, 16, |x, y| Rgb([shade, 20 * x as u8, 10 * y as u8]));
    picture.save(&path).expect("saves");
}

#[test]
fn cuhk03_is_recognised_and_read() {
    let root = folder();
    for name in
        ["detected/1_001_1_01.png", "labeled/1_001_1_01.png", "labeled/1_001_2_06.png", "labeled/5_099_1_02.PNG"]
    {
        put(root.path(), name);
    }
    put(root.path(), "labeled/6_x_1_02.png");
    let set = read(root.path(), None).expect("reads");
    assert_eq!(set.format, Format::Cuhk03);
    let expect = |name: &str, identity, camera| (name.to_string(), identity, camera, Part::Any);
    assert_eq!(
        labels(&set),
        [
            expect("labeled/1_001_1_01.png", 10_001, 1),
            expect("labeled/1_001_2_06.png", 10_001, 2),
            expect("labeled/5_099_1_02.PNG", 50_099, 9),
        ]
    );
    assert!(set.broken.len() == 1 && set.broken[0].reason.contains("1_001_2_07.png"));
    // One set of boxes can be named by itself.
    assert_eq!(read(&root.path().join("detected"), None).expect("reads").photos.len(), 1);
}

#[test]
fn cuhk03_test_sets_that_are_no_lists_are_named() {
    let root = folder();
    put(root.path(), "labeled/1_001_1_01.png");
    fs::write(root.path().join("test_sets.json"), "[[1, \"x\"]]").expect("writes");
    one_paragraph(&read(root.path(), None).unwrap_err(), &["test_sets.json", "list of lists"]);
}

#[test]
fn seven_digits_are_cuhk01_or_caviar() {
    let (campus, mall) = (folder(), folder());
    for name in ["0001001.png", "0001002.png", "0001003.png", "0971004.png"] {
        put(&campus.path().join("campus"), name);
    }
    let set = read(campus.path(), None).expect("reads");
    assert_eq!(set.format, Format::Cuhk01);
    let who: Vec<_> = set.photos.iter().map(|p| (p.identity, p.camera)).collect();
    assert_eq!(who, [(1, 1), (1, 1), (1, 2), (971, 2)]);

    for name in ["0001001.jpg", "0001010.JPG", "0001011.jpg", "0001021.jpg", "0072010.jpg", "readme7.jpg"] {
        put(mall.path(), name);
    }
    let set = read(mall.path(), None).expect("reads");
    assert_eq!(set.format, Format::Caviar);
    let who: Vec<_> = set.photos.iter().map(|p| (p.identity, p.camera)).collect();
    assert_eq!(who, [(1, 1), (1, 1), (1, 2), (1, 2), (72, 1)]);
    assert!(set.broken.len() == 1 && set.broken[0].reason.contains("seven digits"));
}

#[test]
fn prid_is_recognised_before_viper_and_its_strangers_are_told_apart() {
    let root = folder();
    for name in [
        "single_shot/cam_a/person_0001.png",
        "single_shot/cam_a/person_0300.png",
        "single_shot/cam_b/person_0001.png",
        "single_shot/cam_b/person_0300.png",
        "multi_shot/cam_a/person_0001/0001.png",
        "multi_shot/cam_b/person_0001/0001.png",
    ] {
        put(root.path(), name);
    }
    let set = read(root.path(), None).expect("reads");
    assert_eq!(set.format, Format::Prid2011);
    let who: Vec<_> = set.photos.iter().map(|p| (p.identity, p.camera)).collect();
    assert_eq!(who, [(1, 0), (300, 0), (1, 1), (PRID_ONLY_B + 300, 1)]);
    // The folder of single shots alone, and the tracks alone.
    assert_eq!(read(&root.path().join("single_shot"), None).expect("reads").format, Format::Prid2011);
    fs::remove_dir_all(root.path().join("single_shot")).expect("removes");
    assert_eq!(read(root.path(), Some(Format::Prid2011)).expect("reads").photos.len(), 2);
}

#[test]
fn msmt17_is_read_by_its_lists() {
    let root = folder();
    for name in ["train/0000/0000_000_01_0303morning_0008_0.jpg", "test/0000/0000_001_12_0303noon_0032_1.jpg"] {
        put(root.path(), name);
    }
    let write = |name: &str, text: &str| fs::write(root.path().join(name), text).expect("writes");
    write("list_train.txt", "0000/0000_000_01_0303morning_0008_0.jpg 0\n\n");
    write(
        "list_query.txt",
        "0000/0000_001_12_0303noon_0032_1.jpg 0\r\n0000/0000_001_12_0303noon_0032_1.jpg 0\nnonsense\n../x_0_1_2.jpg 3\n",
    );
    write("list_gallery.txt", "0001/0001_000_03_0303noon_0001_0.jpg 1\n");
    let set = read(root.path(), None).expect("reads");
    assert_eq!(set.format, Format::Msmt17);
    let who: Vec<_> = set.photos.iter().map(|p| (p.identity, p.camera, p.part)).collect();
    assert_eq!(who, [(msmt17::TEST_FROM, 12, Part::Query), (0, 1, Part::Train)]);
    assert_eq!([set.photos[0].taken.frame, set.photos[1].taken.frame], [Some(32), Some(8)]);
    let reasons: Vec<_> = set.broken.iter().map(|b| b.reason.as_str()).collect();
    for words in ["listed twice", "nonsense", "../x_0_1_2.jpg", "could not read"] {
        assert!(reasons.iter().any(|r| r.contains(words)), "{words}: {reasons:?}");
    }
    fs::remove_dir_all(root.path().join("test")).expect("removes");
    one_paragraph(&read(root.path(), None).unwrap_err(), &["list_query.txt", "test or mask_test_v2", "Unpack"]);
}

#[test]
fn a_table_is_read() {
    let root = folder();
    for name in ["a/1.png", "b 2.png", "c.png"] {
        put(root.path(), name);
    }
    let write = |text: &[u8]| fs::write(root.path().join("people.csv"), text).expect("writes");
    write(
        "\u{feff}Path, Identity,Camera,Split,Time,Frame\na/1.png,anna,north,query,10:00,5\n\"b 2.png\",bert,south,gallery,,\n\
         c.png,,north,gallery,noon,x\nc.png,bert,north,gallery\ngone.png,bert,north,train\nc2.png,bert,north,sometimes\nc3.png,bert,north\n"
            .as_bytes(),
    );
    let set = read(root.path(), None).expect("reads");
    assert_eq!(set.format, Format::Csv);
    let who: Vec<_> = set.photos.iter().map(|p| (p.identity, p.camera, p.part)).collect();
    assert_eq!(who, [(0, 0, Part::Query), (1, 1, Part::Gallery), (UNKNOWN, 0, Part::Gallery)]);
    let reasons: Vec<_> = set.broken.iter().map(|b| b.reason.as_str()).collect();
    for words in
        ["listed twice", "sometimes", "could not read", "names no split", "line 4: \"noon\" is no time", "1 others"]
    {
        assert!(reasons.iter().any(|r| r.contains(words)), "{words}: {reasons:?}");
    }
    let taken: Vec<_> = set.photos.iter().map(|p| (p.taken.time, p.taken.frame)).collect();
    assert_eq!(taken, [(Some(36_000_000), Some(5)), (None, None), (None, None)]);
    // Numbers stay what they are; Latin-1 bytes and a row that is too short are no reason to stop.
    write(b"identity,path\n17,c.png\n-1,a/1.png\n3,caf\xe9.png\n4\n");
    let set = read(root.path(), None).expect("reads");
    let who: Vec<_> = set.photos.iter().map(|p| (p.identity, p.camera)).collect();
    assert_eq!(who, [(UNKNOWN, UNKNOWN), (17, UNKNOWN)]);
    assert_eq!(set.broken.len(), 2);
    fs::copy(root.path().join("people.csv"), root.path().join("again.csv")).expect("copies");
    one_paragraph(&read(root.path(), None).unwrap_err(), &["several tables"]);
}

#[test]
fn a_summary_counts_what_is_there() {
    let root = folder();
    for (i, name) in [
        "bounding_box_train/0002_c1s1_000451_03.png",
        "bounding_box_test/-1_c1s1_000401_03.png",
        "bounding_box_test/0000_c6s3_094992_01.png",
        "bounding_box_test/0001_c2s1_000301_00.png",
        "query/0001_c1s1_001051_00.png",
    ]
    .iter()
    .enumerate()
    {
        rendered(root.path(), name, 30 * i as u8);
    }
    rendered(root.path(), "bounding_box_test/0001_c3s1_000301_00.png", 0); // the very picture of person 2
    fs::write(root.path().join("query/0005_c1s1_001051_00.png"), "").expect("writes");
    let got = summary::summary(&read(root.path(), None).expect("reads"));
    assert_eq!((got.images, got.identities, got.junk, got.single_image_identities), (6, 2, 1, 1));
    assert_eq!(got.cameras, [(1, 3), (2, 1), (3, 1), (6, 1)].into());
    assert_eq!(got.parts, [("gallery", 4), ("query", 1), ("train", 1)].into());
    assert_eq!((got.heights, got.sizes), ([(0, 6)].into(), [(8, 16); 2]));
    assert_eq!((got.duplicates.len(), got.duplicates[0].len(), got.broken.len()), (1, 2, 1));
}

#[test]
fn viper_itself() {
    let root = std::env::var_os("RAIN_VIPER").map_or_else(|| PathBuf::from("../shared/data/VIPeR"), PathBuf::from);
    if !root.is_dir() {
        println!("skipped: no VIPeR at {} (set RAIN_VIPER to its folder)", root.display());
        return;
    }
    let set = read(&root, None).expect("reads");
    assert_eq!((set.format, set.photos.len(), set.broken.len()), (Format::Viper, 1264, 0));
    let split = crate::data::split::split(&set, 0).expect("splits");
    assert_eq!((split.train.len(), split.query.len(), split.gallery.len()), (632, 316, 316));
}
