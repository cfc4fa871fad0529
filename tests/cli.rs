//! The real binary, end to end: rendered people, a few training steps, and every subcommand on what they made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use candle_core::Device;
use rain::model::Rain;
use serde_json::Value;

/// A crowd in Market-1501's layout and a tiny model trained on it for a few steps, made once for all tests.
struct World {
    folder: PathBuf,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    // Cargo's own folder for the files of tests; a static is never dropped, so the last run's are removed here.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the last run's files can go");
    }
    fs::create_dir_all(&folder).expect("a new folder");
    let world = World { folder };
    let (crowd, run) = (world.path("crowd"), world.path("run"));
    ok(rain(&["pedestrians", "--identities", "12", "--cameras", "2"])
        .args(["--images", "4", "--seed", "3", "--out"])
        .arg(&crowd));
    let mut train = rain(&["train", "--preset", "demo", "--data"]);
    train.arg(&crowd).arg("--run").arg(&run);
    for setting in [
        "model.base_width=4",
        "model.height=64",
        "model.width=32",
        "data.identities=4",
        "data.images=2",
        "schedule.epochs=2",
        "schedule.warmup_epochs=1",
        "schedule.validate_every=0",
    ] {
        train.args(["--set", setting]);
    }
    ok(&mut train);
    world
});

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn model(&self) -> PathBuf {
        self.path("run/model.safetensors")
    }

    fn gallery(&self) -> PathBuf {
        self.path("crowd/bounding_box_test")
    }

    fn query(&self) -> PathBuf {
        let mut files = list(&self.path("crowd/query"));
        files.remove(0)
    }

    /// A fresh folder for one test.
    fn scratch(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).expect("a new folder");
        path
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.sort();
    files
}

fn rain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    command.args(["--device", "cpu"]).args(arguments);
    command
}

fn ok(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {said}");
    String::from_utf8(stdout).expect("UTF-8")
}

fn json(command: &mut Command) -> Value {
    let text = ok(command.arg("--json"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{command:?}: {e}: {text}"))
}

/// Exit status 1 and one paragraph that names `file` and says what to do.
fn refused(command: &mut Command, file: &Path) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{command:?}: {said}");
    assert!(stdout.is_empty(), "{command:?} printed a result");
    assert!(!said.contains("panicked"), "{said}");
    let error = said.lines().last().unwrap_or_default();
    assert!(error.starts_with("Error: "), "{said}");
    assert!(error.contains(&file.display().to_string()), "{said}");
    assert!(error.ends_with('.'), "one paragraph of sentences: {said}");
    let sentences = error.matches(". ").count();
    assert!(sentences >= 1, "a problem, then a remedy: {said}");
    error.into()
}

#[test]
fn embed_and_rank_agree_with_eval() {
    let features = |part: &str| {
        let out = WORLD.path(&format!("{part}.safetensors"));
        let images = WORLD.path("crowd").join(part);
        let mut embed = rain(&["embed", "--model"]);
        embed.arg(WORLD.model()).arg("--images").arg(images);
        let summary = json(embed.arg("--out").arg(&out));
        assert_eq!((&summary["images"], &summary["dimensions"]), (&12.into(), &32.into()));
        out
    };
    let (query, gallery) = (features("query"), features("bounding_box_test"));
    let mut rank = rain(&["rank", "--query-features"]);
    let ranked = json(rank.arg(query).arg("--gallery-features").arg(gallery));
    let mut eval = rain(&["eval", "--rates", "1,4", "--model"]);
    let judged = json(eval.arg(WORLD.model()).arg("--data").arg(WORLD.path("crowd")));
    let rates = &judged["evaluation"]["rates"];
    assert_eq!(rates[1]["rate"], 4.0);
    let percent = |share: &Value| 100.0 * share.as_f64().expect("a share");
    let close = |a: f64, b: &Value| (a - b.as_f64().expect("a figure")).abs() < 1e-3;
    assert!(close(percent(&ranked["map"]), &rates[0]["map"]), "{ranked} {judged}");
    assert!(close(percent(&ranked["cmc"]["1"]), &rates[0]["rank1"]), "{ranked} {judged}");
}

#[test]
fn a_model_that_says_so_searches_with_the_mirror_image_too() {
    let both = WORLD.path("mirror.safetensors");
    let model = Rain::open(&WORLD.model(), &Device::Cpu).expect("a model").with_mirror(true);
    model.save(&both, &Value::Null).expect("a file");
    let judged = |model: &Path, words: &[&str]| {
        let mut eval = rain(&["eval", "--rates", "1,4", "--model"]);
        let told = json(eval.arg(model).arg("--data").arg(WORLD.path("crowd")).args(words));
        told["evaluation"]["rates"].clone()
    };
    let (plain, mirrored) = (judged(&WORLD.model(), &[]), judged(&both, &[]));
    assert_ne!(plain, mirrored);
    assert_eq!(judged(&WORLD.model(), &["--mirror", "true"]), mirrored);
    assert_eq!(judged(&both, &["--mirror", "false"]), plain);
    let info = rain(&["info", "--model"]).arg(&both).output().expect("the program starts");
    assert!(String::from_utf8_lossy(&info.stdout).contains("mirror image"));
}

#[test]
fn search_ranks_the_gallery() {
    let mut search = rain(&["search", "--top", "12", "--model"]);
    search.arg(WORLD.model()).arg("--gallery").arg(WORLD.gallery());
    search.arg("--query").arg(WORLD.query()).arg(&list(&WORLD.gallery())[0]);
    let found = json(&mut search);
    assert_eq!(found["gallery_size"], 12);
    let queries = found["queries"].as_array().expect("queries");
    assert_eq!(queries.len(), 2);
    for query in queries {
        let candidates = query["candidates"].as_array().expect("candidates");
        let distances: Vec<f64> = candidates.iter().map(|c| c["distance"].as_f64().expect("a number")).collect();
        assert_eq!(distances.len(), 12);
        assert!(distances.is_sorted(), "{distances:?}");
        let first = candidates.iter().position(|c| c["same"] == true).expect("the person");
        assert_eq!(query["first_same"], first + 1);
    }
    assert!(queries[1]["candidates"][0]["distance"].as_f64().expect("a number") < 1e-5, "itself");
    let text = ok(rain(&["search", "--measure", "euclidean", "--top", "3", "--model"])
        .arg(WORLD.model())
        .arg("--gallery")
        .arg(WORLD.path("crowd"))
        .arg("--query")
        .arg(WORLD.query()));
    assert!(text.contains("nearest 3 of 12") && text.contains("Euclidean distance"), "{text}");
}

#[test]
fn a_search_of_a_part_of_the_gallery_returns_nothing_else() {
    let mut search =
        rain(&["search", "--camera", "2", "--max-distance", "1.5", "--min-height", "8", "--rerank", "--model"]);
    search.arg(WORLD.model()).arg("--gallery").arg(WORLD.gallery()).arg("--query").arg(WORLD.query());
    let found = json(&mut search);
    assert_eq!((&found["filter"]["cameras"], &found["reranked"]), (&serde_json::json!([2]), &true.into()));
    let query = &found["queries"][0];
    let candidates = query["candidates"].as_array().expect("candidates");
    assert_eq!(query["passing"], candidates.len());
    assert!(!candidates.is_empty() && candidates.iter().all(|c| c["camera"] == 2), "{candidates:?}");
    let mut wrong = rain(&["search", "--from", "yesterday", "--model", "m", "--gallery", "g", "--query", "q"]);
    let said = String::from_utf8(wrong.output().expect("the program starts").stderr).expect("UTF-8");
    assert!(said.contains("a time looks like"), "{said}");
}

#[test]
fn reconstructions_say_what_they_are() {
    let out = WORLD.path("reconstructions");
    let mut reconstruct = rain(&["reconstruct", "--model"]);
    reconstruct.arg(WORLD.model()).arg("--images").arg(WORLD.query());
    let text = ok(reconstruct.arg("--out").arg(&out));
    assert!(text.contains("reconstruction, not evidence"), "{text}");
    let files = list(&out);
    assert_eq!(files.len(), 1);
    assert!(files[0].display().to_string().ends_with("-reconstruction.png"));
    assert_eq!(image::image_dimensions(&files[0]).expect("a PNG"), (32, 64));
}

#[test]
fn broken_images_are_named_and_the_others_used() {
    let folder = WORLD.scratch("partly broken");
    fs::copy(WORLD.query(), folder.join("good.jpg")).expect("a copy");
    fs::write(folder.join("text.jpg"), "not an image").expect("a file");
    let whole = fs::read(WORLD.query()).expect("a file");
    fs::write(folder.join("cut.jpg"), &whole[..whole.len() / 2]).expect("a file");
    image::RgbImage::new(1, 1).save(folder.join("dot.png")).expect("a PNG");
    fs::write(folder.join("huge.png"), huge_png()).expect("a file");
    let mut search = rain(&["search", "--json", "--model"]);
    search.arg(WORLD.model()).arg("--gallery").arg(WORLD.gallery());
    let output = search.arg("--query").arg(&folder).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("panicked"), "{said}");
    for name in ["text.jpg", "cut.jpg", "huge.png"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let used = found["queries"].to_string();
    assert!(used.contains("good.jpg") && !used.contains("text.jpg"), "{used}");
    assert!(found["broken"].to_string().contains("cut.jpg"));
}

/// A PNG whose header promises 20,000 x 20,000 pixels.
fn huge_png() -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(20_000u32.to_be_bytes());
    chunk.extend(20_000u32.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut crc = !0u32;
    for byte in &chunk {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(chunk);
    png.extend((!crc).to_be_bytes());
    png
}

#[test]
fn each_bad_input_gets_one_readable_paragraph() {
    let folder = WORLD.scratch("bad inputs");
    let at = |name: &str| folder.join(name);
    fs::create_dir(at("empty")).expect("a folder");
    fs::create_dir(at("texts")).expect("a folder");
    fs::write(at("texts/a.jpg"), "not an image").expect("a file");
    fs::write(at("texts/b.jpg"), "nor this").expect("a file");
    fs::write(at("huge.png"), huge_png()).expect("a file");
    let whole = fs::read(WORLD.query()).expect("a file");
    fs::write(at("cut.jpg"), &whole[..whole.len() / 2]).expect("a file");
    let model = fs::read(WORLD.model()).expect("a file");
    fs::write(at("cut.safetensors"), &model[..model.len() / 2]).expect("a file");
    fs::write(at("text.safetensors"), "not a model").expect("a file");

    let search = |model: &Path, gallery: &Path, query: &Path| {
        let mut command = rain(&["search", "--model"]);
        command.arg(model).arg("--gallery").arg(gallery).arg("--query").arg(query);
        command
    };
    for model in ["none.safetensors", "cut.safetensors", "text.safetensors"] {
        refused(&mut search(&at(model), &WORLD.gallery(), &WORLD.query()), &at(model));
    }
    for gallery in ["none", "empty", "texts"] {
        refused(&mut search(&WORLD.model(), &at(gallery), &WORLD.query()), &at(gallery));
    }
    for query in ["none.png", "huge.png", "cut.jpg", "texts/a.jpg", "empty"] {
        refused(&mut search(&WORLD.model(), &WORLD.gallery(), &at(query)), &at(query));
    }
    for data in ["none", "empty", "texts"] {
        let mut eval = rain(&["eval", "--model"]);
        refused(eval.arg(WORLD.model()).arg("--data").arg(at(data)), &at(data));
    }
    // Weights of another shape, and a features file that is none.
    let mut eval = rain(&["eval", "--set", "depth=18", "--set", "base_width=8", "--weights"]);
    eval.arg(WORLD.model()).arg("--data").arg(WORLD.path("crowd"));
    refused(&mut eval, &WORLD.model());
    let mut rank = rain(&["rank", "--query-features"]);
    rank.arg(WORLD.model()).arg("--gallery-features").arg(WORLD.model());
    let said = refused(&mut rank, &WORLD.model());
    assert!(said.contains("'features' is missing") && said.contains("rain embed"), "{said}");
    // Places that cannot be written to.
    let mut embed = rain(&["embed", "--model"]);
    embed.arg(WORLD.model()).arg("--images").arg(WORLD.gallery());
    refused(embed.arg("--out").arg(at("none/f.safetensors")), &at("none"));
    let mut reconstruct = rain(&["reconstruct", "--model"]);
    reconstruct.arg(WORLD.model()).arg("--images").arg(WORLD.query());
    refused(reconstruct.arg("--out").arg(at("cut.jpg")), &at("cut.jpg"));
}

#[test]
fn features_of_two_models_are_not_compared() {
    let crowd = WORLD.path("crowd/query");
    let other = WORLD.path("other.safetensors");
    let mut bytes = fs::read(WORLD.model()).expect("a file");
    let last = bytes.len() - 4;
    bytes[last] ^= 1; // another weight, another hash
    fs::write(&other, bytes).expect("a file");
    let features = ["one", "two"].map(|name| WORLD.path(&format!("{name}.features")));
    for (model, out) in [WORLD.model(), other].iter().zip(&features) {
        let mut embed = rain(&["embed", "--model"]);
        ok(embed.arg(model).arg("--images").arg(&crowd).arg("--out").arg(out));
    }
    let mut rank = rain(&["rank", "--query-features"]);
    rank.arg(&features[0]).arg("--gallery-features").arg(&features[1]);
    assert!(refused(&mut rank, &features[0]).contains("Embed both with one model"));
}

#[test]
fn usage_errors_have_their_own_status() {
    for arguments in [
        &["serch"][..],
        &["search"],
        &["eval", "--data", "x"],
        &["train", "--data", "x", "--preset", "none"],
        &["search", "--model", "m", "--gallery", "g", "--query", "q", "--top", "0"],
        &["demo", "--threads", "0"],
    ] {
        let status = rain(arguments).output().expect("the program starts").status;
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
    let rates = ["eval", "--data", "x", "--model", "y", "--rates", "0.5"];
    let output = rain(&rates).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no down-sampling rate"));
}

#[test]
fn without_a_display_the_window_says_what_to_do() {
    let mut window = rain(&[]);
    window.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    let output = window.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("rain demo --headless"));
}

#[test]
fn the_demo_runs_without_a_display() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !source.join("models/demo.safetensors").is_file() {
        eprintln!("skipped: models/demo.safetensors is not there");
        return;
    }
    let out = WORLD.path("report");
    let mut demo = rain(&["demo", "--out"]);
    demo.arg(&out).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    let output = demo.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("no display"), "{said}");
    let page = fs::read_to_string(out.join("index.html")).expect("a report");
    for part in ["reconstruction, not evidence", "data:image/png;base64,", "rank-1", "✓"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http"), "everything lies in the file");
    let report = fs::read(out.join("report.json")).expect("a report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert!(report["cmc"]["1"].as_f64().expect("a share") > 0.5, "{}", report["cmc"]);
}

#[test]
fn a_map_is_made_of_features_a_gallery_or_people_and_written_in_every_form() {
    let folder = WORLD.scratch("map");
    let at = |name: &str| folder.join(name);
    let short = ["--iterations", "30", "--early-iterations", "20", "--perplexity", "5"];
    ok(rain(&["embed", "--model"])
        .arg(WORLD.model())
        .arg("--images")
        .arg(WORLD.gallery())
        .arg("--out")
        .arg(at("f.safetensors")));
    let mut project = rain(&["project", "--features"]);
    project.arg(at("f.safetensors")).arg("--out");
    for name in ["m.safetensors", "m.csv", "m.svg", "m.png"] {
        project.arg(at(name));
    }
    let made = json(project.args(short));
    assert!(made["images"].as_u64() > Some(10) && made["made"]["divergence"].as_f64() > Some(0.0), "{made}");
    let table = fs::read_to_string(at("m.csv")).expect("a table");
    assert_eq!(table.lines().count() as u64, made["images"].as_u64().unwrap_or(0) + 1);
    assert!(fs::read_to_string(at("m.svg")).expect("a picture").contains("<circle"));
    // The same seed gives the same map, and a map can be drawn again without being made again.
    let mut again = rain(&["project", "--features"]);
    ok(again.arg(at("f.safetensors")).arg("--out").arg(at("again.safetensors")).args(short));
    assert_eq!(fs::read(at("again.safetensors")).expect("a map"), fs::read(at("m.safetensors")).expect("a map"));
    ok(rain(&["project", "--map"])
        .arg(at("m.safetensors"))
        .args(["--colour", "camera", "--out"])
        .arg(at("cameras.svg")));
    assert!(fs::read_to_string(at("cameras.svg")).expect("a picture").contains("Camera 1"));
    let mut people = rain(&["project", "--model"]);
    people.arg(WORLD.model()).arg("--people").arg(WORLD.path("crowd")).args(["--identities", "3", "--rates", "1,8"]);
    let made = json(people.args(["--colour", "rate"]).args(short).arg("--out").arg(at("people.svg")));
    // Three people of the six for testing, four images each, at two rates.
    assert_eq!(made["images"].as_u64(), Some(24), "{made}");
    assert!(fs::read_to_string(at("people.svg")).expect("a picture").contains("r = 8"));
    let mut gallery = rain(&["project", "--model"]);
    gallery.arg(WORLD.model()).arg("--gallery").arg(WORLD.gallery()).arg("--query").arg(WORLD.query());
    ok(gallery.args(short).arg("--out").arg(at("gallery.csv")));
    assert!(fs::read_to_string(at("gallery.csv")).expect("a table").contains(",query,"));
    let mut project = rain(&["project", "--map"]);
    let message = refused(project.arg(at("m.safetensors")).arg("--out").arg(at("m.pdf")), &at("m.pdf"));
    assert!(message.contains(".csv, .svg or .png"), "{message}");
}

#[test]
fn the_papers_figures_are_drawn_by_one_command() {
    let folder = WORLD.scratch("figures");
    let mut figures = rain(&["figures", "--model"]);
    let made = json(figures.arg(WORLD.model()).arg("--data").arg(WORLD.path("crowd")).arg("--out").arg(&folder));
    for name in ["figure3a", "figure3b", "figure4"] {
        assert!(folder.join(format!("{name}.svg")).is_file() && folder.join(format!("{name}.png")).is_file(), "{name}");
    }
    assert!(made["figure4"]["queries"].as_u64() > Some(2), "{made}");
    let ranks = fs::read_to_string(folder.join("figure4.svg")).expect("a picture");
    assert!(ranks.contains("reconstruction, not evidence"));
    let map = fs::read_to_string(folder.join("figure3b.svg")).expect("a picture");
    assert!(map.contains("r = 8, unseen in training"), "the model was trained at other rates");
}
