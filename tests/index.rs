//! Galleries on disk, through the real program: kill -9 at random moments, files that move, and what is refused.
//!
//! `RAIN_KILLS=50 RAIN_IMAGES=5000 cargo test --release --test index -- --nocapture` kills fifty times over five thousand
//! images; the default is four times over a few hundred.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use candle_core::Device;
use rain::data::pedestrians::{CrowdSettings, render_crowd};
use rain::gallery::approximate::Approximate;
use rain::gallery::distance::Measure;
use rain::gallery::exact::{self, Ask};
use rain::gallery::features::{Features, Origin};
use rain::gallery::matrix::Matrix;
use rain::gallery::store::Store;
use rain::model::{ModelConfig, Rain};
use serde_json::Value;

struct World {
    home: tempfile::TempDir,
}

impl World {
    /// At least `images` rendered people and a tiny model that nobody trained.
    fn new(images: usize) -> Self {
        let world = Self { home: tempfile::tempdir().expect("a temporary folder") };
        let crowd = CrowdSettings { identities: images.div_ceil(8).max(2), cameras: 4, images: 8, seed: 1 };
        render_crowd(&crowd, &world.people(), &mut |_, _| true).expect("the crowd is rendered");
        for seed in [1, 2] {
            let config = ModelConfig { depth: 18, base_width: 2, height: 64, width: 32, ..ModelConfig::default() };
            let model = Rain::new(config, seed, &Device::Cpu).expect("a model");
            model.save(&world.model(seed), &Value::Null).expect("a file");
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn people(&self) -> PathBuf {
        self.path("people")
    }

    fn model(&self, seed: u64) -> PathBuf {
        self.path(&format!("model-{seed}.safetensors"))
    }

    /// `rain index build` or, where there is a gallery, `add`.
    fn grow(&self, gallery: &Path, images: &Path) -> Command {
        let verb = if gallery.join("gallery.sqlite").exists() { "add" } else { "build" };
        let mut command = index(verb, gallery);
        command.arg("--model").arg(self.model(1)).arg("--images").arg(images).args(["--loose", "--commit", "16"]);
        command
    }
}

fn index(verb: &str, gallery: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    command.args(["--device", "cpu", "index", verb, "--json", "--gallery"]).arg(gallery);
    command
}

fn json(mut command: Command) -> Value {
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn refused(mut command: Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(!output.status.success(), "{command:?} should have failed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// All that a gallery holds, by path: content, labels, embedding to the last bit, thumbnail.
fn content(gallery: &Path) -> BTreeMap<PathBuf, String> {
    let store = Store::open(gallery).expect("a gallery");
    let mut all = BTreeMap::new();
    let mut rows = Vec::new();
    store
        .each(&mut |row, record| {
            rows.push((row, record));
            Ok(())
        })
        .expect("its records");
    for (row, record) in rows {
        let vector: Vec<u32> = store.vector(row).expect("a row").iter().map(|x| x.to_bits()).collect();
        let thumbnail = store.thumbnail(row).expect("a thumbnail");
        all.insert(record.path.clone(), format!("{record:?} {vector:?} {thumbnail:?}"));
    }
    all
}

/// A number below 1 that differs from run to run: this test looks for moments that nobody thought of.
fn chance() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    f64::from(now.subsec_nanos() % 1_000_003) / 1_000_003.0
}

#[test]
fn kill_9_at_random_moments_loses_nothing_and_embeds_nothing_twice() {
    let setting = |name: &str, default: usize| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (kills, images) = (setting("RAIN_KILLS", 4), setting("RAIN_IMAGES", 240));
    let world = World::new(images);
    let (whole, killed) = (world.path("whole"), world.path("killed"));
    let began = Instant::now();
    let uninterrupted = json(world.grow(&whole, &world.people()));
    let (takes, total) = (began.elapsed(), number(&uninterrupted, "embedded"));
    assert!(total >= images as u64 && number(&json(index("verify", &whole)), "rows") == total);

    let (mut rows, mut rounds, mut late) = (0, 0, 0);
    for kill in 1..=kills {
        // A gallery that is whole is begun anew.
        if rows == total {
            fs::remove_dir_all(&killed).expect("the gallery goes");
            (rows, rounds) = (0, rounds + 1);
        }
        let left = takes.mul_f64(1.1 - rows as f64 / total as f64);
        let time = left.mul_f64(chance());
        let mut command = world.grow(&killed, &world.people());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        std::thread::sleep(time);
        let running = child.try_wait().expect("the child can be asked").is_none();
        child.kill().expect("the child can be killed"); // SIGKILL on Unix: no handler runs
        child.wait().expect("the child ends");
        late += usize::from(!running);
        if !killed.join("gallery.sqlite").exists() {
            println!("kill {kill}: after {time:.2?}, before there was a gallery");
            continue;
        }
        let found = json(index("verify", &killed));
        let now = number(&found, "rows");
        assert!(now >= rows && found["problems"] == serde_json::json!([]), "kill {kill}: {found}");
        println!("kill {kill}: after {time:.2?}, {now} of {total} rows, {} bytes left over", found["left_over"]);
        rows = now;
    }
    println!("{kills} kills in {} galleries, {late} of them too late", rounds + 1);
    let rest = json(world.grow(&killed, &world.people()));
    assert_eq!(number(&rest, "embedded"), total - rows, "what was saved is not embedded again");
    assert_eq!(number(&json(index("verify", &killed)), "rows"), total);
    assert!(content(&killed) == content(&whole), "the galleries differ");
}

fn wait_a_tick() {
    // Files that are changed twice within the clock's step would look untouched.
    std::thread::sleep(Duration::from_millis(20));
}

#[test]
fn files_that_move_change_go_and_come_back_are_recognised() {
    let world = World::new(24);
    let (gallery, folder) = (world.path("gallery"), world.path("images"));
    let source = world.people().join("bounding_box_train");
    let mut names: Vec<_> = fs::read_dir(&source).expect("images").map(|e| e.expect("an entry").file_name()).collect();
    names.sort();
    fs::create_dir_all(folder.join("inside")).expect("a folder");
    for name in &names[..6] {
        fs::copy(source.join(name), folder.join(name)).expect("a copy");
    }
    fs::write(folder.join("broken.jpg"), "no image").expect("a file");
    let at = |name: &std::ffi::OsStr| folder.join(name);
    let figures = |summary: &Value| ["embedded", "recognised", "unchanged", "removed"].map(|key| number(summary, key));

    let built = json(world.grow(&gallery, &folder));
    assert_eq!((figures(&built), built["broken"].as_array().map(Vec::len)), ([6, 0, 0, 0], Some(1)));
    let again = json(world.grow(&gallery, &folder));
    assert_eq!((figures(&again), &again["broken"]), ([0, 0, 6, 0], &serde_json::json!([])));

    // One moved, one copied, one touched, one changed, one deleted, one new.
    wait_a_tick();
    let before = content(&gallery);
    fs::rename(at(&names[0]), folder.join("inside").join("moved.jpg")).expect("a move");
    fs::copy(at(&names[1]), folder.join("inside").join("copy.jpg")).expect("a copy");
    fs::write(at(&names[2]), fs::read(at(&names[2])).expect("a file")).expect("a touch");
    fs::copy(source.join(&names[6]), at(&names[3])).expect("a change");
    fs::remove_file(at(&names[4])).expect("a removal");
    fs::copy(source.join(&names[7]), at(&names[7])).expect("a new one");
    let changed = json(world.grow(&gallery, &folder));
    assert_eq!(figures(&changed), [2, 3, 2, 2], "{changed}");
    let after = content(&gallery);
    assert_eq!(after.len(), 7);
    let embedding = |all: &BTreeMap<PathBuf, String>, path: PathBuf| {
        let text = all.get(&path).unwrap_or_else(|| panic!("{} is there", path.display())).clone();
        text[text.find("} [").expect("an embedding")..].to_string()
    };
    assert_eq!(embedding(&after, folder.join("inside/moved.jpg")), embedding(&before, at(&names[0])));
    assert_eq!(embedding(&after, folder.join("inside/copy.jpg")), embedding(&before, at(&names[1])));
    assert_ne!(embedding(&after, at(&names[3])), embedding(&before, at(&names[3])));

    // What went comes back, elsewhere; and many copies of something new are embedded once.
    wait_a_tick();
    fs::copy(source.join(&names[4]), folder.join("inside").join("back.jpg")).expect("a copy");
    for n in 0..40 {
        fs::copy(source.join(&names[8]), folder.join(format!("same-{n:02}.jpg"))).expect("a copy");
    }
    let back = json(world.grow(&gallery, &folder));
    assert_eq!(figures(&back), [1, 40, 7, 0], "{back}");
    assert_eq!(embedding(&content(&gallery), folder.join("inside/back.jpg")), embedding(&before, at(&names[4])));
    // A folder that is suddenly empty may be a disk that is not connected.
    fs::rename(&folder, world.path("elsewhere")).expect("a move");
    assert!(refused(world.grow(&gallery, &folder)).contains("Check the path"));
    fs::create_dir(&folder).expect("an empty folder");
    assert_eq!(figures(&json(world.grow(&gallery, &folder))), [0, 0, 0, 0]);
    assert_eq!(content(&gallery).len(), 48);
    assert_eq!(json(index("verify", &gallery))["problems"], serde_json::json!([]));
}

#[test]
fn it_searches_exactly_as_rain_search_does_and_filters() {
    let world = World::new(64);
    let (gallery, images) = (world.path("gallery"), world.people().join("bounding_box_test"));
    let query =
        fs::read_dir(world.people().join("query")).expect("queries").next().expect("one").expect("an entry").path();
    let mut build = world.grow(&gallery, &images);
    build.args(["--precision", "f32"]);
    let total = number(&json(build), "embedded");
    let search = |more: &[&str]| {
        let mut command = index("search", &gallery);
        command.arg("--model").arg(world.model(1)).arg("--query").arg(&query).args(["--top", "7"]).args(more);
        json(command)
    };
    let candidates = |found: &Value| found["queries"][0]["candidates"].as_array().expect("candidates").clone();
    let mut plain = Command::new(env!("CARGO_BIN_EXE_rain"));
    plain.args(["--device", "cpu", "search", "--json", "--top", "7", "--model"]).arg(world.model(1));
    let plain = json({
        plain.arg("--gallery").arg(&images).arg("--query").arg(&query);
        plain
    });
    let found = search(&[]);
    assert_eq!((number(&found, "searched"), number(&found, "rows")), (total, total));
    for (ours, theirs) in candidates(&found).iter().zip(candidates(&plain)) {
        for key in ["rank", "path", "identity", "camera"] {
            assert_eq!(ours[key], theirs[key]);
        }
        let distance = |v: &Value| v["distance"].as_f64().expect("a distance");
        assert!((distance(ours) - distance(&theirs)).abs() < 1e-5);
    }
    let nearest = candidates(&found)[0].clone();
    let its = nearest["camera"].clone();
    let camera = its.to_string();
    let only = candidates(&search(&["--camera", &camera]));
    assert!(!only.is_empty() && only.iter().all(|c| c["camera"] == its), "{only:?}");
    assert_eq!(only[0]["path"], nearest["path"]);
    assert!(candidates(&search(&["--not-camera", &camera])).iter().all(|c| c["camera"] != its));
    let path = nearest["path"].as_str().expect("a path");
    assert!(candidates(&search(&["--exclude", path]))[0]["row"] == candidates(&found)[1]["row"]);
    assert_eq!(number(&search(&["--after", "2020-01-01T00:00:00Z"]), "searched"), 0);

    // Out to the formats of others, and back in.
    for name in ["out.safetensors", "out.npy"] {
        let (file, copy) = (world.path(name), world.path(&format!("{name}.gallery")));
        let mut export = index("export", &gallery);
        export.arg("--out").arg(&file);
        assert_eq!(number(&json(export), "rows"), total);
        let mut import = index("build", &copy);
        import.arg("--from").arg(&file).arg("--model").arg(world.model(1)).args(["--precision", "f32"]);
        assert_eq!(number(&json(import), "rows"), total);
        let mut command = index("search", &copy);
        command.arg("--model").arg(world.model(1)).arg("--query").arg(&query).args(["--top", "7"]);
        let again = candidates(&json(command));
        assert!(again.iter().zip(candidates(&found)).all(|(a, b)| a["distance"] == b["distance"]));
    }
}

#[test]
fn what_cannot_work_is_refused_with_the_way_out() {
    let world = World::new(16);
    let gallery = world.path("gallery");
    json(world.grow(&gallery, &world.people()));
    let with = |verb: &str, model: u64| {
        let mut command = index(verb, &gallery);
        command.arg("--model").arg(world.model(model));
        command
    };
    let other = refused(with("add", 2));
    assert!(other.contains("made by another model") && other.contains("rain index build"), "{other}");
    let mut search = with("search", 2);
    search.arg("--query").arg(world.people());
    assert!(refused(search).contains("made by another model"));
    let mut twice = with("build", 1);
    twice.arg("--images").arg(world.people());
    assert!(refused(twice).contains("rain index add"));
    assert!(refused(index("verify", &world.path("nothing"))).contains("rain index build"));
    assert_eq!(number(&json(with("add", 1)), "embedded"), 0, "the folders are remembered");
    let info = json(index("info", &gallery));
    assert_eq!(number(&info, "images"), number(&info, "rows"));
    let rows = gallery.join("segments/000000.rows");
    let mut bytes = fs::read(&rows).expect("rows");
    let inside = bytes.len() - 100;
    bytes[inside] ^= 1;
    fs::write(&rows, bytes).expect("damage");
    let damaged = refused(index("verify", &gallery));
    assert!(damaged.contains("this gallery is damaged"), "{damaged}");
}

#[test]
fn rain_search_takes_a_gallery_on_disk_and_searches_it_by_its_index() {
    let world = World::new(64);
    let gallery = world.path("gallery");
    let total = number(&json(world.grow(&gallery, &world.people().join("bounding_box_test"))), "embedded");
    let query =
        fs::read_dir(world.people().join("query")).expect("queries").next().expect("one").expect("an entry").path();
    let search = |model: u64, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
        command.args(["--device", "cpu", "search", "--json", "--model"]).arg(world.model(model));
        command.arg("--gallery").arg(&gallery).arg("--query").arg(&query).args(more);
        command
    };
    let exact = json(search(1, &[]));
    assert_eq!((number(&exact, "gallery_size"), &exact["exact"]), (total, &Value::Bool(true)));
    let candidates = exact["queries"][0]["candidates"].as_array().expect("candidates");
    assert!(candidates.len() == 10 && candidates[0]["path"].is_string(), "{exact}");
    assert!(refused(search(2, &[])).contains("made by another model"));
    for missing in [search(1, &["--approximate"]), {
        let mut command = index("search", &gallery);
        command.arg("--model").arg(world.model(1)).arg("--query").arg(&query).arg("--approximate");
        command
    }] {
        assert!(refused(missing).contains("rain index approximate --measure cosine"));
    }
    let built = json(index("approximate", &gallery));
    assert_eq!((number(&built, "rows"), number(&built, "sample")), (total, 0), "so few are all compared");
    let found = json(search(1, &["--approximate"]));
    assert_eq!(found["queries"], exact["queries"]);
    assert_eq!((&found["exact"], &found["recall"]), (&Value::Bool(false), &serde_json::json!(1.0)));
    // In a folder of images there is no index.
    let mut folder = search(1, &["--approximate"]);
    folder.arg("--gallery").arg(world.people().join("query"));
    assert!(!folder.output().expect("the program starts").status.success());
}

#[test]
fn the_index_of_a_large_gallery_finds_what_it_says() {
    let world = World { home: tempfile::tempdir().expect("a temporary folder") };
    let (rows, columns) = (6000, 32);
    let mut state = 7u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut data = Vec::new();
    for _ in 0..rows / 8 {
        let centre: Vec<f32> = (0..columns).map(|_| 3.0 * random()).collect();
        (0..8).for_each(|_| data.extend(centre.iter().map(|x| x + 0.6 * random())));
    }
    let features = Features {
        matrix: Matrix::new(columns, data),
        identity: vec![-1; rows],
        camera: vec![-1; rows],
        origin: Origin { model: "0123456789ab".into(), height: 64, width: 32, ..Origin::default() },
    };
    let (file, gallery) = (world.path("f.safetensors"), world.path("gallery"));
    features.write(&file).expect("a file");
    let mut build = index("build", &gallery);
    build.arg("--from").arg(&file);
    assert_eq!(number(&json(build), "rows"), rows as u64);
    let built = json(index("approximate", &gallery));
    let recall = built["recall"].as_f64().expect("a recall");
    assert!(recall >= 0.98 && number(&built, "sample") == 256, "{built}");
    // The same figure from outside.
    let store = Store::open(&gallery).expect("a gallery");
    let graph = Approximate::open(&store, Measure::Cosine).expect("a sound index").expect("an index");
    let (queries, never) = (features.matrix.select(&[1, 700, 1999, 3500, 5998]), AtomicBool::new(false));
    let ask = Ask { queries: &queries, measure: Measure::Cosine, top: 10, mask: None };
    let found = graph.search(&store.blocks(), &ask, &never).expect("an answer");
    let expected = exact::search(&store.blocks(), &ask, &never).expect("an answer");
    let same = found.iter().zip(&expected).map(|(a, b)| a.hits.iter().filter(|hit| b.hits.contains(hit)).count());
    assert!(same.sum::<usize>() >= 47, "of 50");
}
