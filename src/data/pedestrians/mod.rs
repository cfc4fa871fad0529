//! A renderer of varied, recognisable pedestrians, for the demo, the tests and scale runs.
//!
//! No downloaded image ships with Rain: its people are drawn here. A crowd is a data set in Market-1501's layout, and a pure
//! function of its [`CrowdSettings`], to the byte:
//!
//! - [`Identity`] is who someone is, on all cameras alike: body, skin, hair, clothes, bag.
//! - [`Camera`] is what one camera makes of everybody: scene, light, colour cast, sharpness, noise.
//! - [`View`] is what differs from image to image: direction, step, cut-out, and what stands in the way.
//! - [`render_person`] makes pixels of the three.
//!
//! The pictures are as hard as they need to be, no harder: casts change colours between cameras, people are seen from all
//! sides, and clothes come from one wardrobe, so that several people wear the same jacket.

mod bag;
mod camera;
mod figure;
mod head;
mod identity;
pub mod layout;
mod light;
mod math;
mod occluder;
mod outfit;
mod paint;
mod portrait;
mod scene;
mod skeleton;

use std::fs;
use std::io;
use std::path::Path;

use image::RgbImage;
use rayon::prelude::*;

use crate::{Error, Result};

pub use camera::{Camera, Sensor};
pub use identity::{Bag, Build, Hair, Headwear, Identity, Lower, LowerKind, Pattern, Upper};
pub use light::Light;
pub use math::{Colour, Purpose, Vec3, stream};
pub use occluder::Occluder;
pub use portrait::{Other, View, encode, render_person};
pub use scene::Scene;
pub use skeleton::{Arm, Gait};

use layout::Shot;

/// Images between two looks at the progress callback.
const CHUNK: usize = 64;

/// What a crowd consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrowdSettings {
    /// People; half of them, rounded up, are for training, the others for testing.
    pub identities: usize,
    /// Cameras; everybody is seen by as many of them as they have images.
    pub cameras: usize,
    /// Images of each person.
    pub images: usize,
    /// What everything random is drawn from.
    pub seed: u64,
}

/// Renders a crowd into the folder `out`, in Market-1501's layout, and returns the number of images.
///
/// `progress` is called with the images done and to do; it returns `false` to cancel.
///
/// # Errors
/// [`Error::Input`] if there are fewer than two identities, cameras or images each; [`Error::File`] if `out` holds anything
/// already (it is left as it is); [`Error::Io`] if it cannot be written; [`Error::Cancelled`]. After the last two, what was
/// written of the crowd is removed again: half a data set would pass for a whole one.
pub fn render_crowd(settings: &CrowdSettings, out: &Path, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<u64> {
    let shots = plan(settings)?;
    let is_new = prepare(out)?;
    let mut done = 0;
    if let Err(error) = write_all(settings, &shots, out, progress, &mut done) {
        // The chunk that failed may be there in part.
        clean_up(&shots[..shots.len().min(done + CHUNK)], out, is_new);
        return Err(error);
    }
    Ok(shots.len() as u64)
}

/// The picture of one shot of the crowd of a seed; `camera` is that of the shot's number.
pub fn photograph(seed: u64, shot: &Shot, camera: &Camera) -> RgbImage {
    let identity = Identity::new(seed, shot.identity);
    let mut rng = stream(seed, Purpose::Image, shot.identity, shot.image);
    let view = View::draw(&mut rng, &identity, camera);
    render_person(&identity, &view, camera, &mut rng)
}

fn plan(settings: &CrowdSettings) -> Result<Vec<Shot>> {
    let CrowdSettings { identities, cameras, images, .. } = *settings;
    for (name, count, remedy) in [
        ("identities", identities, "one to train on and one to search for"),
        ("cameras", cameras, "as people are searched for across cameras"),
        ("images of each identity", images, "a query and a gallery image"),
    ] {
        if count < 2 {
            return Err(Error::input(
                format!("A crowd with {count} {name} cannot be searched"),
                format!("Ask for at least 2: {remedy}"),
            ));
        }
    }
    if cameras > 99 || identities.saturating_mul(images) > 50_000_000 {
        return Err(Error::input(
            format!("A crowd of {identities} identities with {images} images on {cameras} cameras is too large"),
            "Ask for at most 99 cameras and 50 million images",
        ));
    }
    Ok(layout::shots(identities as u64, cameras as u64, images as u64).collect())
}

/// Makes sure that `out` is an empty folder with the layout's folders in it; says whether it is new.
fn prepare(out: &Path) -> Result<bool> {
    let is_new = match fs::read_dir(out) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(Error::file(
                    out,
                    "This folder is not empty, and a crowd would mix with what it holds",
                    "Name a new or an empty folder",
                ));
            }
            false
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => true,
        Err(e) => return Err(Error::io("read", out, e)),
    };
    for folder in layout::FOLDERS {
        let path = out.join(folder);
        if let Err(e) = fs::create_dir_all(&path) {
            clean_up(&[], out, is_new);
            return Err(Error::io("create", path, e));
        }
    }
    Ok(is_new)
}

/// Writes the shots chunk by chunk; `done` counts those of the chunks that were completed.
fn write_all(
    settings: &CrowdSettings,
    shots: &[Shot],
    out: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
    done: &mut usize,
) -> Result<()> {
    let cameras: Vec<Camera> = (0..settings.cameras as u64).map(|c| Camera::new(settings.seed, c)).collect();
    for chunk in shots.chunks(CHUNK) {
        if !progress(*done as u64, shots.len() as u64) {
            return Err(Error::Cancelled);
        }
        chunk.par_iter().try_for_each(|shot| {
            let camera = &cameras[shot.camera as usize];
            let path = out.join(shot.path());
            let bytes = encode(&photograph(settings.seed, shot, camera), camera.quality)
                .map_err(|e| Error::io("encode", &path, io::Error::other(e)))?;
            fs::write(&path, bytes).map_err(|e| Error::io("write", &path, e))
        })?;
        *done += chunk.len();
    }
    progress(*done as u64, shots.len() as u64);
    Ok(())
}

/// Removes what was written of an unfinished crowd, and nothing else. What cannot be removed stays; the reason for
/// the clean-up is the error worth reporting.
fn clean_up(shots: &[Shot], out: &Path, is_new: bool) {
    for shot in shots {
        let _ = fs::remove_file(out.join(shot.path()));
    }
    for folder in layout::FOLDERS {
        let _ = fs::remove_dir(out.join(folder));
    }
    if is_new {
        let _ = fs::remove_dir(out);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    const SMALL: CrowdSettings = CrowdSettings { identities: 6, cameras: 3, images: 6, seed: 5 };

    fn render(settings: &CrowdSettings) -> (tempfile::TempDir, BTreeMap<PathBuf, Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let count = render_crowd(settings, folder.path(), &mut |_, _| true).unwrap();
        let mut files = BTreeMap::new();
        for part in layout::FOLDERS {
            for entry in fs::read_dir(folder.path().join(part)).unwrap() {
                let path = entry.unwrap().path();
                files.insert(path.strip_prefix(folder.path()).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
        assert_eq!(count as usize, files.len());
        (folder, files)
    }

    #[test]
    fn equal_seeds_give_equal_bytes_and_others_do_not() {
        let (_a, first) = render(&SMALL);
        let (_b, again) = render(&SMALL);
        assert_eq!(first, again);
        let (_c, other) = render(&CrowdSettings { seed: 6, ..SMALL });
        assert!(first.values().zip(other.values()).all(|(a, b)| a != b));
    }

    #[test]
    fn pixels_do_not_depend_on_the_size_of_the_crowd() {
        let shot = layout::shots(6, 3, 6).nth(20).unwrap();
        let larger = layout::shots(600, 3, 6).nth(20).unwrap();
        let camera = Camera::new(5, shot.camera);
        assert_eq!(photograph(5, &shot, &camera), photograph(5, &larger, &camera));
    }

    /// Guards the promise that a seed gives the same people on every machine. A change to the renderer that is meant to
    /// change pictures changes this hash; nothing else may.
    #[test]
    fn a_seed_gives_the_pictures_it_always_gave() {
        let mut hash = blake3::Hasher::new();
        for shot in layout::shots(8, 6, 6) {
            hash.update(photograph(7, &shot, &Camera::new(7, shot.camera)).as_raw());
        }
        assert_eq!(&hash.finalize().to_hex()[..16], "47006f3c748a4614");
    }

    #[test]
    fn the_layout_holds_what_was_asked_for() {
        let (_folder, files) = render(&SMALL);
        assert_eq!(files.len(), 36);
        let count = |part: &str| files.keys().filter(|p| p.starts_with(part)).count();
        assert_eq!((count("bounding_box_train"), count("query"), count("bounding_box_test")), (18, 9, 9));
        for (path, bytes) in &files {
            let image = image::load_from_memory(bytes).unwrap();
            assert!((40..=96).contains(&image.width()) && (96..=224).contains(&image.height()), "{}", path.display());
            let name = path.file_name().unwrap().to_str().unwrap();
            let (identity, rest) = name.split_at(4);
            assert!((1..=6).contains(&identity.parse::<u32>().unwrap()));
            assert!(["_c1s1_", "_c2s1_", "_c3s1_"].iter().any(|c| rest.starts_with(c)), "{name}");
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let error = render_crowd(&SMALL, folder.path(), &mut |_, _| true).unwrap_err().to_string();
        assert!(error.contains("not empty") && error.contains(folder.path().to_str().unwrap()), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn cancelling_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("crowd");
        let settings = CrowdSettings { identities: 20, ..SMALL };
        let result = render_crowd(&settings, &out, &mut |done, _| done == 0);
        assert!(matches!(result, Err(Error::Cancelled)));
        assert!(!out.exists());
    }

    #[test]
    fn a_file_in_the_way_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("taken");
        fs::write(&out, "mine").unwrap();
        let error = render_crowd(&SMALL, &out, &mut |_, _| true).unwrap_err().to_string();
        assert!(error.contains("taken"), "{error}");
        assert_eq!(fs::read(&out).unwrap(), b"mine");
    }

    #[test]
    fn too_small_a_crowd_is_refused() {
        for settings in [
            CrowdSettings { identities: 1, ..SMALL },
            CrowdSettings { cameras: 1, ..SMALL },
            CrowdSettings { images: 1, ..SMALL },
        ] {
            let out = std::env::temp_dir().join("rain-never-made");
            assert!(matches!(render_crowd(&settings, &out, &mut |_, _| true), Err(Error::Input { .. })));
            assert!(!out.exists());
        }
    }

    /// Mean colours of three bands (head, torso, legs) in the middle of the image.
    fn bands(image: &RgbImage) -> Vec<f32> {
        let (w, h) = image.dimensions();
        let mut means = Vec::new();
        for (from, to) in [(0.05, 0.15), (0.22, 0.48), (0.55, 0.85)] {
            let mut sum = [0.0f32; 3];
            let mut n = 0.0;
            for y in (from * h as f32) as u32..(to * h as f32) as u32 {
                for x in w * 2 / 5..w * 3 / 5 {
                    sum.iter_mut().zip(image.get_pixel(x, y).0).for_each(|(s, v)| *s += f32::from(v));
                    n += 1.0;
                }
            }
            means.extend(sum.map(|s| s / n));
        }
        means
    }

    #[test]
    fn an_identity_looks_more_like_itself_than_like_others() {
        let cameras: Vec<Camera> = (0..4).map(|c| Camera::new(7, c)).collect();
        let all: Vec<(u64, u64, Vec<f32>)> = layout::shots(40, 4, 4)
            .map(|s| (s.identity, s.camera, bands(&photograph(7, &s, &cameras[s.camera as usize]))))
            .collect();
        let (mut same, mut other) = ((0.0f64, 0), (0.0f64, 0));
        for (i, a) in all.iter().enumerate() {
            for b in all[..i].iter().filter(|b| b.1 != a.1) {
                let distance = a.2.iter().zip(&b.2).map(|(x, y)| f64::from((x - y) * (x - y))).sum::<f64>().sqrt();
                let sum = if a.0 == b.0 { &mut same } else { &mut other };
                sum.0 += distance;
                sum.1 += 1;
            }
        }
        let (same, other) = (same.0 / f64::from(same.1), other.0 / f64::from(other.1));
        println!("mean distance of one identity {same:.1}, of two {other:.1}");
        assert!(same < 0.8 * other, "{same} against {other}");
        assert!(same > 0.2 * other, "the cameras hardly matter: {same} against {other}");
    }
}
