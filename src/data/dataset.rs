//! What a data set is, whatever layout it was published in.

use std::path::PathBuf;

use super::taken::Taken;

/// The identity or camera of an image about which nothing is known.
pub const UNKNOWN: i64 = -1;

/// One image of one person, as listed by a reader. The pixels stay on disk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Photo {
    /// Where the image lies.
    pub path: PathBuf,
    /// Who is in it, as published; [`UNKNOWN`] where nobody said.
    pub identity: i64,
    /// Which camera took it; [`UNKNOWN`] where nobody said.
    pub camera: i64,
    /// Which published part it belongs to.
    pub part: Part,
    /// When it was taken, where the set says so.
    #[serde(default)]
    pub taken: Taken,
}

/// The part of a data set that its publishers put an image into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Part {
    /// For training only.
    Train,
    /// A query of the test.
    Query,
    /// A gallery image of the test.
    Gallery,
    /// Not assigned: a seeded split decides.
    Any,
}

/// A file that looked like an image of the set and could not be used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Broken {
    /// The file.
    pub path: PathBuf,
    /// Why it was skipped, in a newcomer's words.
    pub reason: String,
}

/// A published layout that Rain can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `bounding_box_train`, `query`, `bounding_box_test` with `0002_c1s1_000451_03.jpg` names.
    Market1501,
    /// `cam_a`, `cam_b` with `<identity>_<angle>.bmp` names.
    Viper,
    /// `labeled`, `detected` with `<pair>_<identity>_<camera>_<number>` names, or folders `P1/cam1`.
    Cuhk03,
    /// `0001001.png`: four digits of identity, three of image; 1 and 2 from the first camera, 3 and 4 from the second.
    Cuhk01,
    /// `0001001.jpg`: four digits of identity, three of image; up to 010 from the near camera, the rest from the far.
    Caviar,
    /// `single_shot/cam_a`, `single_shot/cam_b` with `person_0001.png` names.
    Prid2011,
    /// `list_train.txt`, `list_query.txt`, `list_gallery.txt` beside the folders of images.
    Msmt17,
    /// A table `path,identity,camera[,split,time,frame]`.
    Csv,
    /// `<identity>/<image>`: a folder a person.
    Folder,
}

/// A data set: its images in a stable (sorted) order.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The layout it was read as.
    pub format: Format,
    /// Its folder.
    pub root: PathBuf,
    /// Every usable image, sorted by path.
    pub photos: Vec<Photo>,
    /// Every unusable file with its reason, sorted by path.
    pub broken: Vec<Broken>,
    /// The test sets that its publishers drew, each a list of identities; mostly none.
    pub test_sets: Vec<Vec<i64>>,
}
