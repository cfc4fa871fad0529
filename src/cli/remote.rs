//! `rain remote`: a gallery on a server that many machines share.

use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::console::{Progress, label, print, print_json, tell_broken};
use crate::data::dataset::Broken;
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::distance::Measure;
use crate::gallery::embed::embed;
use crate::gallery::features::{Features, file_hash};
use crate::gallery::photos;
use crate::gallery::remote::rescore::Answer;
use crate::gallery::remote::{
    self, Address, Filter, Key, Name, Patience, Precision, Question, RemoteGallery, Secret, Source, Spec, Status,
    Stored,
};
use crate::gallery::store::Store;
use crate::model::rain::Rain;

/// Keep a gallery on a server: PostgreSQL with pgvector, or Milvus
///
/// Only rows of embeddings with path, camera, identity and time are sent; images, queries, verdicts and cases stay here. No
/// connection is opened unless you name a server. The key or password is read from RAIN_REMOTE_KEY, from --key-file, or asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct RemoteArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    Upload(UploadArgs),
    Search(SearchArgs),
    Status(StatusArgs),
    Drop(DropArgs),
}

/// Where the server is, and how to get in.
#[derive(Debug, Clone, clap::Args)]
struct ServerArgs {
    /// The server: postgres://USER@HOST/DATABASE or milvus+https://HOST:19530
    // Read by us, not by clap: its errors would quote a password.
    #[arg(long, value_name = "URL")]
    url: String,
    /// The gallery's name on the server: a-z, 0-9 and _
    #[arg(long, value_name = "NAME", default_value = "gallery")]
    name: Name,
    /// A file whose first line is the key or password
    #[arg(long, value_name = "FILE", conflicts_with = "ask_key")]
    key_file: Option<PathBuf>,
    /// Ask for the key or password on the terminal
    #[arg(long)]
    ask_key: bool,
    /// Trust the certificates in this PEM file instead of the public ones
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Allow a connection to another machine that is not encrypted
    #[arg(long)]
    plaintext: bool,
    /// Attempts before a server that does not answer is given up
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// Seconds to wait for one answer
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Send a gallery to a server; doing it again goes on where it stopped
#[derive(Debug, Clone, clap::Args)]
struct UploadArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// A gallery on disk, made by `rain index build`
    #[arg(long, value_name = "DIR", required_unless_present = "features", conflicts_with = "features")]
    gallery: Option<PathBuf>,
    /// A features file, written by `rain embed`
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// The measure that the server searches by
    #[arg(long, value_enum, default_value_t)]
    measure: Measure,
    /// Numbers of 16 or 32 bits (PostgreSQL; Milvus keeps 32)
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// Search by an HNSW index: faster on millions of rows, and approximate
    #[arg(long)]
    approximate: bool,
    /// Send again what the server has already
    #[arg(long)]
    overwrite: bool,
}

/// Search a gallery on a server
///
/// Prints the nearest gallery images of each query: candidates, for a person to judge.
#[derive(Debug, Clone, clap::Args)]
struct SearchArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Features of the queries, written by `rain embed`
    #[arg(long, value_name = "FILE", required_unless_present = "query", conflicts_with = "query")]
    query_features: Option<PathBuf>,
    /// Crops to search for: files, or folders of them
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "model")]
    query: Vec<PathBuf>,
    /// The model that made the gallery
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Candidates of each query
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
    top: usize,
    /// Only images of these cameras
    #[arg(long, value_name = "N", num_args = 1.., allow_negative_numbers = true)]
    camera: Vec<i64>,
    /// No images of these cameras
    #[arg(long, value_name = "N", num_args = 1.., allow_negative_numbers = true)]
    not_camera: Vec<i64>,
    /// Only images taken at or after this time, like 2026-11-25T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<jiff::Timestamp>,
    /// Only images taken at or before this time
    #[arg(long, value_name = "TIME")]
    to: Option<jiff::Timestamp>,
    /// Leave these rows out, by the key that --json prints
    #[arg(long, value_name = "KEY", num_args = 1..)]
    exclude: Vec<Key>,
}

/// Say what a server has
#[derive(Debug, Clone, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Remove a gallery from a server, for everybody
#[derive(Debug, Clone, clap::Args)]
struct DropArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Really remove it
    #[arg(long)]
    yes: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &RemoteArgs, device: DeviceChoice) -> Result<()> {
    match &args.command {
        Command::Upload(args) => upload(args),
        Command::Search(args) => search(args, device),
        Command::Status(args) => status(args),
        Command::Drop(args) => drop_gallery(args),
    }
}

impl ServerArgs {
    fn patience(&self) -> Patience {
        Patience { attempts: self.attempts, answer: Duration::from_secs(self.timeout), ..Patience::default() }
    }

    /// A gallery to speak to; the first call connects.
    fn open(&self) -> Result<Box<dyn RemoteGallery>> {
        let mut address: Address = self.url.parse()?;
        (address.authority, address.plaintext) = (self.ca.clone(), self.plaintext);
        let key = match &self.key_file {
            Some(file) => Some(Secret::from_file(file)?),
            None if self.ask_key => Some(Secret::ask(&format!("Key or password for {address}: "))?),
            None => Secret::from_environment(),
        };
        remote::open(&address, &self.name, key, self.patience())
    }
}

fn upload(args: &UploadArgs) -> Result<()> {
    let server = &args.server;
    let mut gallery = server.open()?;
    let source: Box<dyn Source> = match (&args.gallery, &args.features) {
        (Some(folder), _) => Box::new(Stored::new(Arc::new(Store::open(folder)?))),
        (None, Some(file)) => Box::new(Features::read(file)?),
        (None, None) => return Err(Error::input("Nothing to send was named", "Add --gallery DIR or --features FILE")),
    };
    let spec = Spec {
        model: source.model().to_string(),
        columns: source.columns(),
        measure: args.measure,
        precision: if gallery.address().kind == remote::Kind::Milvus { Precision::Single } else { args.precision },
        approximate: args.approximate,
    };
    let started = Instant::now();
    let mut pace = Pace::new();
    let mut on = |done, total| pace.step(done, total);
    let sent =
        remote::upload(&mut *gallery, &server.name, &*source, &spec, args.overwrite, &server.patience(), &mut on)?;
    pace.clear();
    let seconds = started.elapsed().as_secs_f64();
    if server.json {
        let address = gallery.address().to_string();
        return print_json(&json!({
            "server": address, "name": server.name.to_string(), "sent": sent.sent, "present": sent.present,
            "repeated": sent.repeated, "rows": sent.rows, "seconds": seconds,
        }));
    }
    let repeated =
        if sent.repeated > 0 { format!("; {} are the same image twice", sent.repeated) } else { String::new() };
    print(&format!(
        "Sent {} rows to {} in {seconds:.1} s; {} were there already{repeated}. The gallery '{}' has {} rows now",
        sent.sent,
        gallery.address(),
        sent.present,
        server.name,
        sent.rows
    ))
}

/// Queries: a name and an embedding each.
struct Queries {
    model: String,
    names: Vec<String>,
    embeddings: crate::gallery::matrix::Matrix,
    broken: Vec<Broken>,
}

fn queries(args: &SearchArgs, device: DeviceChoice) -> Result<Queries> {
    if let Some(file) = &args.query_features {
        let features = Features::read(file)?;
        let name = |i: usize| features.origin.paths.get(i).cloned().unwrap_or_else(|| format!("row {i}"));
        let names = (0..features.matrix.rows()).map(name).collect();
        return Ok(Queries { model: features.origin.model, names, embeddings: features.matrix, broken: Vec::new() });
    }
    let model = args.model.as_ref().ok_or_else(|| Error::input("No model was named", "Add --model FILE"))?;
    let device = device.open()?;
    let rain = Rain::open(model, &device)?;
    let listing = photos::crops(&args.query);
    let paths: Vec<PathBuf> = listing.photos.iter().map(|photo| photo.path.clone()).collect();
    let mut progress = Progress::new("Embedding query");
    let embedded = embed(&rain, &paths, 1.0, &device, &mut |done, total| progress.step(done, total))?;
    drop(progress);
    let broken = [listing.broken, embedded.broken].concat();
    if embedded.kept.is_empty() {
        return Err(super::search::no_crop(&broken));
    }
    let names = embedded.kept.iter().map(|&i| paths[i].to_string_lossy().into_owned()).collect();
    Ok(Queries { model: file_hash(model)?, names, embeddings: embedded.matrix, broken })
}

fn search(args: &SearchArgs, device: DeviceChoice) -> Result<()> {
    let server = &args.server;
    let mut gallery = server.open()?;
    let patience = server.patience();
    let mut go_on = || Flow::Continue;
    // The server first: nobody wants to embed crops for one that is not there.
    let status = remote::status(&mut *gallery, &server.name, &patience, &mut go_on)?;
    let queries = queries(args, device)?;
    tell_broken(&queries.broken);
    remote::check_model(&status.spec, &queries.model, queries.embeddings.columns, &server.name)?;
    let filter = Filter {
        cameras: args.camera.clone(),
        not_cameras: args.not_camera.clone(),
        from: args.from.map(|time| time.as_second()),
        to: args.to.map(|time| time.as_second()),
        exclude: args.exclude.clone(),
    };
    let mut answers = Vec::with_capacity(queries.names.len());
    for (index, name) in queries.names.iter().enumerate() {
        let question = Question { query: queries.embeddings.row(index), top: args.top, filter: &filter };
        answers.push((name, remote::search(&mut *gallery, &status.spec, &question, &patience, &mut go_on)?));
    }
    if server.json {
        let list: Vec<Value> = answers.iter().map(|(name, answer)| as_json(name, answer)).collect();
        return print_json(&json!({
            "server": gallery.address().to_string(), "name": server.name.to_string(), "model": status.spec.model,
            "gallery_size": status.rows, "measure": status.spec.measure, "approximate": status.spec.approximate,
            "queries": list, "broken": queries.broken,
        }));
    }
    let text: String = answers.iter().map(|(name, answer)| as_text(name, answer, &status)).collect();
    print(&text)
}

fn as_json(query: &str, answer: &Answer) -> Value {
    let candidates: Vec<Value> = answer
        .hits
        .iter()
        .enumerate()
        .map(|(i, hit)| {
            json!({
                "rank": i + 1, "path": hit.row.path, "distance": hit.distance, "identity": hit.row.identity,
                "camera": hit.row.camera, "time": hit.row.time, "key": hit.row.key,
            })
        })
        .collect();
    json!({ "query": query, "certain": answer.certain, "candidates": candidates })
}

fn as_text(query: &str, answer: &Answer, status: &Status) -> String {
    let measure = match status.spec.measure {
        Measure::Cosine => "cosine",
        Measure::Euclidean => "Euclidean",
    };
    let how = match (answer.certain, status.spec.approximate) {
        (true, _) => "",
        (false, true) => ", approximate",
        (false, false) => ", near ties beyond the server's precision",
    };
    let (shown, all) = (answer.hits.len(), status.rows);
    let mut text = format!("{query}: the nearest {shown} of {all} gallery images ({measure} distance{how})\n");
    text += "  rank  distance  identity  camera  image\n";
    for (i, hit) in answer.hits.iter().enumerate() {
        let (identity, camera) = (label(hit.row.identity), label(hit.row.camera));
        text += &format!("  {:>4}  {:>8.4}  {identity:>8}  {camera:>6}  {}\n", i + 1, hit.distance, hit.row.path);
    }
    text + "\n"
}

fn status(args: &StatusArgs) -> Result<()> {
    let server = &args.server;
    let mut gallery = server.open()?;
    let patience = server.patience();
    let mut go_on = || Flow::Continue;
    let greeting = patience.insist(&mut go_on, || gallery.greet()).map_err(|fault| fault.tell(gallery.address()))?;
    let status = remote::status(&mut *gallery, &server.name, &patience, &mut go_on)?;
    if server.json {
        return print_json(&json!({
            "server": gallery.address().to_string(), "software": greeting, "name": server.name.to_string(), "gallery": status,
        }));
    }
    let Status { spec, rows, bytes } = &status;
    let size = bytes.map(|bytes| format!(", {:.1} MB on its disk", bytes as f64 / 1e6)).unwrap_or_default();
    let how = if spec.approximate { "approximately, by HNSW" } else { "exactly" };
    let model = if spec.model.is_empty() { "unknown" } else { &spec.model };
    print(&format!(
        "{}: {greeting}\nThe gallery '{}' has {rows} rows of {} numbers ({:?} precision{size}), made by model {model}, searched {how} by {} distance",
        gallery.address(),
        server.name,
        spec.columns,
        spec.precision,
        match spec.measure {
            Measure::Cosine => "cosine",
            Measure::Euclidean => "Euclidean",
        }
    ))
}

fn drop_gallery(args: &DropArgs) -> Result<()> {
    let server = &args.server;
    let mut gallery = server.open()?;
    let patience = server.patience();
    let mut go_on = || Flow::Continue;
    let status = remote::status(&mut *gallery, &server.name, &patience, &mut go_on)?;
    if !args.yes {
        return Err(Error::input(
            format!(
                "The gallery '{}' with its {} rows would be removed from {} for everybody, and cannot be brought back",
                server.name,
                status.rows,
                gallery.address()
            ),
            "Say --yes if that is what you want",
        ));
    }
    patience.insist(&mut go_on, || gallery.drop_gallery()).map_err(|fault| fault.tell(gallery.address()))?;
    let (rows, address) = (status.rows, gallery.address().to_string());
    if server.json {
        return print_json(&json!({ "server": address, "name": server.name.to_string(), "removed": rows }));
    }
    print(&format!("Removed the gallery '{}' ({rows} rows) from {address}", server.name))
}

/// A line on the terminal: rows, pace, time left.
struct Pace {
    started: Option<(u64, Instant)>,
    shown: Option<Instant>,
    terminal: bool,
}

impl Pace {
    fn new() -> Self {
        Self { started: None, shown: None, terminal: std::io::stderr().is_terminal() }
    }

    fn step(&mut self, done: u64, total: u64) -> Flow {
        let (first, since) = *self.started.get_or_insert((done, Instant::now()));
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= Duration::from_millis(100));
        if self.terminal && due {
            let (rows, seconds) = ((done - first.min(done)) as f64, since.elapsed().as_secs_f64());
            let left = if rows > 0.0 && seconds > 0.5 {
                format!(", {:.0} a second, {:.0} s left", rows / seconds, (total - done) as f64 * seconds / rows)
            } else {
                String::new()
            };
            let _ = write!(std::io::stderr(), "\r\x1b[KSending row {done} of {total}{left}"); // a terminal that is gone misses nothing
            self.shown = Some(Instant::now());
        }
        Flow::Continue
    }

    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K"); // as above
        }
    }
}
