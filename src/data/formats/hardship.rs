//! Every layout against what happens to data sets on their way: the wrong folder, half a copy, names twice or not in UTF-8,
//! images turned, grey, in 16 bits or in printer's colours.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::*;
use crate::data::dataset::UNKNOWN;

/// A layout with three images, and how to name another one of it.
struct Example {
    format: Format,
    /// Names of three images; the layout is there with them.
    images: [&'static str; 3],
    /// Lists that name the images, with their text, where the layout has such.
    lists: &'static [(&'static str, &'static str)],
}

const EXAMPLES: [Example; 9] = [
    Example {
        format: Format::Market1501,
        images: [
            "query/0001_c1s1_000001_00.Jpg",
            "bounding_box_test/0001_c2s1_000002_00.PNG",
            "bounding_box_train/0002_c1s1_000003_00.bMp",
        ],
        lists: &[],
    },
    Example {
        format: Format::Msmt17,
        images: [
            "train/0000/0000_000_01_0303morning_0008_0.Jpg",
            "test/0000/0000_000_02_0303noon_0032_1.PNG",
            "test/0000/0000_001_03_0303noon_0033_1.bMp",
        ],
        lists: &[
            ("list_train.txt", "0000/0000_000_01_0303morning_0008_0.Jpg 0\n"),
            ("list_query.txt", "0000/0000_000_02_0303noon_0032_1.PNG 0\n"),
            ("list_gallery.txt", "0000/0000_001_03_0303noon_0033_1.bMp 0\n"),
        ],
    },
    Example {
        format: Format::Cuhk03,
        images: ["labeled/1_001_1_01.Jpg", "labeled/1_001_2_06.PNG", "labeled/1_002_1_01.bMp"],
        lists: &[],
    },
    Example {
        format: Format::Prid2011,
        images: [
            "single_shot/cam_a/person_0001.Jpg",
            "single_shot/cam_b/person_0001.PNG",
            "single_shot/cam_a/person_0002.bMp",
        ],
        lists: &[],
    },
    Example { format: Format::Viper, images: ["cam_a/000_0.Jpg", "cam_b/000_90.PNG", "cam_a/001_0.bMp"], lists: &[] },
    Example {
        format: Format::Csv,
        images: ["a/1.Jpg", "a/2.PNG", "3.bMp"],
        lists: &[("people.csv", "path,identity,camera\na/1.Jpg,anna,1\na/2.PNG,anna,2\n3.bMp,bert,1\n")],
    },
    Example { format: Format::Cuhk01, images: ["0001001.Jpg", "0001003.PNG", "0002001.bMp"], lists: &[] },
    Example { format: Format::Caviar, images: ["0001001.Jpg", "0001011.PNG", "0002001.bMp"], lists: &[] },
    Example { format: Format::Folder, images: ["anna/1.Jpg", "anna/2.PNG", "bert/1.bMp"], lists: &[] },
];

fn picture(shade: u8) -> RgbImage {
    RgbImage::from_fn(8, 16, |x, y| Rgb([shade, 20 * x as u8, 10 * y as u8]))
}

/// A JPEG that says it was taken with the camera on its side.
fn turned() -> Vec<u8> {
    let mut whole = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut whole).encode_image(&picture(90)).expect("encodes");
    let tiff = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1];
    bytes.extend((tiff.len() as u16 + 2).to_be_bytes());
    bytes.extend(tiff);
    bytes.extend(&whole[2..]);
    bytes
}

/// A grey, a 16-bit, a CMYK and a turned image, and a plain one.
fn odd_images() -> Vec<(&'static str, Vec<u8>)> {
    let encoded = |image: image::DynamicImage, format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("encodes");
        bytes.into_inner()
    };
    let grey = image::GrayImage::from_pixel(8, 16, image::Luma([9]));
    let deep = image::ImageBuffer::<Rgb<u16>, Vec<u16>>::from_pixel(8, 16, Rgb([1, 2, 65_000]));
    vec![
        ("grey", encoded(grey.into(), image::ImageFormat::Bmp)),
        ("16 bits", encoded(deep.into(), image::ImageFormat::Png)),
        ("CMYK", include_bytes!("../image_io/cmyk.jpg").to_vec()),
        ("turned by EXIF", turned()),
        ("plain", encoded(picture(1).into(), image::ImageFormat::Png)),
    ]
}

impl Example {
    /// The layout in a folder of its own, each image with these bytes.
    fn laid_out(&self, bytes: &[u8]) -> TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for name in self.images {
            self.put(root.path(), name, bytes);
        }
        for (name, text) in self.lists {
            fs::write(root.path().join(name), text).expect("writes");
        }
        root
    }

    fn put(&self, root: &Path, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
        fs::write(&path, bytes).expect("writes");
        path
    }

    /// Whether a list says which images belong to the set, so that further files are nothing to it.
    fn is_listed(&self) -> bool {
        !self.lists.is_empty()
    }
}

fn plain() -> Vec<u8> {
    odd_images().pop().expect("five of them").1
}

#[test]
fn odd_images_in_every_layout_are_read() {
    for example in &EXAMPLES {
        for (kind, bytes) in odd_images() {
            let root = example.laid_out(&bytes);
            let set = read(root.path(), None).unwrap_or_else(|e| panic!("{:?}, {kind}: {e}", example.format));
            assert_eq!((set.format, set.photos.len(), set.broken.len()), (example.format, 3, 0), "{kind}");
            for photo in &set.photos {
                let image = image_io::load(&photo.path).unwrap_or_else(|e| panic!("{:?}, {kind}: {e}", example.format));
                if kind == "turned by EXIF" {
                    assert_eq!(image.dimensions(), (16, 8), "{:?}", example.format);
                }
            }
        }
    }
}

#[test]
fn the_wrong_folder_is_an_error_with_a_remedy_in_every_layout() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    fs::write(elsewhere.path().join("notes.txt"), "x").expect("writes");
    for example in &EXAMPLES {
        for folder in
            [elsewhere.path().to_path_buf(), elsewhere.path().join("notes.txt"), elsewhere.path().join("none")]
        {
            let error = read(&folder, Some(example.format)).expect_err("there is nothing").to_string();
            let sentences = !error.contains('\n') && error.ends_with('.');
            assert!(sentences && error.contains(folder.to_str().expect("UTF-8")), "{:?}: {error}", example.format);
        }
    }
}

#[test]
fn half_a_copy_is_read_or_refused_and_every_cut_file_is_named() {
    let bytes = plain();
    for example in &EXAMPLES {
        for kept in 0..3 {
            // One image whole, one cut in two, one missing.
            let root = example.laid_out(&bytes);
            let (cut, missing) = (example.images[(kept + 1) % 3], example.images[(kept + 2) % 3]);
            fs::write(root.path().join(cut), &bytes[..bytes.len() / 2]).expect("writes");
            fs::remove_file(root.path().join(missing)).expect("removes");
            match read(root.path(), Some(example.format)) {
                Ok(set) => {
                    assert_eq!(set.photos.len(), 1, "{:?}", example.format);
                    assert!(set.broken.iter().any(|b| b.path.ends_with(cut)), "{:?}: {:?}", example.format, set.broken);
                    // What a list names and the disk lacks is named too.
                    let named = set.broken.iter().any(|b| b.path.ends_with(missing));
                    assert_eq!(named, example.is_listed(), "{:?}: {:?}", example.format, set.broken);
                }
                Err(error) => assert!(error.to_string().ends_with('.'), "{:?}: {error}", example.format),
            }
        }
    }
}

#[test]
fn the_same_name_twice_is_two_images_and_the_summary_tells_of_it() {
    let bytes = plain();
    for example in EXAMPLES.iter().filter(|example| !example.is_listed()) {
        let root = example.laid_out(&bytes);
        let twin = Path::new(example.images[0]).with_extension("png");
        example.put(root.path(), &twin, &bytes);
        let set = read(root.path(), None).unwrap_or_else(|e| panic!("{:?}: {e}", example.format));
        let who = |name: &Path| {
            let found: Vec<_> = set.photos.iter().filter(|p| p.path.ends_with(name)).collect();
            assert_eq!(found.len(), 1, "{:?} {}", example.format, name.display());
            (found[0].identity, found[0].camera)
        };
        assert_eq!(who(&twin), who(Path::new(example.images[0])), "{:?}", example.format);
        let summary = summary::summary(&set);
        assert_eq!((summary.images, summary.duplicates.len()), (4, 1), "{:?}", example.format);
        assert_eq!(summary.duplicates[0].len(), 4, "all four have the same bytes");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_read_or_named_in_every_layout() {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    let bytes = plain();
    for example in &EXAMPLES {
        let root = example.laid_out(&bytes);
        // The first image's name with a Latin-1 letter before its ending, and one that says nothing.
        let name = Path::new(example.images[0]);
        let mut odd = name.file_stem().expect("a stem").as_bytes().to_vec();
        odd.extend(b"\xe9.png");
        let odd = name.with_file_name(OsString::from_vec(odd));
        let mute = name.with_file_name(OsString::from_vec(b"\xff\xfe.png".to_vec()));
        for name in [&odd, &mute] {
            example.put(root.path(), name, &bytes);
        }
        let set = read(root.path(), Some(example.format)).unwrap_or_else(|e| panic!("{:?}: {e}", example.format));
        for name in [&odd, &mute] {
            let photo = set.photos.iter().any(|p| p.path.ends_with(name));
            let broken = set.broken.iter().any(|b| b.path.ends_with(name));
            assert!(photo != broken || example.is_listed(), "{:?}: {}", example.format, name.display());
        }
        assert!(set.photos.iter().all(|photo| photo.identity >= UNKNOWN), "{:?}", example.format);
        // It can be embedded, split and named in a plan.
        set.photos.iter().for_each(|photo| drop(crate::data::mlr::name(&set.root, &photo.path)));
    }
}

#[cfg(unix)]
#[test]
fn a_table_finds_files_whose_names_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt;

    let root = tempfile::tempdir().expect("a folder");
    let odd = root.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
    fs::write(&odd, plain()).expect("writes");
    fs::write(root.path().join("people.csv"), b"path,identity\ncaf\xe9.png,2\ngone\xe9.png,2\n").expect("writes");
    let set = read(root.path(), None).expect("reads");
    assert_eq!((set.photos.len(), set.broken.len()), (1, 1));
    assert_eq!(set.photos[0].path, odd);
}
