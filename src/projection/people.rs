//! Which images go on a map of people at several resolutions, as in the paper's figure 3.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::map::{Role, Spot, Subject};
use crate::data::dataset::{Broken, Part, Photo};
use crate::data::seeded;
use crate::gallery::embed::Embedded;
use crate::gallery::matrix::Matrix;
use crate::gallery::photos;
use crate::{Error, Result};

/// Some people of a labelled data set, each image at every rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct People {
    /// The data set's folder.
    pub folder: PathBuf,
    /// People, drawn by the seed; all where there are fewer.
    pub identities: usize,
    /// Images of each, drawn by the seed; 0 takes all.
    pub images: usize,
    /// Down-sampling rates; 1 leaves an image as it is.
    pub rates: Vec<f64>,
    /// Seed of the draws.
    pub seed: u64,
}

/// Images embedded between two looks at what else waits.
const CHUNK: usize = 128;

impl People {
    /// The paper's figures 3a and 3b: 35 people, r in {1, 2, 4, 8}.
    pub fn figure3(folder: PathBuf) -> Self {
        Self { folder, identities: 35, images: 0, rates: vec![1.0, 2.0, 4.0, 8.0], seed: 0 }
    }

    /// # Errors
    /// [`Error::Input`] where a setting makes no sense.
    pub fn check(&self) -> Result<()> {
        if self.identities == 0 {
            return Err(Error::input(
                "A map of no people shows nothing",
                "Ask for at least one person; 35 is the paper's",
            ));
        }
        if self.rates.is_empty() {
            return Err(Error::input(
                "A map without a down-sampling rate shows nothing",
                "Name rates, for example 1,2,4,8",
            ));
        }
        match self.rates.iter().find(|r| !(r.is_finite() && (1.0..=64.0).contains(*r))) {
            None => Ok(()),
            Some(rate) => Err(Error::input(
                format!("{rate} is no down-sampling rate"),
                "Use numbers from 1 to 64; 1 leaves images as they are",
            )),
        }
    }

    /// Chooses the images. Of a set with published parts those for testing are taken; images of unknown people are left out.
    ///
    /// # Errors
    /// As [`Self::check`]; [`Error::File`] where the folder holds no labelled image.
    pub fn choose(&self) -> Result<(Vec<Photo>, Vec<String>)> {
        self.check()?;
        let listing = photos::all(&self.folder)?;
        self.draw(listing.photos)
    }

    /// [`Self::choose`] among these images.
    ///
    /// # Errors
    /// [`Error::File`] where none of them is labelled.
    pub fn draw(&self, photos: Vec<Photo>) -> Result<(Vec<Photo>, Vec<String>)> {
        let published = photos.iter().any(|photo| photo.part == Part::Gallery);
        let usable = photos.into_iter().filter(|p| p.identity >= 0 && !(published && p.part == Part::Train));
        let mut by_person: BTreeMap<i64, Vec<Photo>> = BTreeMap::new();
        usable.for_each(|photo| by_person.entry(photo.identity).or_default().push(photo));
        if by_person.is_empty() {
            return Err(Error::file(
                &self.folder,
                "no image in it says who it shows, so people cannot be told apart on a map",
                "Choose a data set of a known layout, or a folder with a sub-folder for each person",
            ));
        }
        let mut notes = Vec::new();
        let (asked, there) = (self.identities, by_person.len());
        if there < asked {
            notes.push(format!("There are {there} people, not {asked}"));
        }
        let people: Vec<i64> = by_person.keys().copied().collect();
        let mut rng = seeded::rng(self.seed, "map people", &[]);
        let mut drawn = rand::seq::index::sample(&mut rng, there, asked.min(there)).into_vec();
        drawn.sort_unstable();
        let mut chosen = Vec::new();
        for person in drawn.into_iter().map(|at| people[at]) {
            let images = by_person.remove(&person).unwrap_or_default();
            let most = if self.images == 0 { images.len() } else { self.images.min(images.len()) };
            let mut rng = seeded::rng(self.seed, "map images", &[person as u64]);
            let mut drawn = rand::seq::index::sample(&mut rng, images.len(), most).into_vec();
            drawn.sort_unstable();
            chosen.extend(drawn.into_iter().map(|at| images[at].clone()));
        }
        Ok((chosen, notes))
    }

    /// Embeds `photos` at every rate, some at a time, and lays all on one subject. `embed` takes images and their rate; what cannot
    /// be read is told at the end.
    ///
    /// # Errors
    /// Those of `embed`; [`Error::File`] where no image can be read.
    pub fn embed(
        &self,
        photos: &[Photo],
        notes: Vec<String>,
        embed: &mut dyn FnMut(&[PathBuf], f64) -> Result<Embedded>,
    ) -> Result<(Subject, Vec<Broken>)> {
        let (mut spots, mut data, mut columns, mut broken) = (Vec::new(), Vec::new(), 0, Vec::new());
        for (number, &rate) in self.rates.iter().enumerate() {
            for chunk in photos.chunks(CHUNK) {
                let paths: Vec<PathBuf> = chunk.iter().map(|photo| photo.path.clone()).collect();
                let embedded = embed(&paths, rate)?;
                columns = embedded.matrix.columns;
                data.extend(embedded.matrix.data);
                spots.extend(embedded.kept.iter().map(|&i| {
                    let Photo { path, identity, camera, .. } = chunk[i].clone();
                    Spot { path, identity, camera, rate: rate as f32, role: Role::Gallery }
                }));
                if number == 0 {
                    broken.extend(embedded.broken);
                }
            }
        }
        if spots.is_empty() {
            return Err(Error::file(
                &self.folder,
                "none of its images can be read",
                "Choose a folder with intact photos",
            ));
        }
        let subject = Subject {
            title: format!("{} at {} resolutions", name(&self.folder), self.rates.len()),
            spots: Arc::new(spots),
            features: Matrix::new(columns, data),
            model: String::new(),
            trained: Vec::new(),
            notes,
        };
        Ok((subject, broken))
    }
}

/// The last part of a path, for titles.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The rates that a model says it was trained with, by the settings in its card; empty where it does not say.
pub fn trained_rates(card: &serde_json::Value) -> Vec<f64> {
    let data = &card["settings"]["data"];
    if data["use_lr"].as_bool() == Some(false) {
        return vec![1.0];
    }
    data["rates"].as_array().map(|rates| rates.iter().filter_map(|rate| rate.as_f64()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(identity: i64, image: usize, part: Part) -> Photo {
        Photo { path: format!("{identity}_{image}.png").into(), identity, camera: 1, part, taken: Default::default() }
    }

    fn people(identities: usize, images: usize) -> People {
        People { identities, images, rates: vec![1.0, 8.0], ..People::figure3("x".into()) }
    }

    #[test]
    fn people_are_drawn_by_the_seed_and_never_from_the_training_part() {
        let mut photos: Vec<Photo> =
            (0..60).map(|i| photo(i / 3, i as usize % 3, if i < 30 { Part::Train } else { Part::Gallery })).collect();
        photos.push(photo(-1, 0, Part::Gallery));
        let (chosen, notes) = people(4, 2).draw(photos.clone()).unwrap();
        assert_eq!((chosen.len(), notes.len()), (8, 0));
        assert!(chosen.iter().all(|p| p.identity >= 10 && p.part == Part::Gallery));
        assert_eq!(people(4, 2).draw(photos.clone()).unwrap().0, chosen);
        assert_ne!(People { seed: 9, ..people(4, 2) }.draw(photos.clone()).unwrap().0, chosen);
        let (all, notes) = people(35, 0).draw(photos).unwrap();
        assert_eq!((all.len(), notes), (30, vec!["There are 10 people, not 35".to_string()]));
        let error = people(3, 0).draw(vec![photo(-1, 0, Part::Any)]).unwrap_err().to_string();
        assert!(error.contains("sub-folder for each person"), "{error}");
    }

    #[test]
    fn every_image_comes_at_every_rate() {
        let (photos, notes) =
            people(2, 0).draw((0..6).map(|i| photo(i / 3, i as usize % 3, Part::Any)).collect()).unwrap();
        let mut asked = Vec::new();
        let (subject, broken) = people(2, 0)
            .embed(&photos, notes, &mut |paths, rate| {
                asked.push((paths.len(), rate));
                let broken = Broken { path: paths[0].clone(), reason: "cut off".into() };
                let kept: Vec<usize> = (1..paths.len()).collect();
                Ok(Embedded { matrix: Matrix::new(1, vec![rate as f32; kept.len()]), kept, broken: vec![broken] })
            })
            .unwrap();
        assert_eq!(asked, [(6, 1.0), (6, 8.0)]);
        assert_eq!((subject.spots.len(), subject.features.rows(), broken.len()), (10, 10, 1));
        assert!(subject.spots.iter().zip(&subject.features.data).all(|(spot, &x)| spot.rate == x));
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        for bad in [
            People { identities: 0, ..people(1, 1) },
            People { rates: vec![], ..people(1, 1) },
            People { rates: vec![0.5], ..people(1, 1) },
        ] {
            assert!(bad.check().is_err());
        }
        let card = serde_json::json!({"settings": {"data": {"rates": [2.0, 3.0], "use_lr": true}}});
        assert_eq!(trained_rates(&card), [2.0, 3.0]);
        assert!(trained_rates(&serde_json::Value::Null).is_empty());
    }
}
