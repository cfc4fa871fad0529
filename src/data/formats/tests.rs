//! Every layout on fixtures written here, every kind of bad input, and VIPeR itself where it is at hand.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::data::dataset::{Part, UNKNOWN};

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

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_and_links_survive() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    let root = folder();
    put(root.path(), "anna/1.png");
    let odd = root.path().join("anna").join(OsStr::from_bytes(b"caf\xe9 _c2.JPG"));
    put_at(&odd);
    symlink(root.path(), root.path().join("anna/round-and-round")).expect("links");
    symlink("nowhere", root.path().join("anna/gone.png")).expect("links");
    let set = read(root.path(), None).expect("reads");
    let last = set.photos.last().expect("photos");
    assert_eq!((&last.path, last.camera, set.photos.len()), (&odd, 2, 2));
    assert!(set.broken.len() == 1 && set.broken[0].path.ends_with("gone.png"), "{:?}", set.broken);
}

#[test]
fn broken_images_are_listed_and_the_rest_is_read() {
    let root = folder();
    put(root.path(), "0/good.png");
    let at = |name: &str| root.path().join("0").join(name);
    fs::write(at("text.jpg"), "not pixels").expect("writes");
    let mut jpeg = Vec::new();
    let photo = RgbImage::from_fn(32, 64, |x, y| Rgb([x as u8, y as u8, 0]));
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg).encode_image(&photo).expect("encodes");
    fs::write(at("cut.jpg"), &jpeg[..jpeg.len() * 2 / 3]).expect("writes");
    RgbImage::new(1, 1).save(at("dot.png")).expect("saves");
    fs::write(at("empty.bmp"), "").expect("writes");
    let set = read(root.path(), None).expect("reads");
    assert_eq!(set.photos.len(), 1);
    let told: Vec<_> = set
        .broken
        .iter()
        .map(|b| (b.path.file_name().expect("a name").to_string_lossy().into_owned(), b.reason.clone()))
        .collect();
    for (i, (name, words)) in
        [("cut.jpg", "cut short"), ("dot.png", "1x1"), ("empty.bmp", "empty"), ("text.jpg", "not an image")]
            .iter()
            .enumerate()
    {
        assert!(told[i].0 == *name && told[i].1.contains(words), "{told:?}");
    }
}

#[test]
fn a_folder_without_a_usable_image_is_an_error_that_says_what_was_found() {
    let missing = PathBuf::from("/nowhere/at/all");
    one_paragraph(&read(&missing, None).unwrap_err(), &["/nowhere/at/all", "Check the path"]);
    one_paragraph(&list_images(&missing).unwrap_err(), &["/nowhere/at/all", "Check the path"]);

    let root = folder();
    one_paragraph(&read(root.path(), None).unwrap_err(), &["Looked for", "an empty folder"]);
    one_paragraph(&list_images(root.path()).unwrap_err(), &["Looked for", "an empty folder"]);

    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        fs::write(root.path().join(name), "words").expect("writes");
    }
    one_paragraph(&read(root.path(), None).unwrap_err(), &["3 images outside of any folder", "a folder of their own"]);
    one_paragraph(&list_images(root.path()).unwrap_err(), &["a.jpg", "not an image", "2 others"]);

    fs::create_dir(root.path().join("anna")).expect("creates");
    fs::rename(root.path().join("a.jpg"), root.path().join("anna/a.jpg")).expect("moves");
    one_paragraph(&read(root.path(), None).unwrap_err(), &["holds no usable image", "a.jpg", "not an image"]);
    one_paragraph(&read(root.path(), Some(Format::Viper)).unwrap_err(), &["cam_a", "1 folder (anna)"]);
    one_paragraph(
        &read(root.path(), Some(Format::Market1501)).unwrap_err(),
        &["bounding_box_train", "1 folder (anna)"],
    );

    let file = put(root.path(), "single.png");
    one_paragraph(&read(&file, None).unwrap_err(), &["single.png", "folder"]);
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

#[test]
fn names_tell_identity_and_camera() {
    for (name, expected) in [
        ("0002_c1s1_000451_03.jpg", (2, 1)),
        ("x/y/1501_c6s4_002877_01.jpg.jpg", (1501, 6)),
        ("-1_c3s2_000001_00.jpg", (-1, 3)),
        ("0000_c2s1_000001_00.jpg", (0, 2)),
        ("0005_c12_f0046182.jpg", (5, 12)),
        ("-2_c1s1.jpg", (-1, -1)),
        ("_c1.jpg", (-1, -1)),
        ("12_cx.jpg", (-1, -1)),
        ("99999999999999999999_c1.jpg", (-1, -1)),
        ("photo.jpg", (-1, -1)),
        ("..", (-1, -1)),
    ] {
        assert_eq!(identity_and_camera(Path::new(name)), expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn written_names_are_read_back(identity in 0i64..100_000, camera in 0i64..1_000, tail in "(s[0-9])?_[0-9a-z_]{0,8}") {
        let name = format!("{identity:04}_c{camera}{tail}.jpg");
        prop_assert_eq!(identity_and_camera(Path::new(&name)), (identity, camera));
    }

    #[test]
    fn any_name_gets_an_answer(name in "\\PC{0,20}|[-0-9_cs]{0,12}") {
        let (identity, camera) = identity_and_camera(Path::new(&name));
        prop_assert!(identity >= UNKNOWN && camera >= UNKNOWN);
    }
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
