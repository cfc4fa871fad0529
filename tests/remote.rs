//! Galleries on a server: the errors of a server that misbehaves, the real binary against a stand-in for Milvus, and both
//! kinds of real server where `RAIN_REMOTE_PYTHON` names a Python that has them.

#[path = "remote/killed.rs"]
mod killed;
#[path = "remote/real.rs"]
mod real;
#[path = "remote/standin.rs"]
mod standin;
#[path = "remote/tls.rs"]
mod tls;

use std::collections::HashSet;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rain::data::seeded;
use rain::flow::Flow;
use rain::gallery::distance::{Comparer, Measure};
use rain::gallery::features::{Features, Origin};
use rain::gallery::matrix::Matrix;
use rain::gallery::remote::{self, Address, Fault, Filter, Name, Patience, Question, RemoteGallery, Secret, Status};
use rain::gallery::search::nearest;
use real::{Milvus, Postgres, Real, python};
use serde_json::{Value, json};
use standin::{Reply, Server};

/// What a server answers, and what must be said of it.
type Case = (fn() -> Reply, &'static str);

const KEY: &str = "analyst:s3cret-key";

/// Clusters of eight images of a person, as embeddings are.
fn features(rows: usize, columns: usize, seed: u64) -> Features {
    use rand::RngExt;
    let mut rng = seeded::rng(seed, "remote test", &[]);
    let mut data = Vec::with_capacity(rows * columns);
    let mut centre = vec![0f32; columns];
    for row in 0..rows {
        if row % 8 == 0 {
            centre.iter_mut().for_each(|x| *x = rng.random::<f32>().powi(2) * 3.0);
        }
        data.extend(centre.iter().map(|x| x + 0.6 * rng.random::<f32>()));
    }
    Features {
        matrix: Matrix::new(columns, data),
        identity: (0..rows as i64).map(|i| i / 8).collect(),
        camera: (0..rows as i64).map(|i| i % 5).collect(),
        origin: Origin {
            paths: (0..rows).map(|i| format!("crowd/{i:06}.jpg")).collect(),
            model: "0123456789ab".into(),
            height: 256,
            width: 128,
        },
    }
}

fn address(url: &str) -> Address {
    url.parse().unwrap()
}

fn name() -> Name {
    "people".parse().unwrap()
}

/// Patient enough for a test.
fn patience() -> Patience {
    Patience {
        connect: Duration::from_millis(500),
        answer: Duration::from_millis(500),
        attempts: 3,
        pause: Duration::from_millis(5),
        longest: Duration::from_millis(5),
    }
}

fn open(url: &str, key: &str, patience: Patience) -> Box<dyn RemoteGallery> {
    remote::open(&address(url), &name(), Secret::new(key), patience).unwrap()
}

fn go_on() -> Flow {
    Flow::Continue
}

/// The error of asking a misbehaving server for the gallery's state.
fn error_of(server: &Server) -> String {
    let mut gallery = open(&server.url(), KEY, patience());
    let error = remote::status(&mut *gallery, &name(), &patience(), &mut go_on).unwrap_err().to_string();
    assert!(error.starts_with(&format!("The Milvus server at 127.0.0.1:{}", server.port)), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
    error
}

#[test]
fn a_server_that_is_broken_busy_or_silent_is_asked_again_and_then_named() {
    let cases: [Case; 5] = [
        (|| Reply::Text(500, "a stack trace".into()), "500"),
        (|| Reply::Text(503, "starting".into()), "503"),
        (|| Reply::Break, "did not answer"),
        (|| Reply::Silence(Duration::from_secs(3)), "timeout"),
        (|| Reply::error(2, "service unavailable: internal: Milvus Proxy is not ready yet"), "not ready"),
    ];
    for (reply, expected) in cases {
        let server = Server::start(move |_| reply());
        let error = error_of(&server);
        assert!(
            error.contains(expected) && error.contains("3 attempts") && error.contains("goes on where it stopped"),
            "{error}"
        );
        assert!(server.asked() >= 3, "{expected}");
    }
}

#[test]
fn what_asking_again_cannot_mend_is_told_at_once() {
    let cases: [Case; 6] = [
        (|| Reply::Text(200, "<html>a login page</html>".into()), "not JSON, but '<html>a login page"),
        (|| Reply::Text(200, "{}".into()), "without a code"),
        (|| Reply::Text(401, format!("{{\"message\": \"{KEY} is no key of ours\"}}")), "RAIN_REMOTE_KEY"),
        (|| Reply::Text(403, "forbidden".into()), "RAIN_REMOTE_KEY"),
        (|| Reply::Text(302, String::new()), "sends elsewhere"),
        (|| Reply::error(1100, "s3cret-key: invalid parameter"), "invalid parameter"),
    ];
    for (reply, expected) in cases {
        let server = Server::start(move |_| reply());
        let error = error_of(&server);
        assert!(error.contains(expected) && !error.contains("attempts"), "{error}");
        assert_eq!(server.asked(), 1, "{expected}");
    }
    // Neither dialect: something else lives at this address.
    let server = Server::start(|_| Reply::Text(404, "404 page not found".into()));
    assert!(error_of(&server).contains("there is no Milvus"));
}

#[test]
fn a_server_that_comes_back_is_not_even_noticed() {
    // One call is up to three requests, so that each succeeds at the second attempt at the latest.
    let server = standin::milvus(KEY, |n, _| (n % 5 == 1).then_some(Reply::Break));
    let features = features(300, 16, 1);
    let mut gallery = open(&server.url(), KEY, patience());
    let sent = upload(&mut *gallery, &features).unwrap();
    assert_eq!((sent.sent, sent.rows), (300, 300));
}

fn upload(gallery: &mut dyn RemoteGallery, features: &Features) -> rain::Result<remote::Sent> {
    let spec = spec(features);
    remote::upload(gallery, &name(), features, &spec, false, &patience(), &mut |_, _| Flow::Continue)
}

fn spec(features: &Features) -> remote::Spec {
    remote::Spec {
        model: features.origin.model.clone(),
        columns: features.matrix.columns,
        measure: Measure::Cosine,
        precision: remote::Precision::Single,
        approximate: false,
    }
}

#[test]
fn the_stand_in_is_searched_exactly_with_every_filter() {
    for measure in [Measure::Cosine, Measure::Euclidean] {
        let server = standin::milvus(KEY, |_, _| None);
        let features = features(400, 24, 2);
        let mut gallery = open(&server.url(), KEY, patience());
        let spec = remote::Spec { measure, ..spec(&features) };
        let on = &mut |_, _| Flow::Continue;
        remote::upload(&mut *gallery, &name(), &features, &spec, false, &patience(), on).unwrap();
        let status = gallery.status().unwrap().unwrap();
        assert_eq!((status.rows, status.spec), (400, spec.clone()));
        let key = remote::source::Source::keys(&features, 7..8).unwrap();
        let cases = [
            (Filter::default(), (0..400).collect::<Vec<usize>>()),
            (
                Filter { cameras: vec![3, 1], ..Filter::default() },
                (0..400).filter(|i| [1, 3].contains(&(i % 5))).collect(),
            ),
            (Filter { not_cameras: vec![2], ..Filter::default() }, (0..400).filter(|i| i % 5 != 2).collect()),
            (Filter { exclude: key, ..Filter::default() }, (0..400).filter(|i| *i != 7).collect()),
            (Filter { from: Some(5), ..Filter::default() }, Vec::new()), // no row has a time
        ];
        for (filter, rows) in cases {
            let query = features.matrix.row(7);
            let question = Question { query, top: 10, filter: &filter };
            let answer = remote::search(&mut *gallery, &spec, &question, &patience(), &mut go_on).unwrap();
            assert!(answer.certain);
            assert_eq!(paths(&answer), exact(&features, &rows, query, measure), "{filter:?}");
        }
    }
}

/// The ten nearest of some rows by the local search.
fn exact(features: &Features, rows: &[usize], query: &[f32], measure: Measure) -> Vec<String> {
    let distances = Comparer::new(&features.matrix.select(rows), measure).distances(query);
    nearest(&distances, 10).iter().map(|hit| features.origin.paths[rows[hit.entry]].clone()).collect()
}

/// Whether an answer is the local search's: the same distances to the bit, each of the row that it names. Rows at one distance
/// may stand in any order, and either of two may be the last.
fn agrees(answer: &remote::rescore::Answer, features: &Features, rows: &[usize], query: &[f32]) {
    let distances = Comparer::new(&features.matrix.select(rows), Measure::Cosine).distances(query);
    let expected: Vec<f32> = nearest(&distances, 10).iter().map(|hit| hit.distance).collect();
    let found: Vec<f32> = answer.hits.iter().map(|hit| hit.distance).collect();
    assert_eq!(found, expected);
    for hit in &answer.hits {
        let at = rows.iter().position(|row| features.origin.paths[*row] == hit.row.path).expect("a row of this camera");
        assert_eq!((hit.distance, hit.row.camera), (distances[at], features.camera[rows[at]]), "{}", hit.row.path);
    }
}

fn paths(answer: &remote::rescore::Answer) -> Vec<String> {
    answer.hits.iter().map(|hit| hit.row.path.clone()).collect()
}

fn rain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    command.args(arguments).env_remove("RAIN_REMOTE_KEY").env_remove("RAIN_LOG");
    command
}

/// What a successful call printed.
fn printed(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_binary_uploads_searches_and_drops_and_never_shows_the_key() {
    let server = standin::milvus(KEY, |_, _| None);
    let folder = tempfile::tempdir().unwrap();
    let features = features(100, 8, 3);
    let file = folder.path().join("f.safetensors");
    features.write(&file).unwrap();
    let file = file.to_str().unwrap();
    let url = server.url();
    let call = |arguments: &[&str]| {
        let output = rain(&["remote"])
            .args(arguments)
            .args(["--url", &url, "--name", "crowd", "--json"])
            .env("RAIN_REMOTE_KEY", KEY)
            .output()
            .unwrap();
        let shown = [output.stdout.clone(), output.stderr.clone()].concat();
        assert!(!String::from_utf8_lossy(&shown).contains("s3cret"), "{}", String::from_utf8_lossy(&shown));
        output
    };
    assert_eq!(printed(&call(&["upload", "--features", file]))["sent"], 100);
    let again = printed(&call(&["upload", "--features", file]));
    assert_eq!((&again["sent"], &again["present"], &again["rows"]), (&json!(0), &json!(100), &json!(100)));
    assert_eq!(printed(&call(&["status"]))["gallery"]["rows"], 100);
    let found = printed(&call(&["search", "--query-features", file, "--top", "3", "--camera", "2"]));
    assert_eq!(found["queries"].as_array().unwrap().len(), 100);
    assert!(
        found["queries"][2]["candidates"][0]["path"] == "crowd/000002.jpg" && found["queries"][2]["certain"] == true
    );
    // Removing it takes a word more.
    let refused = call(&["drop"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--yes"));
    assert_eq!(printed(&call(&["drop", "--yes"]))["removed"], 100);
    let gone = call(&["status"]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("no gallery 'crowd'"));

    // The same rows as a gallery on disk.
    let stored = folder.path().join("stored");
    let made =
        rain(&["index", "build", "--json", "--precision", "f32", "--from", file, "--gallery"]).arg(&stored).output();
    assert_eq!(printed(&made.unwrap())["rows"], 100);
    let stored = stored.to_str().unwrap();
    for sent in [100, 0] {
        assert_eq!(printed(&call(&["upload", "--gallery", stored]))["sent"], sent);
    }
    assert!(!call(&["upload", "--gallery", stored, "--features", file]).status.success());

    // A wrong key, which the server quotes; a key file; a password in the URL.
    let wrong =
        rain(&["remote", "status", "--url", &url]).env("RAIN_REMOTE_KEY", "analyst:s3cret-other").output().unwrap();
    let text = String::from_utf8_lossy(&wrong.stderr);
    assert!(text.contains("did not let this program in") && !text.contains("s3cret"), "{text}");
    let key = folder.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let by_file = rain(&["remote", "status", "--url", &url, "--key-file"]).arg(&key).output().unwrap();
    assert!(String::from_utf8_lossy(&by_file.stderr).contains("no gallery"));
    let in_url = rain(&["remote", "status", "--url", "postgres://a:s3cret@localhost/x"]).output().unwrap();
    let text = String::from_utf8_lossy(&in_url.stderr);
    assert!(!in_url.status.success() && text.contains("--key-file") && !text.contains("s3cret"), "{text}");
}

#[test]
fn a_certificate_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let Some(files) = tls::certificate(folder.path()) else { return };
    let server = standin::milvus(KEY, |_, _| None);
    let port = tls::relay(&files, server.port, tls::Begin::AtOnce);
    let mut https = address(&format!("milvus+https://127.0.0.1:{port}"));
    let patient = Patience { answer: Duration::from_secs(10), ..patience() };
    let ask = |address: &Address| remote::open(address, &name(), Secret::new(KEY), patient).unwrap().greet();
    let unknown = ask(&https);
    assert!(matches!(&unknown, Err(Fault::Denied(why)) if why.contains("certificate")), "{unknown:?}");
    assert_eq!(server.asked(), 0, "nothing was said to a server that could be anybody");
    https.authority = Some(files[0].clone());
    assert_eq!(ask(&https).unwrap(), "Milvus, REST v2 (2.4 or newer)");
    // Of another name, though by the same authority.
    https.host = "localhost.localdomain".into();
    assert!(ask(&https).is_err());
    https.authority = Some(folder.path().join("openssl.cnf"));
    let message = remote::open(&https, &name(), None, patient).err().unwrap().to_string();
    assert!(message.contains("openssl.cnf") && message.contains("PEM"), "{message}");
}

#[test]
fn another_models_queries_are_refused() {
    let server = standin::milvus(KEY, |_, _| None);
    let mut gallery = open(&server.url(), KEY, patience());
    let mut features = features(10, 8, 4);
    upload(&mut *gallery, &features).unwrap();
    features.origin.model = "ba9876543210".into();
    let error = upload(&mut *gallery, &features).unwrap_err().to_string();
    assert!(error.contains("0123456789ab") && error.contains("ba9876543210"), "{error}");
}

#[test]
fn an_absent_server_of_either_kind_is_named_by_the_binary() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["postgres", "milvus+http"] {
        let url = format!("{scheme}://127.0.0.1:{free}");
        let started = Instant::now();
        let output = rain(&["remote", "status", "--attempts", "2", "--url", &url]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(&format!("127.0.0.1:{free} did not answer")), "{error}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
