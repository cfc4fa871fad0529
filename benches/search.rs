//! Search in galleries, against FAISS and hnswlib in the same run.
//!
//!     cargo bench --bench search                                            exact search, ours alone
//!     RAIN_PEER_PYTHON=venv/bin/python cargo bench --bench search           alternated with FAISS; prints the ratios,
//!                                            and both programs' recall, judged by sums in double precision
//!     RAIN_BENCH_WHAT=approximate RAIN_PEER_PYTHON=… cargo bench …          approximate search against hnswlib, usearch too
//!     RAIN_BENCH_WHAT=disk cargo bench --bench search                       a gallery on disk: opening, one query, memory
//!     RAIN_BENCH_WHAT=table cargo bench --bench search                      what 10^3 to 10^6 rows cost
//!
//! Rows are clustered, non-negative noise; with `RAIN_BENCH_FEATURES` (a features file by `rain embed`) they are those rows,
//! repeated with a little noise. `benches/peer/search_faiss.py` says what the Python needs. Other options through the
//! environment: `RAIN_BENCH_ROWS` (100,000; disk 1,000,000; the largest of the table), `RAIN_BENCH_FROM` (the smallest of the
//! table), `RAIN_BENCH_COLUMNS` (2,048), `RAIN_BENCH_ROUNDS` (5),
//! `RAIN_BENCH_FOLDER` (where files go; a temporary folder), `RAYON_NUM_THREADS`.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rain::bench::measure::{Spread, cpu_seconds, mib};
use rain::data::seeded;
use rain::flow::Flow;
use rain::gallery::approximate::{Approximate, Settings};
use rain::gallery::block::{Block, Coded};
use rain::gallery::distance::Measure;
use rain::gallery::exact::{self, Answer, Ask};
use rain::gallery::features::Features;
use rain::gallery::mask::Mask;
use rain::gallery::matrix::Matrix;
use rain::gallery::store::{Change, Header, Maker, Precision, Record, Store, Writer};
use rand::RngExt;
use rayon::prelude::*;
use serde_json::{Value, json};

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Where rows come from: a person's centre and noise, cut off at 0 as a network's last ReLU does.
struct Source {
    centres: Matrix,
    noise: f32,
}

impl Source {
    fn new(columns: usize, rows: usize) -> Self {
        if let Some(path) = std::env::var_os("RAIN_BENCH_FEATURES") {
            let features = Features::read(Path::new(&path)).expect("a features file");
            return Self { centres: features.matrix, noise: 0.05 };
        }
        let people = (rows / 20).max(10);
        let mut data = vec![0f32; people * columns];
        data.par_chunks_mut(columns).enumerate().for_each(|(person, row)| {
            let mut rng = seeded::rng(1, "centre", &[person as u64]);
            // Squares of numbers: many small, a few large, as pooled features are.
            row.iter_mut().for_each(|x| *x = rng.random_range(0.0f32..1.0).powi(3));
        });
        Self { centres: Matrix::new(columns, data), noise: 0.25 }
    }

    fn columns(&self) -> usize {
        self.centres.columns
    }

    fn row(&self, purpose: &str, index: usize, out: &mut [f32]) {
        let mut rng = seeded::rng(2, purpose, &[index as u64]);
        let centre = self.centres.row(rng.random_range(0..self.centres.rows()));
        let spread = self.noise * centre.iter().sum::<f32>() / centre.len() as f32 * 4.0;
        for (x, c) in out.iter_mut().zip(centre) {
            *x = (c + spread * (rng.random_range(0.0f32..1.0) - 0.5)).max(0.0);
        }
    }

    fn matrix(&self, purpose: &str, rows: usize) -> Matrix {
        let mut data = vec![0f32; rows * self.columns()];
        data.par_chunks_mut(self.columns()).enumerate().for_each(|(index, row)| self.row(purpose, index, row));
        Matrix::new(self.columns(), data)
    }
}

/// FAISS and hnswlib, kept running between repeats with the rows loaded.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(folder: &Path, gallery: &Matrix, queries: &Matrix, mask: &Mask) -> Option<Self> {
        let python = std::env::var("RAIN_PEER_PYTHON").ok()?;
        let write = |name: &str, matrix: &Matrix| {
            let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join(name)).ok()?);
            matrix.data.iter().try_for_each(|x| file.write_all(&x.to_le_bytes())).ok()
        };
        write("g", gallery)?;
        write("q", queries)?;
        let kept: Vec<u8> = (0..gallery.rows()).map(|row| u8::from(mask.contains(row))).collect();
        std::fs::write(folder.join("m"), kept).ok()?;
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer/search_faiss.py"))
            .arg(folder)
            .args(
                [gallery.rows(), gallery.columns, queries.rows(), rayon::current_num_threads()].map(|n| n.to_string()),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut peer = Self { child, input, output };
        let mut ready = String::new();
        peer.output.read_line(&mut ready).ok()?;
        (ready.trim() == "ready").then_some(peer)
    }

    fn tell(&mut self, what: &Value) -> Option<Value> {
        writeln!(self.input, "{what}").ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// The share of rows found, each query's ten, that are in truth as near as the tenth: by sums in double precision.
    fn recall<'a>(&mut self, found: impl Iterator<Item = Vec<&'a usize>>, filtered: bool) -> Option<f64> {
        let found: Vec<_> = found.collect();
        self.tell(&json!({ "op": "recall", "found": found, "filter": filtered }))?["recall"].as_f64()
    }

    fn ask(&mut self, what: &Value) -> Option<(f64, f64, Vec<HashSet<usize>>)> {
        let result = self.tell(what)?;
        let set =
            |ids: &Value| ids.as_array().into_iter().flatten().filter_map(|id| Some(id.as_u64()? as usize)).collect();
        let ids = result["ids"].as_array()?.iter().map(set).collect();
        Some((result["wall_s"].as_f64()?, result["cpu_s"].as_f64()?, ids))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Wall and processor seconds of one piece of work.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, f64, T) {
    let (start, before) = (Instant::now(), cpu_seconds().unwrap_or(0.0));
    let result = work();
    (start.elapsed().as_secs_f64(), cpu_seconds().unwrap_or(0.0) - before, result)
}

fn median(figures: Vec<f64>) -> f64 {
    Spread::of(figures).median
}

fn search(blocks: &[Block<'_>], queries: &Matrix, mask: Option<&Mask>) -> Vec<Answer> {
    let ask = Ask { queries, measure: Measure::Cosine, top: 10, mask };
    exact::search(blocks, &ask, &AtomicBool::new(false)).expect("answers")
}

/// The share of `expected` that is among the answers.
fn recall(answers: &[Answer], expected: &[HashSet<usize>]) -> f64 {
    let found = answers.iter().zip(expected).map(|(a, e)| a.hits.iter().filter(|hit| e.contains(&hit.entry)).count());
    found.sum::<usize>() as f64 / expected.iter().map(HashSet::len).sum::<usize>().max(1) as f64
}

fn folder() -> (Option<tempfile::TempDir>, PathBuf) {
    match std::env::var_os("RAIN_BENCH_FOLDER") {
        Some(path) => (None, PathBuf::from(path)),
        None => {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().to_path_buf();
            (Some(folder), path)
        }
    }
}

fn exact_search() {
    let (rows, columns) = (setting("RAIN_BENCH_ROWS", 100_000), setting("RAIN_BENCH_COLUMNS", 2048));
    let source = Source::new(columns, rows);
    let (gallery, queries) = (source.matrix("gallery", rows), source.matrix("query", 64));
    let mask = Mask::of(rows, seeded_bit);
    println!(
        "exact top 10 of {rows} x {} numbers, {} threads, {} kernel; medians",
        source.columns(),
        rayon::current_num_threads(),
        exact::kernel_name()
    );
    let (_keep, folder) = folder();
    let mut peer = Peer::start(&folder, &gallery, &queries, &mask);
    let coded = Coded::new(gallery);
    let blocks = [coded.block()];
    for (count, filtered) in [(1, false), (64, false), (1, true), (64, true)] {
        let kept = filtered.then_some(&mask);
        // One query at a time: sixteen different ones, one after the other.
        let some = queries.select(&(0..if count == 1 { 16 } else { 64 }).collect::<Vec<_>>());
        let run = || -> Vec<Answer> {
            if count == 1 {
                (0..some.rows()).flat_map(|q| search(&blocks, &some.select(&[q]), kept)).collect()
            } else {
                search(&blocks, &some, kept)
            }
        };
        run();
        let (mut ours, mut theirs) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let (mut compared, mut recalled) = (0, None);
        for _ in 0..setting("RAIN_BENCH_ROUNDS", 5) {
            let (wall, cpu, answers) = timed(run);
            ours[0].push(wall);
            ours[1].push(cpu);
            compared = answers.iter().map(|a| a.compared).sum::<usize>() / answers.len();
            let ask = json!({ "op": "flat", "queries": some.rows(), "each": count == 1, "filter": filtered });
            if let Some((wall, cpu, ids)) = peer.as_mut().and_then(|peer| peer.ask(&ask)) {
                theirs[0].push(wall);
                theirs[1].push(cpu);
                if recalled.is_none() {
                    let hits = answers.iter().map(|answer| answer.hits.iter().map(|hit| &hit.entry).collect());
                    let of = |peer: &mut Peer| {
                        Some([
                            peer.recall(hits, filtered)?,
                            peer.recall(ids.iter().map(|ids| ids.iter().collect()), filtered)?,
                        ])
                    };
                    recalled = peer.as_mut().and_then(of);
                }
            }
        }
        let calls = if count == 1 { 16.0 } else { 1.0 };
        let [ours, theirs] = [ours, theirs].map(|both| both.map(|figures| 1e3 * median(figures) / calls));
        let what = format!(
            "{count} quer{}{}",
            if count == 1 { "y" } else { "ies" },
            if filtered { ", filter 1/8" } else { "" }
        );
        print!("{what:24} ours {:7.2} ms wall {:7.2} ms CPU, {compared} compared", ours[0], ours[1]);
        match recalled {
            Some([our_recall, their_recall]) => println!(
                "  FAISS {:8.2} ms wall {:8.2} ms CPU  ratio {:.3} wall {:.3} CPU  recall {our_recall:.4}, FAISS {their_recall:.4}",
                theirs[0],
                theirs[1],
                ours[0] / theirs[0],
                ours[1] / theirs[1]
            ),
            None => println!(),
        }
    }
}

fn seeded_bit(row: usize) -> bool {
    seeded::rng(3, "mask", &[row as u64]).random_range(0..8) == 0
}

/// Writes a gallery on disk, as `rain index add` does it, and says how long a row took.
fn write_gallery(folder: &Path, source: &Source, rows: usize, precision: Precision) -> f64 {
    let maker = Maker { model: "0123456789ab".into(), height: 256, width: 128, columns: source.columns() };
    let segment_rows = rain::gallery::store::SEGMENT_ROWS;
    let mut writer = Writer::create(folder, &Header { maker, precision, segment_rows }, "bench").expect("a gallery");
    let mut seconds = 0.0;
    for first in (0..rows).step_by(4096) {
        let count = 4096.min(rows - first);
        let mut vectors = vec![vec![0f32; source.columns()]; count];
        vectors.par_iter_mut().enumerate().for_each(|(i, vector)| source.row("gallery", first + i, vector));
        let change = |(i, vector): (usize, Vec<f32>)| {
            let row = first + i;
            let path = PathBuf::from(format!("/images/camera-{}/{row:08}.jpg", row % 16));
            let hash = rain::gallery::store::ContentHash::of(&(row as u64).to_le_bytes());
            let record = Record { path, hash, camera: (row % 16) as i64, identity: -1, ..Record::default() };
            Change::Add { record, vector, thumbnail: Vec::new() }
        };
        let changes: Vec<Change> = vectors.into_iter().enumerate().map(change).collect();
        seconds += timed(|| writer.commit(&changes).expect("a commit")).0;
    }
    seconds / rows as f64
}

/// Kibibytes that a line of this process's status tells.
fn status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0)
}

/// Reads all codes once, by as many threads as a search has, and does next to nothing with them.
fn read_codes(blocks: &[Block<'_>]) -> u64 {
    let sum = |chunk: &[u8]| {
        // SAFETY: any bytes are numbers.
        let (_, words, _) = unsafe { chunk.align_to::<[u64; 8]>() };
        words.iter().fold([0u64; 8], |sum, line| std::array::from_fn(|i| sum[i] ^ line[i])).iter().fold(0, |a, b| a ^ b)
    };
    blocks.iter().map(|block| block.codes.par_chunks(2 << 20).map(sum).reduce(|| 0, |a, b| a ^ b)).fold(0, |a, b| a ^ b)
}

fn on_disk() {
    let (rows, columns) = (setting("RAIN_BENCH_ROWS", 1_000_000), setting("RAIN_BENCH_COLUMNS", 2048));
    let source = Source::new(columns, rows.min(200_000));
    let (_keep, folder) = folder();
    let folder = folder.join("gallery");
    if !folder.exists() {
        let each = write_gallery(&folder, &source, rows, Precision::F16);
        println!("writing: {:.1} µs a row", each * 1e6);
    }
    let queries = source.matrix("query", 16);
    drop(source);
    let opens: Vec<f64> = (0..5).map(|_| timed(|| Store::open(&folder).expect("a gallery")).0).collect();
    println!("opening {rows} x {columns}: {:.1} ms, the first {:.1} ms", 1e3 * median(opens.clone()), 1e3 * opens[0]);
    let store = Store::open(&folder).expect("a gallery");
    let blocks = store.blocks();
    let first = timed(|| search(&blocks, &queries.select(&[0]), Some(store.live()))).0;
    println!("the first query: {:.1} ms", 1e3 * first);
    let (mut ours, mut cpus, mut reading) = (Vec::new(), Vec::new(), Vec::new());
    read_codes(&blocks);
    for q in 0..queries.rows() {
        reading.push(timed(|| std::hint::black_box(read_codes(&blocks))).0);
        let (wall, cpu, _) = timed(|| search(&blocks, &queries.select(&[q]), Some(store.live())));
        ours.push(wall);
        cpus.push(cpu);
    }
    let (ours, cpu, reading) = (median(ours), median(cpus), median(reading));
    let [vectors, codes, scales] = store.mapped_bytes().map(|bytes| mib(bytes as u64));
    println!(
        "one query {:.1} ms wall {:.1} ms CPU, reading the codes {:.1} ms ({:.1} GB/s): ratio {:.2}",
        1e3 * ours,
        1e3 * cpu,
        1e3 * reading,
        codes / 1024.0 * 1.0737 / reading,
        ours / reading
    );
    let batch = timed(|| search(&blocks, &queries, None)).0;
    println!("{} queries together {:.1} ms", queries.rows(), 1e3 * batch);
    println!(
        "resident {:.0} MiB: own memory {:.0} MiB, mapped {:.0} MiB of files (embeddings {vectors:.0}, codes {codes:.0}, scales {scales:.0} MiB)",
        status("VmRSS:") / 1024.0,
        status("RssAnon:") / 1024.0,
        status("RssFile:") / 1024.0
    );
    let labels = timed(|| store.labels().expect("labels"));
    println!("labels of all rows: {:.0} ms", 1e3 * labels.0);
}

/// Approximate search against hnswlib at equal recall, and usearch beside them; the peers' rows are normalised f32.
fn approximate_search() {
    let (rows, columns) = (setting("RAIN_BENCH_ROWS", 100_000), setting("RAIN_BENCH_COLUMNS", 256));
    let source = Source::new(columns, rows);
    let (gallery, queries) = (source.matrix("gallery", rows), source.matrix("query", 1000));
    println!("approximate top 10 of {rows} x {} numbers, {} threads", source.columns(), rayon::current_num_threads());
    let (_keep, folder) = folder();
    let mut peer = Peer::start(&folder, &gallery, &queries, &Mask::all(rows));
    let coded = Coded::new(gallery);
    let blocks = [coded.block()];
    let expected: Vec<HashSet<usize>> =
        search(&blocks, &queries, None).iter().map(|a| a.hits.iter().map(|hit| hit.entry).collect()).collect();
    let never = AtomicBool::new(false);
    let (wall, cpu, built) = timed(|| {
        Approximate::build(&blocks, Measure::Cosine, Settings::default(), &mut |_, _| Flow::Continue).expect("a graph")
    });
    println!(
        "build: ours {wall:.1} s wall {cpu:.1} s CPU (choosing the width included), {:.0} MiB",
        mib(built.bytes() as u64)
    );
    println!("ours by itself: {:?}", built.about());
    if let Some((wall, cpu, _)) = peer.as_mut().and_then(|p| p.ask(&json!({ "op": "build", "m": 16, "ef": 200 }))) {
        println!("build: hnswlib {wall:.1} s wall {cpu:.1} s CPU (M 16, ef 200)");
    }
    let ask = Ask { queries: &queries, measure: Measure::Cosine, top: 10, mask: None };
    let widths = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384];
    for width in widths {
        let run = || built.search_wide(&blocks, &ask, width, &never).expect("answers");
        let recalled = recall(&run(), &expected);
        let (mut ours, mut cpus) = (Vec::new(), Vec::new());
        let mut theirs = None;
        for _ in 0..setting("RAIN_BENCH_ROUNDS", 5) {
            let (wall, cpu, _) = timed(run);
            ours.push(wall);
            cpus.push(cpu);
            theirs = peer.as_mut().and_then(|p| p.ask(&json!({ "op": "hnsw", "ef": width, "repeats": 1 }))).or(theirs);
        }
        let each = 1e6 / queries.rows() as f64;
        print!(
            "width {width:4}: ours {:6.1} µs wall {:6.1} µs CPU recall {recalled:.4}",
            each * median(ours),
            each * median(cpus)
        );
        match theirs {
            Some((wall, cpu, ids)) => {
                let shared = ids.iter().zip(&expected).map(|(a, b)| a.intersection(b).count()).sum::<usize>();
                let recalled = shared as f64 / (10 * expected.len()) as f64;
                println!("  hnswlib {:6.1} µs wall {:6.1} µs CPU recall {recalled:.4}", each * wall, each * cpu);
            }
            None => println!(),
        }
    }
    if std::env::var_os("RAIN_BENCH_USEARCH").is_some() {
        usearch_search(coded.matrix(), &queries, &expected);
    }
}

/// usearch in f16, as the crate comes.
fn usearch_search(gallery: &Matrix, queries: &Matrix, expected: &[HashSet<usize>]) {
    use usearch::{Index, IndexOptions, MetricKind, ScalarKind};
    let options = IndexOptions {
        dimensions: gallery.columns,
        metric: MetricKind::Cos,
        quantization: ScalarKind::F16,
        connectivity: 16,
        expansion_add: 200,
        expansion_search: 64,
        multi: false,
    };
    let index = Index::new(&options).expect("an index");
    index.reserve_capacity_and_threads(gallery.rows(), rayon::current_num_threads()).expect("memory");
    let (wall, cpu, ()) = timed(|| {
        (0..gallery.rows()).into_par_iter().for_each(|row| index.add(row as u64, gallery.row(row)).expect("a row"));
    });
    println!("build: usearch {wall:.1} s wall {cpu:.1} s CPU");
    for width in [32, 64, 128, 256] {
        index.change_expansion_search(width);
        let (wall, cpu, found) = timed(|| {
            let one = |q: usize| index.search(queries.row(q), 10).expect("answers").keys;
            (0..queries.rows()).into_par_iter().map(one).collect::<Vec<_>>()
        });
        let right: usize =
            found.iter().zip(expected).map(|(f, e)| f.iter().filter(|&&k| e.contains(&(k as usize))).count()).sum();
        let each = 1e6 / queries.rows() as f64;
        println!(
            "width {width:4}: usearch {:.1} µs wall {:.1} µs CPU recall {:.4}",
            each * wall,
            each * cpu,
            right as f64 / (10 * expected.len()) as f64
        );
    }
}

/// What each size costs, on disk, as `rain index` keeps it.
fn table() {
    let columns = setting("RAIN_BENCH_COLUMNS", 2048);
    println!(
        "rows | MiB on disk | add a row | open | exact, 1 query | exact, 64 | graph, build | graph, 1 query | recall | own memory"
    );
    let sizes = setting("RAIN_BENCH_FROM", 0)..=setting("RAIN_BENCH_ROWS", 100_000);
    for rows in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|rows| sizes.contains(rows)) {
        let source = Source::new(columns, rows.min(200_000));
        let (_keep, folder) = folder();
        let folder = folder.join(format!("gallery-{rows}"));
        let each = write_gallery(&folder, &source, rows, Precision::F16);
        let queries = source.matrix("query", 64);
        drop(source);
        let open = median((0..5).map(|_| timed(|| Store::open(&folder).expect("a gallery")).0).collect());
        let store = Store::open(&folder).expect("a gallery");
        let blocks = store.blocks();
        search(&blocks, &queries, None);
        let one = median((0..16).map(|q| timed(|| search(&blocks, &queries.select(&[q]), None)).0).collect());
        let many = median((0..3).map(|_| timed(|| search(&blocks, &queries, None)).0).collect());
        let start = Instant::now();
        let mut tell = |done: u64, all: u64| {
            eprint!("\rgraph: {done} of {all} after {:.0} s", start.elapsed().as_secs_f64());
            Flow::Continue
        };
        let (build, _, graph) = timed(|| Approximate::build_for(&store, Measure::Cosine, &mut tell).expect("a graph"));
        let never = AtomicBool::new(false);
        let walk = |q: usize| {
            let one = queries.select(&[q]);
            let ask = Ask { queries: &one, measure: Measure::Cosine, top: 10, mask: None };
            timed(|| graph.search(&blocks, &ask, &never).expect("answers")).0
        };
        let _warm_up: f64 = (0..16).map(walk).sum();
        let walk = median((0..64).map(walk).collect());
        println!(
            "{rows} | {:.0} | {:.0} µs | {:.1} ms | {:.2} ms | {:.1} ms | {build:.1} s | {:.2} ms | {:.3} | {:.0} MiB",
            store.mapped_bytes().iter().map(|&bytes| mib(bytes as u64)).sum::<f64>(),
            1e6 * each,
            1e3 * open,
            1e3 * one,
            1e3 * many,
            1e3 * walk,
            graph.about().recall,
            status("RssAnon:") / 1024.0
        );
        drop(store);
        std::fs::remove_dir_all(&folder).expect("the gallery goes");
    }
}

fn main() {
    match std::env::var("RAIN_BENCH_WHAT").as_deref() {
        Ok("disk") => on_disk(),
        Ok("approximate") => approximate_search(),
        Ok("table") => table(),
        _ => exact_search(),
    }
}
