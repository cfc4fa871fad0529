//! Any name comes through every report unharmed, and the binary writes them all.

use super::*;

/// Names that have broken reports of other programs.
fn nasty() -> Vec<String> {
    let long = "n".repeat(4000);
    [
        "<img src=x onerror=alert(1)>.png",
        "\"><script>alert('x')</script>.png",
        "it's & \"quoted\".png",
        "=HYPERLINK(\"http://example.org\").png",
        "שלום עולם.png",
        "photo\u{202E}gnp.exe",
        "family 👨‍👩‍👧 🙂.png",
        "new\nline\ttab\u{7}.png",
        "-->]]>{{7*7}}${x}%s.png",
        "\u{F7FF}raw.png",
        &long,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn nasty_names_go_harmlessly_through_every_report() {
    let folder = tempfile::tempdir().unwrap();
    let paths = nasty();
    let mut case = with_ranking(&folder.path().join("a.raincase"), &format!("/crops/{}", paths[1]), &paths);
    case.rename("Ada", &paths[0]).unwrap();
    case.use_model(
        &paths[4],
        Model {
            path: paths[2].clone(),
            hash: hash(b"m"),
            height: 128,
            width: 64,
            card: serde_json::json!({ "</pre><script>": paths[1] }),
        },
    )
    .unwrap();
    case.use_gallery(&paths[0], &paths[5], Gallery { images: 60, hash: None }).unwrap();
    for (i, path) in paths.iter().enumerate() {
        judge(&mut case, &paths[i % 7], path, Some(Judgement::ALL[i % 3]));
        judge(&mut case, &paths[(i + 1) % 7], path, Some(Judgement::ALL[(i + 1) % 3]));
        case.note(&paths[0], Subject::pair(1, path.clone()), &paths[(i + 2) % 11]).unwrap();
        case.tag(&paths[0], Subject::pair(1, path.clone()), &paths[(i + 3) % 11], true).unwrap();
    }
    judge(&mut case, "Ada", "/elsewhere/<b>.png", Some(Judgement::Unsure));
    assert_eq!(verify(case.path(), None).unwrap().problems, Vec::<String>::new());

    let decoded = BTreeMap::from([(1, Arc::new(RgbImage::new(8, 16)))]);
    let report = Report::gather(&case, &decoded).unwrap();
    let text = |format| String::from_utf8(report.render(format).unwrap()).unwrap();

    let html = text(Format::Html);
    for tag in ["<script", "<img src=x", "http://example.org\")</"] {
        assert!(!html.contains(tag), "{tag}");
    }
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;.png"), "the name is there, as text");
    assert!(html.contains("שלום עולם.png") && html.contains("🙂") && html.contains("photo[U+202E]gnp.exe"));
    assert!(html.contains(&paths[10]) && html.contains(NOT_EVIDENCE));
    assert!(!html.contains('\u{202E}'));

    let svg = text(Format::Svg);
    assert!(!svg.contains("<script") && !svg.contains("<img") && svg.ends_with("</svg>\n"));

    let json: serde_json::Value = serde_json::from_str(&text(Format::Json)).unwrap();
    let seen = json["queries"][0]["searches"][0]["seen"]["candidates"].as_array().unwrap();
    let back: Vec<&str> = seen.iter().filter_map(|c| c["path"].as_str()).collect();
    assert_eq!(back, paths, "JSON has the names as they are");
    assert_eq!(json["log"].as_array().unwrap().len(), case.state().log.len());

    let csv = text(Format::Csv);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let column = reader.headers().unwrap().iter().position(|h| h == "candidate_path").unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), paths.len() + 1);
    assert_eq!(&rows[3][column], "'=HYPERLINK(\"http://example.org\").png");
    assert_eq!(&rows[10][column], paths[10]);
    assert!(rows.iter().flat_map(|r| r.iter()).all(|cell| !cell.starts_with(['=', '+', '-', '@'])));

    let pdf = report.render(Format::Pdf).unwrap();
    assert!(pdf.starts_with(b"%PDF-") && pdf.len() > 20_000);

    let picture = image::load_from_memory(&report.render(Format::Png).unwrap()).unwrap();
    assert!(picture.width() > 800 && picture.height() > 300);
}

#[test]
fn the_binary_makes_shows_checks_and_exports() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.raincase");
    let rain = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_rain")).arg("case").args(args).output().unwrap();
        (
            out.status.success(),
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    let path = file.to_str().unwrap();
    let (ok, _, _) = rain(&["new", path, "--title", "North gate", "--by", "Ada"]);
    assert!(ok);
    drop(Case::open(&file).map(|mut case| {
        let crop = png(10, 12, 24);
        case.add_query("Ada", query("/crops/q.png", &crop), &crop).unwrap();
    }));
    let (_, shown, _) = rain(&["show", path, "--json", "--log"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["case"]["title"], "North gate");
    assert_eq!(shown["log"][1]["what"], "Query 1");
    let (ok, text, _) = rain(&["verify", path]);
    assert!(ok && text.contains("nothing is wrong"), "{text}");
    let outs: Vec<PathBuf> = Format::ALL.iter().map(|f| folder.path().join(format!("r.{}", f.extension()))).collect();
    let mut args = vec!["export", path, "--out"];
    args.extend(outs.iter().map(|p| p.to_str().unwrap()));
    let (ok, _, errors) = rain(&args);
    assert!(ok, "{errors}");
    assert!(outs.iter().all(|p| fs::metadata(p).unwrap().len() > 100));
    let (ok, _, errors) = rain(&["export", path, "--out", "r.docx"]);
    assert!(!ok && errors.contains(".html"), "{errors}");

    let db = Connection::open(&file).unwrap();
    db.execute("UPDATE fact SET value = '{}' WHERE kind = 'query'", []).unwrap();
    let (ok, text, errors) = rain(&["verify", path]);
    assert!(!ok && text.contains("not what the log says") && errors.contains("Go back to a copy"), "{text}{errors}");
}
