//! Every kind of bad or odd input: it is read, or named in an error that says what to do.

use super::*;

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
fn half_a_set_is_named_and_not_read_as_people() {
    for (present, missing) in [
        ("cam_a/000_45.bmp", "cam_b is not"),
        ("query/0001_c1s1_001051_00.jpg", "bounding_box_train, bounding_box_test is not"),
    ] {
        let root = folder();
        put(root.path(), present);
        one_paragraph(&read(root.path(), None).unwrap_err(), &["part of a published set", missing, "name the layout"]);
        // Whoever means it can say so.
        assert_eq!(read(root.path(), Some(Format::Folder)).expect("reads").photos.len(), 1);
    }
}

#[test]
fn one_folder_too_deep_is_told() {
    let root = folder();
    put(root.path(), "bounding_box_train/0002_c1s1_000451_03.jpg");
    let error = read(&root.path().join("bounding_box_train"), None).unwrap_err();
    one_paragraph(&error, &["Name the folder above it", "published layout"]);
}

#[test]
fn every_attempt_is_told() {
    let root = folder();
    put(root.path(), "cam_a/000_45.bmp");
    put(root.path(), "x.png");
    let all = attempts(root.path());
    assert_eq!(all.len(), LAYOUTS.len());
    let of = |format| all.iter().find(|attempt| attempt.format == format).expect("an attempt");
    assert_eq!(of(Format::Viper).found, "cam_a without cam_b");
    assert!(!of(Format::Market1501).here && of(Format::Market1501).found == "nothing of it");
    assert!(all.iter().all(|attempt| !attempt.looked_for.is_empty()));
}

#[test]
fn every_layout_takes_odd_images_and_names() {
    // Grey, 16-bit, CMYK and EXIF-rotated images, mixed-case extensions, in the places of each layout.
    let cmyk: &[u8] = include_bytes!("../../image_io/cmyk.jpg");
    let grey = image::GrayImage::from_pixel(8, 16, image::Luma([9]));
    let deep = image::ImageBuffer::<Rgb<u16>, Vec<u16>>::from_pixel(8, 16, Rgb([1, 2, 65_000]));
    let layouts: [(Format, [&str; 3]); 7] = [
        (Format::Viper, ["cam_a/000_0.Bmp", "cam_a/001_0.PNG", "cam_b/000_0.JPEG"]),
        (Format::Cuhk03, ["labeled/1_001_1_01.Bmp", "labeled/1_002_1_01.PNG", "labeled/1_001_2_06.JPEG"]),
        (Format::Cuhk01, ["0001001.Bmp", "0001002.PNG", "0001003.JPEG"]),
        (Format::Caviar, ["0001001.Bmp", "0001002.PNG", "0001011.JPEG"]),
        (
            Format::Prid2011,
            [
                "single_shot/cam_a/person_0001.Bmp",
                "single_shot/cam_a/person_0002.PNG",
                "single_shot/cam_b/person_0001.JPEG",
            ],
        ),
        (Format::Market1501, ["query/0001_c1.Bmp", "bounding_box_test/0001_c2.PNG", "bounding_box_test/0001_c3.JPEG"]),
        (Format::Folder, ["anna/1.Bmp", "anna/2.PNG", "bert/1.JPEG"]),
    ];
    for (format, [a, b, c]) in layouts {
        let root = folder();
        for name in [a, b, c] {
            fs::create_dir_all(root.path().join(name).parent().expect("a parent")).expect("creates");
        }
        grey.save_with_format(root.path().join(a), image::ImageFormat::Bmp).expect("saves");
        deep.save_with_format(root.path().join(b), image::ImageFormat::Png).expect("saves");
        fs::write(root.path().join(c), cmyk).expect("writes");
        let set = read(root.path(), None).unwrap_or_else(|e| panic!("{format:?}: {e}"));
        assert_eq!((set.format, set.photos.len(), set.broken.len()), (format, 3, 0));
        for photo in &set.photos {
            image_io::load(&photo.path).unwrap_or_else(|e| panic!("{format:?}: {e}"));
        }
        // Half copied: each file cut in two is named, and what is left is read or refused, never a panic.
        for name in [a, b, c] {
            let bytes = fs::read(root.path().join(name)).expect("reads");
            fs::write(root.path().join(name), &bytes[..bytes.len() / 2]).expect("writes");
            match read(root.path(), None) {
                Ok(set) => assert!(set.broken.iter().any(|b| b.path.ends_with(name)), "{format:?} {name}"),
                Err(error) => one_paragraph(&error, &["unusable"]),
            }
        }
    }
}
