//! The two forms of Milvus' REST interface.

use serde_json::{Value, json};

use super::http::Http;
use super::{LONGEST_PATH, index_name, metric};
use crate::gallery::remote::{Fault, Spec};

/// Which form a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `/v1/vector/…`, of Milvus 2.3.
    V1,
    /// `/v2/vectordb/…`, of Milvus 2.4 and newer.
    V2,
}

impl Dialect {
    /// Asks the server for something harmless in v2, then in v1.
    pub fn find(http: &Http) -> Result<Self, Fault> {
        if http.knows("/v2/vectordb/collections/has", &json!({ "collectionName": "rain" }))? {
            return Ok(Dialect::V2);
        }
        http.get("/v1/vector/collections").map(|_| Dialect::V1)
    }

    pub fn query(self) -> &'static str {
        self.pick("/v1/vector/query", "/v2/vectordb/entities/query")
    }

    pub fn upsert(self) -> &'static str {
        self.pick("/v1/vector/upsert", "/v2/vectordb/entities/upsert")
    }

    pub fn search(self) -> &'static str {
        self.pick("/v1/vector/search", "/v2/vectordb/entities/search")
    }

    pub fn delete(self) -> &'static str {
        self.pick("/v1/vector/delete", "/v2/vectordb/entities/delete")
    }

    pub fn drop(self) -> &'static str {
        self.pick("/v1/vector/collections/drop", "/v2/vectordb/collections/drop")
    }

    fn pick(self, v1: &'static str, v2: &'static str) -> &'static str {
        match self {
            Dialect::V1 => v1,
            Dialect::V2 => v2,
        }
    }

    /// The collection's description; `None` where there is no such collection.
    pub fn describe(self, http: &Http, collection: &str, database: &str) -> Result<Option<Value>, Fault> {
        match self {
            Dialect::V1 => {
                let database =
                    if database.is_empty() { String::new() } else { format!("dbName={}", escaped(database)) };
                let all = http.get(&format!("/v1/vector/collections?{database}"))?;
                if !all.as_array().is_some_and(|names| names.iter().any(|name| name == collection)) {
                    return Ok(None);
                }
                let path = format!("/v1/vector/collections/describe?collectionName={collection}&{database}");
                http.get(&path).map(Some)
            }
            Dialect::V2 => {
                let body = named(collection, database);
                if http.post("/v2/vectordb/collections/has", &body)?["has"] != true {
                    return Ok(None);
                }
                http.post("/v2/vectordb/collections/describe", &body).map(Some)
            }
        }
    }

    /// Makes the collection with its index, and loads it. Steps that are done already are done again without harm.
    pub fn create(self, http: &Http, collection: &str, database: &str, spec: &Spec) -> Result<(), Fault> {
        match self {
            Dialect::V1 => {
                let named = || json!({ "collection_name": collection, "db_name": database });
                let with = |more: Value| merged(named(), more);
                http.manage("/api/v1/collection", &with(json!({ "schema": old_schema(collection, spec.columns) })))?;
                let index = json!({
                    "field_name": "embedding",
                    "index_name": index_name(spec),
                    "extra_params": pairs(&[("metric_type", metric(spec.measure)), ("index_type", index_type(spec)), ("params", index_params(spec))]),
                });
                http.manage("/api/v1/index", &with(index))?;
                http.manage("/api/v1/collection/load", &with(json!({ "replica_number": 1 })))
            }
            Dialect::V2 => {
                let index = json!({
                    "fieldName": "embedding",
                    "indexName": index_name(spec),
                    "metricType": metric(spec.measure),
                    "indexType": index_type(spec),
                    // Older servers of this dialect look for the kind among the parameters.
                    "params": merged(json!({ "index_type": index_type(spec) }), hnsw(spec)),
                });
                let schema = json!({ "autoId": false, "autoID": false, "enableDynamicField": false, "fields": fields(spec.columns) });
                let body = merged(
                    named(collection, database),
                    json!({ "schema": schema, "indexParams": [index], "params": { "consistencyLevel": "Strong" } }),
                );
                http.post("/v2/vectordb/collections/create", &body)?;
                http.post("/v2/vectordb/collections/load", &named(collection, database)).map(drop)
            }
        }
    }

    /// After an upload: what was sent is on disk, and found.
    pub fn settle(self, http: &Http, collection: &str, database: &str, _spec: &Spec) -> Result<(), Fault> {
        match self {
            // Rows are found without a flush, after the few seconds by which v1's reads may lag behind.
            Dialect::V1 => {
                std::thread::sleep(std::time::Duration::from_secs(LAG));
                Ok(())
            }
            Dialect::V2 => http.post("/v2/vectordb/collections/flush", &named(collection, database)).map(drop),
        }
    }

    /// Puts the query's vector into a request for a search.
    pub fn ask(self, body: &mut Value, query: &[f32], spec: &Spec) {
        match self {
            Dialect::V1 => body["vector"] = json!(query),
            Dialect::V2 => {
                body["data"] = json!([query]);
                body["annsField"] = json!("embedding");
                body["consistencyLevel"] = json!("Strong");
                if spec.approximate {
                    let limit = body["limit"].as_u64().unwrap_or(0);
                    body["searchParams"] = json!({ "params": { "ef": (2 * limit).clamp(128, 32_768) } });
                }
            }
        }
    }
}

/// Seconds by which a read of v1 may be older than the newest write.
const LAG: u64 = 6;

fn named(collection: &str, database: &str) -> Value {
    let mut body = json!({ "collectionName": collection });
    if !database.is_empty() {
        body["dbName"] = json!(database);
    }
    body
}

fn merged(mut into: Value, more: Value) -> Value {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
    into
}

fn index_type(spec: &Spec) -> &'static str {
    if spec.approximate { "HNSW" } else { "FLAT" }
}

fn hnsw(spec: &Spec) -> Value {
    if spec.approximate { json!({ "M": 24, "efConstruction": 256 }) } else { json!({}) }
}

fn index_params(spec: &Spec) -> &'static str {
    if spec.approximate { r#"{"M":24,"efConstruction":256}"# } else { "{}" }
}

/// The schema of v2.
fn fields(columns: usize) -> Value {
    let whole = |name: &str| json!({ "fieldName": name, "dataType": "Int64" });
    json!([
        { "fieldName": "key", "dataType": "VarChar", "isPrimary": true, "elementTypeParams": { "max_length": 32 } },
        { "fieldName": "path", "dataType": "VarChar", "elementTypeParams": { "max_length": LONGEST_PATH } },
        whole("camera"),
        whole("identity"),
        whole("taken"),
        { "fieldName": "embedding", "dataType": "FloatVector", "elementTypeParams": { "dim": columns } },
    ])
}

/// The schema as the management port takes it: the numbers are Milvus' types (5 Int64, 21 VarChar, 101 FloatVector).
fn old_schema(collection: &str, columns: usize) -> Value {
    let (path, columns) = (LONGEST_PATH.to_string(), columns.to_string());
    let whole = |name: &str| json!({ "name": name, "data_type": 5 });
    json!({
        "name": collection,
        "autoID": false,
        "fields": [
            { "name": "key", "data_type": 21, "is_primary_key": true, "autoID": false, "type_params": pairs(&[("max_length", "32")]) },
            { "name": "path", "data_type": 21, "type_params": pairs(&[("max_length", &path)]) },
            whole("camera"),
            whole("identity"),
            whole("taken"),
            { "name": "embedding", "data_type": 101, "type_params": pairs(&[("dim", &columns)]) },
        ],
    })
}

fn pairs(list: &[(&str, &str)]) -> Value {
    list.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

/// A database's name in a URL: anything unusual as %XX.
fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
