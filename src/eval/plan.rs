//! A protocol made concrete: which images are searched for, at which rate, in which galleries. It is a pure function of the
//! data set, the protocol and a seed; it can be written to a file; and its hash names it, so that two figures can be compared
//! only where their plans are the same.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::protocol::draw_galleries;
use super::ranking::SameCamera;
use crate::data::dataset::{Dataset, Format, Photo};
use crate::data::mlr;
use crate::data::split;
use crate::error::{Error, Result};

/// The protocols of the paper and of the sets it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Published {
    /// VIPeR halved 10 times; camera b asks at a rate of 2, 3 or 4, camera a answers.
    MlrViper,
    /// CUHK03 with 100 test people, the published test sets where the data has them; of each camera pair the second camera asks at a rate of 2, 3 or 4.
    MlrCuhk03,
    /// CAVIAR4REID: 25 of the 50 people whom both cameras saw, 10 splits; the far camera asks as it is.
    Caviar,
    /// Market-1501 as published: multi-shot, own camera and junk left out.
    Market1501,
    /// The same with the queries at a rate of 2, 3 or 4.
    MlrMarket1501,
    /// MSMT17 as published: multi-shot, own camera left out.
    Msmt17,
    /// The same with the queries at a rate of 2, 3 or 4.
    MlrMsmt17,
    /// Any set by its own split: multi-shot where it has published parts, else single-shot.
    Generic,
    /// The same with the queries at a rate of 2, 3 or 4.
    MlrGeneric,
}

impl Published {
    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
    }

    /// The layout that the protocol was published for; `None` where any will do.
    pub fn format(self) -> Option<Format> {
        match self {
            Self::MlrViper => Some(Format::Viper),
            Self::MlrCuhk03 => Some(Format::Cuhk03),
            Self::Caviar => Some(Format::Caviar),
            Self::Market1501 | Self::MlrMarket1501 => Some(Format::Market1501),
            Self::Msmt17 | Self::MlrMsmt17 => Some(Format::Msmt17),
            Self::Generic | Self::MlrGeneric => None,
        }
    }

    /// Splits that its figures are the mean of, where the set has no published parts.
    pub fn splits(self) -> usize {
        match self {
            Self::MlrViper | Self::MlrCuhk03 | Self::Caviar => 10,
            _ => 1,
        }
    }

    /// The rates of its queries.
    pub fn rates(self) -> &'static [f64] {
        match self {
            Self::MlrViper | Self::MlrCuhk03 | Self::MlrMarket1501 | Self::MlrMsmt17 | Self::MlrGeneric => {
                &[2.0, 3.0, 4.0]
            }
            Self::Caviar | Self::Market1501 | Self::Msmt17 | Self::Generic => &[1.0],
        }
    }
}

/// What may be chosen where a protocol leaves it open.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choices {
    /// Splits; the protocol's own number where not given. A trained model has one: that of its seed.
    pub splits: Option<usize>,
    /// Gallery draws; 100 where not given.
    pub draws: Option<usize>,
    /// Rates that the queries' are drawn from; the protocol's own where not given.
    pub rates: Option<Vec<f64>>,
}

/// Draws of a single-shot gallery, where nothing else is asked for.
pub const DRAWS: usize = 100;

/// A protocol made concrete for one data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The protocol.
    pub protocol: Published,
    /// What splits, rates and galleries are drawn from.
    pub seed: u64,
    /// The rates that the queries' are drawn from.
    pub rates: Vec<f64>,
    /// The splits.
    pub splits: Vec<Round>,
    /// 16 hex digits: BLAKE3 over all of the above.
    pub hash: String,
}

/// One split of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// Hash of the split: who is trained on and who is searched for.
    pub split: String,
    /// The images that are searched for.
    pub queries: Vec<Query>,
    /// The images that galleries are made of.
    pub gallery: Vec<String>,
    /// Of each single-shot gallery the places in `gallery`; none where the whole gallery is searched (multi-shot).
    pub draws: Vec<Vec<usize>>,
}

/// An image that is searched for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Its path inside the data set.
    pub image: String,
    /// The rate at which it is reduced.
    pub rate: f64,
}

impl Round {
    /// Multi-shot galleries leave the query's own camera out; single-shot galleries keep all they have.
    pub fn rule(&self) -> SameCamera {
        if self.draws.is_empty() { SameCamera::LeaveOut } else { SameCamera::Keep }
    }
}

impl Plan {
    /// The plan of a protocol; a pure function of its arguments.
    ///
    /// # Errors
    /// [`Error::File`] where the set is not the protocol's, or cannot be split.
    pub fn new(dataset: &Dataset, protocol: Published, seed: u64, choices: &Choices) -> Result<Self> {
        if let Some(wanted) = protocol.format().filter(|wanted| *wanted != dataset.format) {
            let name =
                |format: Format| format.to_possible_value().map(|v| v.get_name().to_string()).unwrap_or_default();
            return Err(Error::file(
                &dataset.root,
                format!("is laid out like {}, not like {}", name(dataset.format), name(wanted)),
                format!("Name the folder of that set, or use the protocol generic instead of {}", protocol.name()),
            ));
        }
        let rates = choices.rates.clone().unwrap_or_else(|| protocol.rates().to_vec());
        let published = split::is_published(dataset);
        let own = if dataset.test_sets.is_empty() { protocol.splits() } else { dataset.test_sets.len() };
        let splits = if published { 1 } else { choices.splits.unwrap_or(own).max(1) };
        let round = |number: usize| -> Result<Round> {
            let parts = split::numbered(dataset, seed, number as u64)?;
            let name = |photo: &Photo| mlr::name(&dataset.root, &photo.path);
            let identities: Vec<i64> = parts.gallery.iter().map(|photo| photo.identity).collect();
            let query = |photo: &Photo| {
                let image = name(photo);
                Query { rate: mlr::rate(seed, &image, &rates), image }
            };
            let draws = choices.draws.unwrap_or(DRAWS);
            Ok(Round {
                split: parts.hash,
                queries: parts.query.iter().map(query).collect(),
                gallery: parts.gallery.iter().map(name).collect(),
                // Each split draws its own galleries.
                draws: if published { Vec::new() } else { draw_galleries(&identities, draws, seed + number as u64) },
            })
        };
        let splits = (0..splits).map(round).collect::<Result<_>>()?;
        let mut plan = Self { protocol, seed, rates, splits, hash: String::new() };
        plan.hash = plan.fingerprint()?;
        Ok(plan)
    }

    /// Writes the plan as JSON, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(unwritable)?;
        crate::fs::write_atomic(path, |file| file.write_all(&text))
    }

    /// Reads a plan that [`Plan::write`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is no plan or was changed.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let remedy = "Write it anew with `rain eval --protocol NAME --save-plan FILE`";
        let plan: Self = serde_json::from_slice(&text)
            .map_err(|e| Error::file(path, format!("this is no plan of an evaluation ({e})"), remedy))?;
        let sound = |round: &Round| round.draws.iter().flatten().all(|place| *place < round.gallery.len());
        if plan.fingerprint()? != plan.hash || !plan.splits.iter().all(sound) {
            return Err(Error::file(
                path,
                "its content does not fit its hash: it was changed after it was written",
                remedy,
            ));
        }
        Ok(plan)
    }

    fn fingerprint(&self) -> Result<String> {
        let bare = Self { hash: String::new(), ..self.clone() };
        let text = serde_json::to_vec(&bare).map_err(unwritable)?;
        Ok(blake3::hash(&text).to_hex()[..16].to_string())
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::input(format!("The plan cannot be written as JSON ({error})"), "Please report this")
}

/// The images of a data set by the names that plans use.
pub(super) struct Names<'a>(HashMap<String, &'a Photo>);

impl<'a> Names<'a> {
    pub fn new(dataset: &'a Dataset) -> Self {
        Self(dataset.photos.iter().map(|photo| (mlr::name(&dataset.root, &photo.path), photo)).collect())
    }

    /// The images `names`.
    ///
    /// # Errors
    /// [`Error::File`] naming the first that the set lacks.
    pub fn find<'n>(&self, names: impl Iterator<Item = &'n String>, root: &Path) -> Result<Vec<Photo>> {
        let find = |name: &String| {
            self.0.get(name).map(|photo| (*photo).clone()).ok_or_else(|| {
                Error::file(
                    root.join(name),
                    "the plan names this image, but the data set does not hold it (or it cannot be read)",
                    "Use the very data set that the plan was made for, or make a new plan",
                )
            })
        };
        names.map(find).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::Part;

    fn set(format: Format, people: i64, images: i64, part: impl Fn(i64, i64) -> Part) -> Dataset {
        let photo = |who: i64, camera: i64| Photo {
            path: format!("set/cam_{camera}/{who:03}.bmp").into(),
            identity: who,
            camera,
            part: part(who, camera),
            taken: Default::default(),
        };
        let photos = (0..people).flat_map(|who| (0..images).map(move |camera| (who, camera)));
        let mut photos: Vec<Photo> = photos.map(|(who, camera)| photo(who, camera)).collect();
        photos.sort_by(|a, b| a.path.cmp(&b.path));
        Dataset { format, root: "set".into(), photos, broken: Vec::new(), test_sets: Vec::new() }
    }

    #[test]
    fn mlr_viper_is_ten_halves_with_one_draw() {
        let set = set(Format::Viper, 20, 2, |_, _| Part::Any);
        let plan = Plan::new(&set, Published::MlrViper, 5, &Choices::default()).unwrap();
        assert_eq!((plan.splits.len(), plan.hash.len()), (10, 16));
        for round in &plan.splits {
            assert_eq!((round.queries.len(), round.gallery.len(), round.draws.len()), (10, 10, 1));
            assert!(round.queries.iter().all(|q| q.image.starts_with("cam_1/") && plan.rates.contains(&q.rate)));
            assert!(round.gallery.iter().all(|image| image.starts_with("cam_0/")));
            assert_eq!(round.rule(), SameCamera::Keep);
        }
        assert!(plan.splits.iter().skip(1).all(|round| round.split != plan.splits[0].split));
        // A model's own split comes first, whatever the number of splits.
        let one = Choices { splits: Some(1), ..Choices::default() };
        let own = Plan::new(&set, Published::MlrViper, 5, &one).unwrap();
        assert_eq!(own.splits[0], plan.splits[0]);
        assert_eq!(own.splits[0].split, split::split(&set, 5).unwrap().hash);
        let other = Plan::new(&set, Published::MlrViper, 6, &Choices::default()).unwrap();
        assert_ne!((other.hash, own.hash), (plan.hash.clone(), plan.hash));
    }

    #[test]
    fn published_parts_make_one_multi_shot_round() {
        let part = |who: i64, camera: i64| match (who % 2, camera) {
            (0, _) => Part::Train,
            (_, 0) => Part::Query,
            _ => Part::Gallery,
        };
        let set = set(Format::Market1501, 9, 3, part);
        let plan = Plan::new(&set, Published::MlrMarket1501, 1, &Choices::default()).unwrap();
        assert_eq!((plan.splits.len(), plan.splits[0].draws.len()), (1, 0));
        assert_eq!(plan.splits[0].rule(), SameCamera::LeaveOut);
        assert_eq!((plan.splits[0].queries.len(), plan.splits[0].gallery.len()), (4, 8));
    }

    #[test]
    fn the_wrong_set_is_refused() {
        let set = set(Format::Folder, 9, 3, |_, _| Part::Any);
        let error = Plan::new(&set, Published::Caviar, 1, &Choices::default()).unwrap_err().to_string();
        assert!(error.contains("like folder, not like caviar") && error.contains("generic"), "{error}");
    }

    #[test]
    fn a_plan_survives_its_file_and_a_changed_one_is_refused() {
        let set = set(Format::Folder, 8, 4, |_, _| Part::Any);
        let choices = Choices { draws: Some(3), rates: Some(vec![2.5]), ..Choices::default() };
        let plan = Plan::new(&set, Published::MlrGeneric, 1, &choices).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        plan.write(&path).unwrap();
        assert_eq!(Plan::read(&path).unwrap(), plan);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("2.5", "3.5", 1)).unwrap();
        assert!(Plan::read(&path).unwrap_err().to_string().contains("was changed"));
        std::fs::write(&path, "{}").unwrap();
        assert!(Plan::read(&path).unwrap_err().to_string().contains("no plan"));
        let names = Names::new(&set);
        assert_eq!(names.find(plan.splits[0].gallery.iter(), &set.root).unwrap().len(), plan.splits[0].gallery.len());
        let missing = names.find(["cam_9/1.bmp".to_string()].iter(), &set.root).unwrap_err().to_string();
        assert!(missing.contains("cam_9/1.bmp") && missing.contains("new plan"), "{missing}");
    }
}
