//! `rain mlr`: the multi-low-resolution form of a data set, told or written out.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::console::{Progress, print, print_json, tell_broken};
use crate::data::dataset::{Dataset, Format, Part, Photo, UNKNOWN};
use crate::data::resolution::{degrade, reduced};
use crate::data::{formats, image_io, mlr};
use crate::error::{Error, Result};

/// Make the multi-low-resolution form of a data set: some images, each at a rate drawn by the seed
///
/// Without --out nothing is written: the images and their rates are listed, as every evaluation draws them. With --out
/// the whole set is written in its own layout, the chosen images reduced and enlarged again as training and
/// evaluation do it, and a table mlr.csv of what was done.
#[derive(Debug, Clone, clap::Args)]
pub struct MlrArgs {
    /// The data set's folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Its layout; recognised where not given
    #[arg(long)]
    format: Option<Format>,
    /// Rates to draw from; any number of 1 or more
    #[arg(long, value_name = "R,R,…", value_delimiter = ',', default_value = "2,3,4")]
    rates: Vec<f64>,
    /// What the rates are drawn from
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Reduce every image, not only those that would ask (the queries, or all cameras of a person but the first)
    #[arg(long)]
    all: bool,
    /// Write the set into this new or empty folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave the reduced images small instead of enlarging them again
    #[arg(long, requires = "out")]
    small: bool,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// One image and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Line {
    image: String,
    identity: i64,
    camera: i64,
    rate: f64,
}

/// Runs the subcommand.
pub(super) fn run(args: &MlrArgs) -> Result<()> {
    args.rates.iter().try_for_each(|rate| super::eval::check_rate(*rate))?;
    let dataset = formats::read(&args.data, args.format)?;
    tell_broken(&dataset.broken);
    let lines = lines(&dataset, args);
    if let Some(out) = &args.out {
        write_all(&dataset, &lines, out, args.small)?;
    }
    let reduced: Vec<&Line> = lines.iter().filter(|line| line.rate > 1.0).collect();
    if args.json {
        return print_json(&reduced);
    }
    let mut text = String::new();
    for line in &reduced {
        let _ = writeln!(text, "{}\t{}", line.image, line.rate);
    }
    let _ = writeln!(text, "{} of {} images are reduced (seed {})", reduced.len(), lines.len(), args.seed);
    print(&text)
}

fn lines(dataset: &Dataset, args: &MlrArgs) -> Vec<Line> {
    let mut first = std::collections::BTreeMap::new();
    for photo in dataset.photos.iter().filter(|photo| photo.camera != UNKNOWN) {
        let camera = first.entry(photo.identity).or_insert(photo.camera);
        *camera = photo.camera.min(*camera);
    }
    let asks = |photo: &Photo| match photo.part {
        Part::Query => true,
        Part::Train | Part::Gallery => false,
        Part::Any => first.get(&photo.identity).is_some_and(|camera| photo.camera > *camera),
    };
    let line = |photo: &Photo| {
        let image = mlr::name(&dataset.root, &photo.path);
        let rate = if args.all || asks(photo) { mlr::rate(args.seed, &image, &args.rates) } else { 1.0 };
        Line { image, identity: photo.identity, camera: photo.camera, rate }
    };
    dataset.photos.iter().map(line).collect()
}

/// The set in its own layout. Images are written as PNG content under their own names: Rain reads by content.
fn write_all(dataset: &Dataset, lines: &[Line], out: &Path, small: bool) -> Result<()> {
    let made = |e| Error::io("create", out, e);
    std::fs::create_dir_all(out).map_err(made)?;
    if std::fs::read_dir(out).map_err(made)?.next().is_some() {
        return Err(Error::file(out, "is not empty", "Name a new folder"));
    }
    let mut progress = Progress::new("Writing image");
    for (done, (photo, line)) in dataset.photos.iter().zip(lines).enumerate() {
        let inside = photo.path.strip_prefix(&dataset.root).map_err(|_| {
            Error::file(&photo.path, "lies outside of the data set's folder", "Move it inside, or leave out --out")
        })?;
        let path = out.join(inside);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        if line.rate > 1.0 {
            let image = image_io::load(&photo.path)?;
            let side = |n: u32| reduced(n as usize, line.rate).max(image_io::SMALLEST_SIDE as usize);
            let image = if small {
                image_io::resize(&image, side(image.height()), side(image.width()))
            } else {
                degrade(&image, line.rate)
            };
            image_io::save_png(&image, &path)?;
        } else {
            std::fs::copy(&photo.path, &path).map_err(|e| Error::io("write", &path, e))?;
        }
        progress.step(done as u64 + 1, lines.len() as u64);
    }
    // Named apart from path,identity,camera, so that this table is not taken for a data set of its own.
    let table = out.join("mlr.csv");
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Error::io("write", &table, std::io::Error::other(e));
    lines.iter().try_for_each(|line| writer.serialize(line)).map_err(failed)?;
    let bytes = writer.into_inner().map_err(|e| Error::io("write", &table, std::io::Error::other(e.to_string())))?;
    crate::fs::write_atomic(&table, |file| std::io::Write::write_all(file, &bytes))?;
    copy_lists(dataset, out)
}

/// The small files that a layout is read by: MSMT17's lists, a table, CUHK03's test sets.
fn copy_lists(dataset: &Dataset, out: &Path) -> Result<()> {
    let entries = std::fs::read_dir(&dataset.root).map_err(|e| Error::io("read", &dataset.root, e))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let list =
            path.extension().is_some_and(|e| ["txt", "csv", "json"].iter().any(|known| e.eq_ignore_ascii_case(known)));
        if let (true, true, Some(name)) = (list, path.is_file(), path.file_name()) {
            std::fs::copy(&path, out.join(name)).map_err(|e| Error::io("write", out.join(name), e))?;
        }
    }
    Ok(())
}
