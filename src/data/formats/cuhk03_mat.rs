//! CUHK03 as it is published: one MATLAB v7.3 file, which is HDF5. Its images are copied into PNG files once; everything after
//! that reads ordinary files.
//!
//! A MATLAB cell array is a data set of object references, addresses of other data sets in the group `#refs#`; arrays are
//! stored transposed.

use std::collections::HashMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use hdf5_reader::{Dataset, Hdf5File};
use image::{Rgb, RgbImage};

use super::cuhk03::{MAT, TEST_SETS, identity};
use crate::data::image_io::save_png;
use crate::{Error, Result};

/// What [`extract`] wrote.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Extracted {
    /// The folder that can now be named as a data set.
    pub out: PathBuf,
    /// Images boxed by hand.
    pub labeled: usize,
    /// Images boxed by a detector.
    pub detected: usize,
    /// Published test sets.
    pub test_sets: usize,
}

/// Copies the images of `cuhk-03.mat` in the folder `root` into `out/labeled` and `out/detected`, and the published test sets
/// beside them. Files that are there already are kept, so an interrupted extraction goes on where it was.
///
/// `on` hears of the images written so far.
///
/// # Errors
/// [`Error::File`] where the file is not there, damaged or of another layout; [`Error::Io`] where `out` cannot be written.
pub fn extract(root: &Path, out: &Path, on: &mut dyn FnMut(u64)) -> Result<Extracted> {
    let path = if root.is_file() { root.to_path_buf() } else { root.join(MAT) };
    if !path.is_file() {
        let problem = format!("there is no {MAT} to extract");
        return Err(Error::file(root, problem, "Name the folder that holds CUHK03 as it was downloaded"));
    }
    // A damaged file must not take the program with it, whatever it makes the reader of HDF5 do.
    let read = catch_unwind(AssertUnwindSafe(|| Mat::open(&path)?.extract(out, on)));
    read.unwrap_or_else(|_| Err(damaged(&path, "its content makes the reader fail")))
}

fn damaged(path: &Path, why: impl std::fmt::Display) -> Error {
    let why = why.to_string().trim_end_matches('.').replace('\n', " ");
    Error::file(path, format!("cannot be read as CUHK03's MATLAB v7.3 file: {why}"), "Copy it again from its source")
}

/// The open file.
struct Mat<'a> {
    path: &'a Path,
    file: Hdf5File,
    /// What references point to, by address.
    targets: HashMap<u64, Dataset>,
}

impl<'a> Mat<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let file = Hdf5File::open(path).map_err(|e| damaged(path, e))?;
        let targets = file.group("#refs#").and_then(|group| group.datasets()).map_err(|e| damaged(path, e))?;
        let targets = targets.into_iter().map(|data| (data.address(), data)).collect();
        Ok(Self { path, file, targets })
    }

    fn bad(&self, why: impl std::fmt::Display) -> Error {
        damaged(self.path, why)
    }

    /// The elements of a cell array, in the file's order.
    fn cell(&self, data: &Dataset) -> Result<Vec<&Dataset>> {
        let bytes = data.read_raw_bytes().map_err(|e| self.bad(e))?;
        let target = |reference: &[u8]| {
            let address = u64::from_le_bytes(std::array::from_fn(|i| reference[i]));
            self.targets.get(&address).ok_or_else(|| self.bad("a cell points to nothing"))
        };
        bytes.chunks_exact(8).map(target).collect()
    }

    fn named(&self, name: &str) -> Result<Vec<&Dataset>> {
        // The targets are borrowed, so the cell may go as soon as it is read.
        self.cell(&self.file.dataset(name).map_err(|e| self.bad(e))?)
    }

    fn extract(&self, out: &Path, on: &mut dyn FnMut(u64)) -> Result<Extracted> {
        let test_sets = self.test_sets()?;
        let mut written = 0;
        let mut boxes = |name: &str| -> Result<usize> {
            let folder = out.join(name);
            std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
            let before = written;
            for (pair, people) in (1..).zip(self.named(name)?) {
                for (place, image) in self.cell(people)?.into_iter().enumerate() {
                    // [10, people]: images 1 to 5 of each person are from the first camera of the pair.
                    let people = *people.shape().last().unwrap_or(&1) as usize;
                    let (number, person) = (place / people.max(1) + 1, place % people.max(1) + 1);
                    let Some(image) = self.image(image)? else { continue };
                    let view = if number <= 5 { 1 } else { 2 };
                    let file = folder.join(format!("{pair}_{person:03}_{view}_{number:02}.png"));
                    if !file.exists() {
                        save_png(&image, &file)?;
                    }
                    written += 1;
                    on(written);
                }
            }
            Ok((written - before) as usize)
        };
        let (labeled, detected) = (boxes("labeled")?, boxes("detected")?);
        let text = serde_json::to_vec(&test_sets).map_err(|e| self.bad(e))?;
        crate::fs::write_atomic(&out.join(TEST_SETS), |file| file.write_all(&text))?;
        Ok(Extracted { out: out.to_path_buf(), labeled, detected, test_sets: test_sets.len() })
    }

    /// `[3, W, H]` of bytes; `None` for an empty cell, of which most people have some.
    fn image(&self, data: &Dataset) -> Result<Option<RgbImage>> {
        let &[3, width, height] = data.shape() else {
            return Ok(None);
        };
        let pixels = data.read_raw_bytes().map_err(|e| self.bad(e))?;
        let plane = (width * height) as usize;
        if pixels.len() != 3 * plane || width > 4096 || height > 4096 {
            return Err(self.bad("an image is not of 8-bit colours"));
        }
        let pixel = |x: u32, y: u32| {
            let at = x as usize * height as usize + y as usize;
            Rgb([pixels[at], pixels[plane + at], pixels[2 * plane + at]])
        };
        Ok(Some(RgbImage::from_fn(width as u32, height as u32, pixel)))
    }

    /// The identities of each published test set.
    fn test_sets(&self) -> Result<Vec<Vec<i64>>> {
        let one = |data: &Dataset| -> Result<Vec<i64>> {
            // [2, n] doubles: the camera pairs, then the people.
            let bytes = data.read_raw_bytes().map_err(|e| self.bad(e))?;
            let values: Vec<f64> =
                bytes.chunks_exact(8).map(|b| f64::from_le_bytes(std::array::from_fn(|i| b[i]))).collect();
            let (pairs, people) = values.split_at(values.len() / 2);
            Ok(pairs.iter().zip(people).map(|(pair, person)| identity(*pair as i64, *person as i64)).collect())
        };
        self.named("testsets")?.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::Format;
    use crate::data::{formats, image_io, split};

    const FIXTURE: &[u8] = include_bytes!("fixtures/cuhk-03.mat");

    #[test]
    fn the_published_file_becomes_a_folder_that_reads() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(from.path().join(MAT), FIXTURE).unwrap();
        let told = formats::read(from.path(), None).unwrap_err().to_string();
        assert!(told.contains("--extract") && told.contains(MAT), "{told}");

        let got = extract(from.path(), to.path(), &mut |_| ()).unwrap();
        assert_eq!((got.labeled, got.detected, got.test_sets), (18, 12, 2)); // six people, three images and two
        assert_eq!(extract(from.path(), to.path(), &mut |_| ()).unwrap(), got, "a second time changes nothing");
        let image = image_io::load(&to.path().join("labeled/1_002_2_07.png")).unwrap();
        assert_eq!(image.dimensions(), (6, 12));
        assert_eq!(image.get_pixel(5, 11), &Rgb([6, 50, 31])); // p 0, v 6, m 1, x 5, y 11
        let set = formats::read(to.path(), None).unwrap();
        assert_eq!((set.format, set.photos.len(), set.test_sets.len()), (Format::Cuhk03, 18, 2));
        assert_eq!(set.test_sets, [[10_001, 20_001], [10_002, 30_001]]);
        let who: Vec<_> = set.photos[..4].iter().map(|p| (p.identity, p.camera)).collect();
        assert_eq!(who, [(10_001, 1), (10_001, 2), (10_001, 2), (10_002, 1)]);
        let split = split::split(&set, 0).unwrap();
        assert_eq!((split.query.len(), split.gallery.len(), split.train.len()), (4, 2, 12));
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MAT);
        for cut in (0..FIXTURE.len()).step_by(397) {
            std::fs::write(&path, &FIXTURE[..cut]).unwrap();
            let error = extract(folder.path(), &folder.path().join("out"), &mut |_| ());
            assert!(error.is_err(), "cut at {cut}");
        }
        for at in (600..FIXTURE.len()).step_by(211) {
            let mut bytes = FIXTURE.to_vec();
            bytes[at] ^= 0x5a;
            std::fs::write(&path, bytes).unwrap();
            let _ = extract(folder.path(), &folder.path().join("out"), &mut |_| ()); // any answer but a crash
        }
        let error = extract(&folder.path().join("out"), folder.path(), &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains("no cuhk-03.mat"), "{error}");
    }
}
