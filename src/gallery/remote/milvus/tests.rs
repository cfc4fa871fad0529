use super::*;
use proptest::prelude::*;

fn spec(approximate: bool) -> Spec {
    Spec {
        model: "0123456789ab".into(),
        columns: 2048,
        measure: Measure::Euclidean,
        precision: crate::gallery::remote::Precision::Single,
        approximate,
    }
}

/// The description of a gallery as the two dialects give it.
fn described(spec: &Spec, v1: bool) -> Value {
    let embedding = if v1 {
        json!({ "name": "embedding", "type": format!("FloatVector({})", spec.columns) })
    } else {
        json!({ "name": "embedding", "type": "FloatVector", "params": [{ "key": "dim", "value": spec.columns.to_string() }] })
    };
    json!({
        "fields": [{ "name": "key" }, { "name": "taken" }, embedding],
        "indexes": [{ "fieldName": "embedding", "indexName": index_name(spec), "metricType": metric(spec.measure) }],
    })
}

#[test]
fn a_gallery_tells_what_it_is_made_of() {
    for approximate in [false, true] {
        for v1 in [false, true] {
            assert_eq!(spec_of(&described(&spec(approximate), v1), "c").unwrap(), Some(spec(approximate)));
        }
    }
    let mut unfinished = described(&spec(false), true);
    unfinished["indexes"] = json!([]);
    assert_eq!(spec_of(&unfinished, "c").unwrap(), None);
    for foreign in [json!({}), json!({ "fields": [{ "name": "embedding", "type": "FloatVector(3)" }] })] {
        assert!(matches!(spec_of(&foreign, "c"), Err(Fault::Refused(_))));
    }
}

#[test]
fn filters_are_written_in_its_language() {
    let key = Key([7; 16]);
    let filter = Filter { cameras: vec![1, -1], not_cameras: vec![3], from: None, to: Some(99), exclude: vec![key] };
    let expected = format!(
        "camera in [1, -1] and camera not in [3] and taken >= {} and taken <= 99 and key not in [\"{key}\"]",
        NO_TIME + 1
    );
    assert_eq!(condition(&filter), expected);
    assert_eq!(condition(&Filter::default()), "");
}

proptest! {
    #[test]
    fn rows_survive_json(numbers in prop::collection::vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 1..20),
                         path in ".{0,40}", camera in any::<i64>(), time in prop::option::of(-1_000_000i64..4_000_000_000)) {
        let row = Row { key: Key::of(path.as_bytes()), path, camera, identity: -1, time, embedding: numbers };
        let mut hit: Value = serde_json::from_str(&serde_json::to_string(&entity(&row)).unwrap()).unwrap();
        hit["distance"] = json!(0.25);
        // Some servers write whole numbers as strings.
        let mut as_text = hit.clone();
        as_text["camera"] = json!(camera.to_string());
        for hit in [hit, as_text] {
            let found = found(hit, Measure::Cosine).unwrap();
            prop_assert_eq!(&found.row, &row);
            prop_assert_eq!(found.distance, 0.75);
        }
    }
}

#[test]
fn a_row_that_lacks_something_is_garbled() {
    let row = Row { key: Key::of(b""), path: "a".into(), camera: 0, identity: 0, time: None, embedding: vec![1.0] };
    let whole = serde_json::to_value(entity(&row)).unwrap();
    for field in FIELDS.iter().chain(&["distance"]) {
        let mut hit = whole.clone();
        hit["distance"] = json!(0.5);
        hit.as_object_mut().unwrap().remove(*field);
        assert!(matches!(found(hit, Measure::Cosine), Err(Fault::Garbled(_))), "{field}");
    }
}
