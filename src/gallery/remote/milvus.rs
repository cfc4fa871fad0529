//! Milvus: the engine that spreads a gallery over many machines. Spoken to over REST.
//!
//! A gallery is one collection, `rain_<name>`, with the key as its primary key, so that a row that is sent twice is one row. What
//! it is made of is read back from the collection itself: its dimension, the metric of its index, and the index's name, which
//! holds the kind of search and the model (`exact_0123456789ab`).
//!
//! Two dialects: **v1**, of Milvus 2.3, for which `tests/remote.rs` starts a real Milvus 2.3.5; and **v2**, of Milvus 2.4 and newer,
//! written to its published contract, with a stand-in of that contract only. The server is asked which it speaks.
//! v1 can make only collections whose keys the server invents, so with Milvus 2.3 the collection is made through the
//! management port.

mod dialect;
mod http;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::dialect::Dialect;
use self::http::Http;
use super::{Address, Fault, Filter, Found, Key, Name, Patience, Question, RemoteGallery, Row, Secret, Spec, Status};
use crate::error::Result;
use crate::gallery::distance::{Measure, dot};

/// How an unknown time is written: no photograph was taken then.
const NO_TIME: i64 = -(1 << 53);
/// Milvus returns at most so many rows at once.
const MOST_ROWS: usize = 16_384;
/// The longest path in bytes; a collection's schema needs a limit.
const LONGEST_PATH: usize = 32_768;

/// A gallery on a Milvus server or cluster.
pub struct Milvus {
    address: Address,
    collection: String,
    http: Http,
    dialect: Option<Dialect>,
}

/// A row in JSON, as both dialects take it and give it.
#[derive(Serialize, Deserialize)]
struct Entity<'a> {
    key: String,
    path: std::borrow::Cow<'a, str>,
    #[serde(deserialize_with = "integer")]
    camera: i64,
    #[serde(deserialize_with = "integer")]
    identity: i64,
    #[serde(deserialize_with = "integer")]
    taken: i64,
    embedding: std::borrow::Cow<'a, [f32]>,
}

/// The fields of [`Entity`].
const FIELDS: [&str; 6] = ["key", "path", "camera", "identity", "taken", "embedding"];

impl Milvus {
    /// Prepares; the first call connects.
    ///
    /// # Errors
    /// Where the certificates of `address` cannot be read.
    pub fn new(address: &Address, name: &Name, key: Option<Secret>, patience: Patience) -> Result<Self> {
        let http = Http::new(address, key, patience)?;
        Ok(Self { address: address.clone(), collection: name.table(), http, dialect: None })
    }

    /// Which dialect the server speaks; asked once.
    fn dialect(&mut self) -> Result<Dialect, Fault> {
        if let Some(dialect) = self.dialect {
            return Ok(dialect);
        }
        let dialect = Dialect::find(&self.http)?;
        self.dialect = Some(dialect);
        Ok(dialect)
    }

    /// A request about this collection.
    fn body(&self, more: Value) -> Value {
        let mut body = json!({ "collectionName": self.collection });
        if !self.address.database.is_empty() {
            body["dbName"] = json!(self.address.database);
        }
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    }

    fn query(&mut self, filter: &str, fields: &[&str], limit: usize) -> Result<Vec<Value>, Fault> {
        let dialect = self.dialect()?;
        let mut body = self.body(json!({ "filter": filter, "outputFields": fields, "consistencyLevel": "Strong" }));
        // To count, v1 must be told that there is no limit.
        body["limit"] = json!(limit);
        rows(self.http.post(dialect.query(), &body)?)
    }
}

impl RemoteGallery for Milvus {
    fn address(&self) -> &Address {
        &self.address
    }

    fn greet(&mut self) -> Result<String, Fault> {
        Ok(match self.dialect()? {
            Dialect::V1 => "Milvus, REST v1 (2.3)".into(),
            Dialect::V2 => "Milvus, REST v2 (2.4 or newer)".into(),
        })
    }

    fn status(&mut self) -> Result<Option<Status>, Fault> {
        let dialect = self.dialect()?;
        let Some(described) = dialect.describe(&self.http, &self.collection, &self.address.database)? else {
            return Ok(None);
        };
        let Some(spec) = spec_of(&described, &self.collection)? else { return Ok(None) };
        let counted = self.query("key != \"\"", &["count(*)"], 0)?;
        let rows = counted.first().and_then(|row| number(&row["count(*)"]));
        let rows = rows.ok_or_else(|| Fault::Garbled("it did not say how many rows there are".into()))?;
        Ok(Some(Status { spec, rows: rows.max(0) as u64, bytes: None }))
    }

    fn create(&mut self, spec: &Spec) -> Result<(), Fault> {
        let dialect = self.dialect()?;
        dialect.create(&self.http, &self.collection, &self.address.database, spec)
    }

    fn present(&mut self, keys: &[Key]) -> Result<Vec<Key>, Fault> {
        let mut present = Vec::new();
        for keys in keys.chunks(MOST_ROWS / 2) {
            let found = self.query(&format!("key in {}", listed(keys)), &["key"], keys.len())?;
            for row in found {
                present.push(as_key(&row["key"])?);
            }
        }
        Ok(present)
    }

    fn put(&mut self, _spec: &Spec, rows: &[Row]) -> Result<(), Fault> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Put<'a> {
            collection_name: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            db_name: &'a str,
            data: Vec<Entity<'a>>,
        }
        let dialect = self.dialect()?;
        if let Some(row) = rows.iter().find(|row| row.path.len() > LONGEST_PATH) {
            return Err(Fault::Refused(format!("a path of {} bytes is too long for Milvus", row.path.len())));
        }
        let data: Vec<Entity<'_>> = rows.iter().map(entity).collect();
        let body = Put { collection_name: &self.collection, db_name: &self.address.database, data };
        self.http.post(dialect.upsert(), &body).map(drop)
    }

    fn settle(&mut self, spec: &Spec) -> Result<(), Fault> {
        self.dialect()?.settle(&self.http, &self.collection, &self.address.database, spec)
    }

    fn nearest(&mut self, spec: &Spec, question: &Question<'_>) -> Result<Vec<Found>, Fault> {
        let dialect = self.dialect()?;
        let limit = question.top.min(MOST_ROWS);
        let mut body =
            self.body(json!({ "filter": condition(question.filter), "limit": limit, "outputFields": FIELDS }));
        dialect.ask(&mut body, question.query, spec);
        let hits = rows(self.http.post(dialect.search(), &body)?)?;
        hits.into_iter().map(|hit| found(hit, spec.measure)).collect()
    }

    fn remove(&mut self, keys: &[Key]) -> Result<(), Fault> {
        let dialect = self.dialect()?;
        let body = self.body(json!({ "filter": format!("key in {}", listed(keys)) }));
        self.http.post(dialect.delete(), &body).map(drop)
    }

    fn drop_gallery(&mut self) -> Result<(), Fault> {
        let dialect = self.dialect()?;
        let Some(described) = dialect.describe(&self.http, &self.collection, &self.address.database)? else {
            return Ok(());
        };
        // A collection of somebody else's is left alone, whatever its name.
        spec_of(&described, &self.collection)?;
        let body = self.body(json!({}));
        self.http.post(dialect.drop(), &body).map(drop)
    }

    fn slack(&self, spec: &Spec, query: &[f32]) -> f32 {
        // Both sides are f32; only the order of the sums differs.
        match spec.measure {
            Measure::Cosine => 2e-5,
            Measure::Euclidean => 2e-5 * dot(query, query).sqrt(),
        }
    }
}

fn entity(row: &Row) -> Entity<'_> {
    Entity {
        key: row.key.to_string(),
        path: row.path.as_str().into(),
        camera: row.camera,
        identity: row.identity,
        taken: row.time.unwrap_or(NO_TIME),
        embedding: row.embedding.as_slice().into(),
    }
}

fn found(hit: Value, measure: Measure) -> Result<Found, Fault> {
    let garbled = |e: &dyn std::fmt::Display| Fault::Garbled(format!("a row it found cannot be read ({e})"));
    let score = hit["distance"].as_f64().ok_or_else(|| garbled(&"no distance"))? as f32;
    let entity: Entity<'_> = serde_json::from_value(hit).map_err(|e| garbled(&e))?;
    Ok(Found {
        row: Row {
            key: entity.key.parse().map_err(|e: crate::Error| garbled(&e))?,
            path: entity.path.into_owned(),
            camera: entity.camera,
            identity: entity.identity,
            time: (entity.taken != NO_TIME).then_some(entity.taken),
            embedding: entity.embedding.into_owned(),
        },
        // Milvus gives the cosine itself, and the square of the Euclidean distance.
        distance: match measure {
            Measure::Cosine => 1.0 - score,
            Measure::Euclidean => score.max(0.0).sqrt(),
        },
    })
}

/// The metric's name at Milvus.
fn metric(measure: Measure) -> &'static str {
    match measure {
        Measure::Cosine => "COSINE",
        Measure::Euclidean => "L2",
    }
}

/// The index's name: kind of search and model.
fn index_name(spec: &Spec) -> String {
    let kind = if spec.approximate { "hnsw" } else { "exact" };
    format!("{kind}_{}", spec.model)
}

/// What a collection is made of. `None` where its index is missing: it was broken off while it was made.
fn spec_of(described: &Value, collection: &str) -> Result<Option<Spec>, Fault> {
    let foreign = || Fault::Refused(format!("the collection {collection} is there, but it is not a gallery of Rain's"));
    let none = Vec::new();
    let fields = described["fields"].as_array().unwrap_or(&none);
    let field = |name: &str| fields.iter().find(|field| field["name"] == name);
    let columns = field("embedding").and_then(dimension).ok_or_else(foreign)?;
    if field("key").is_none() || field("taken").is_none() {
        return Err(foreign());
    }
    let indexes = described["indexes"].as_array().unwrap_or(&none);
    let Some(index) = indexes.iter().find(|index| index["fieldName"] == "embedding") else { return Ok(None) };
    let (kind, model) = index["indexName"].as_str().and_then(|name| name.split_once('_')).ok_or_else(foreign)?;
    Ok(Some(Spec {
        model: model.to_string(),
        columns,
        measure: if index["metricType"] == metric(Measure::Euclidean) { Measure::Euclidean } else { Measure::Cosine },
        precision: super::Precision::Single,
        approximate: kind != "exact",
    }))
}

/// v1 writes `"type": "FloatVector(2048)"`, v2 a list of parameters.
fn dimension(field: &Value) -> Option<usize> {
    let in_type = field["type"].as_str().and_then(|text| text.split_once('(')?.1.strip_suffix(')')?.parse().ok());
    let in_params = || {
        let dim = field["params"].as_array()?.iter().find(|p| p["key"] == "dim")?;
        number(&dim["value"]).and_then(|n| usize::try_from(n).ok())
    };
    in_type.or_else(in_params)
}

/// A filter in Milvus' language. It holds numbers and hexadecimal keys only, so there is nothing to quote.
fn condition(filter: &Filter) -> String {
    let mut parts = Vec::new();
    if !filter.cameras.is_empty() {
        parts.push(format!("camera in {:?}", filter.cameras));
    }
    if !filter.not_cameras.is_empty() {
        parts.push(format!("camera not in {:?}", filter.not_cameras));
    }
    if filter.from.is_some() || filter.to.is_some() {
        parts.push(format!("taken >= {}", filter.from.unwrap_or(NO_TIME + 1)));
    }
    if let Some(to) = filter.to {
        parts.push(format!("taken <= {to}"));
    }
    if !filter.exclude.is_empty() {
        parts.push(format!("key not in {}", listed(&filter.exclude)));
    }
    parts.join(" and ")
}

fn listed(keys: &[Key]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    format!("[{}]", keys.join(","))
}

fn rows(data: Value) -> Result<Vec<Value>, Fault> {
    match data {
        Value::Array(rows) => Ok(rows),
        Value::Null => Ok(Vec::new()),
        _ => Err(Fault::Garbled("it did not answer with a list of rows".into())),
    }
}

fn as_key(value: &Value) -> Result<Key, Fault> {
    let key = value.as_str().and_then(|text| text.parse().ok());
    key.ok_or_else(|| Fault::Garbled("a row without a key of Rain's".into()))
}

/// Milvus writes whole numbers as strings where it fears for their last digits.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn integer<'de, D: serde::Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let value = Value::deserialize(from)?;
    number(&value).ok_or_else(|| serde::de::Error::custom("not a whole number"))
}

#[cfg(test)]
mod tests;
