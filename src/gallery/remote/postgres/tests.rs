use super::*;

fn spec(precision: Precision, measure: Measure) -> Spec {
    Spec { model: "0123456789ab".into(), columns: 3, measure, precision, approximate: false }
}

fn server(port: u16) -> Postgres {
    let address: Address = format!("postgres://analyst@127.0.0.1:{port}/people").parse().unwrap();
    let patience =
        Patience { connect: Duration::from_millis(300), answer: Duration::from_millis(300), ..Patience::short() };
    Postgres::new(&address, &"test".parse().unwrap(), Secret::new("hunter22"), patience).unwrap()
}

#[test]
fn slack_is_what_halving_the_query_can_do() {
    let server = server(1);
    assert!(server.slack(&spec(Precision::Single, Measure::Cosine), &[1.0, 2.0, 3.0]) < 1e-4);
    let query = [1.0003, 2.0007, 3.0001];
    let half: Vec<f32> = query.iter().map(|x| halved(*x)).collect();
    let slack = server.slack(&spec(Precision::Half, Measure::Euclidean), &query);
    // The distance to any row moves by no more than the query itself did.
    let row = [0.5, -2.0, 1.0];
    let moved = (squared_euclidean(&query, &row).sqrt() - squared_euclidean(&half, &row).sqrt()).abs();
    assert!(moved <= slack && slack < 1e-2, "{moved} {slack}");
}

#[test]
fn a_comment_of_somebody_else_is_not_taken_for_ours() {
    let ours = serde_json::to_string(&Comment { rain: 1, spec: spec(Precision::Half, Measure::Cosine) }).unwrap();
    assert_eq!(read_comment("t", &ours).unwrap(), spec(Precision::Half, Measure::Cosine));
    assert!(read_comment("t", "").is_err() && read_comment("t", "{}").is_err());
    assert!(read_comment("t", &ours.replace("\"rain\":1", "\"rain\":2")).is_err());
}

#[test]
fn lengths_that_pgvector_cannot_take_are_refused_beforehand() {
    let long = |approximate, precision, columns| {
        check_length(&Spec { columns, approximate, ..spec(precision, Measure::Cosine) })
    };
    assert!(long(false, Precision::Half, 16_000).is_ok() && long(false, Precision::Half, 16_001).is_err());
    assert!(long(true, Precision::Half, 2048).is_ok() && long(true, Precision::Single, 2048).is_err());
}

#[test]
fn an_absent_server_is_away_and_a_silent_one_too() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Err(Fault::Away(why)) = server(free).status() else { panic!("nobody listens there") };
    assert!(!why.contains("hunter22"), "{why}");
    // One that takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let started = std::time::Instant::now();
    assert!(matches!(server(silent.local_addr().unwrap().port()).status(), Err(Fault::Away(_))));
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_server_that_breaks_off_in_the_middle_is_away() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || drop(listener.accept()));
    assert!(matches!(server(port).status(), Err(Fault::Away(_))));
}
