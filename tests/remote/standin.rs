//! An HTTP server on loopback that answers as a test wants, and one that answers as Milvus' REST v2 is documented to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// What arrived.
pub struct Asked {
    pub path: String,
    pub key: Option<String>,
    pub body: Value,
}

/// What is sent back.
pub enum Reply {
    /// A status and a body.
    Text(u16, String),
    /// Nothing; the connection breaks.
    Break,
    /// Nothing; the connection stays open for that long.
    Silence(Duration),
}

impl Reply {
    pub fn data(data: Value) -> Self {
        Reply::Text(200, json!({ "code": 0, "data": data }).to_string())
    }

    pub fn error(code: i64, message: &str) -> Self {
        Reply::Text(200, json!({ "code": code, "message": message }).to_string())
    }
}

/// A server; it ends with the test.
pub struct Server {
    pub port: u16,
    /// Requests so far.
    pub count: Arc<AtomicUsize>,
}

impl Server {
    /// Answers each request by `reply`.
    pub fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let (counter, reply) = (count.clone(), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counter, reply) = (counter.clone(), reply.clone());
                thread::spawn(move || serve(stream, &counter, &*reply));
            }
        });
        Self { port, count }
    }

    pub fn url(&self) -> String {
        format!("milvus+http://127.0.0.1:{}", self.port)
    }

    pub fn asked(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, counter: &AtomicUsize, reply: &dyn Fn(&Asked) -> Reply) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(asked) = read(&mut reader) {
        counter.fetch_add(1, Ordering::SeqCst);
        match reply(&asked) {
            Reply::Break => return,
            Reply::Silence(time) => return thread::sleep(time),
            Reply::Text(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
                    body.len()
                );
                if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
                    return;
                }
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let path = line.split(' ').nth(1)?.to_string();
    let (mut length, mut key) = (0, None);
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let header = line.trim();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => key = Some(value.trim().to_string()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { path, key, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

#[derive(Default)]
struct Collection {
    made: Value,
    rows: BTreeMap<String, Value>,
}

/// Milvus' REST v2 as documented, in memory. `spoil` may answer a request in its stead; it hears the number of the request.
pub fn milvus(key: &'static str, spoil: impl Fn(usize, &Asked) -> Option<Reply> + Send + Sync + 'static) -> Server {
    let collections: Mutex<BTreeMap<String, Collection>> = Mutex::default();
    let number = AtomicUsize::new(0);
    Server::start(move |asked| {
        let n = number.fetch_add(1, Ordering::SeqCst);
        if let Some(reply) = spoil(n, asked) {
            return reply;
        }
        if asked.key.as_deref() != Some(format!("Bearer {key}").as_str()) {
            return Reply::Text(
                401,
                json!({ "code": 1800, "message": format!("the token {:?} is wrong", asked.key) }).to_string(),
            );
        }
        let mut collections = collections.lock().unwrap();
        let name = asked.body["collectionName"].as_str().unwrap_or_default().to_string();
        let Some(action) = asked.path.strip_prefix("/v2/vectordb/") else {
            return Reply::Text(404, "404 page not found".into());
        };
        if action == "collections/has" {
            return Reply::data(json!({ "has": collections.contains_key(&name) }));
        }
        if action == "collections/create" {
            collections.entry(name).or_insert(Collection { made: asked.body.clone(), rows: BTreeMap::new() });
            return Reply::data(json!({}));
        }
        let Some(collection) = collections.get_mut(&name) else {
            return Reply::error(100, "can't find collection");
        };
        match action {
            "collections/load" | "collections/flush" => Reply::data(json!({})),
            "collections/drop" => {
                collections.remove(&name);
                Reply::data(json!({}))
            }
            "collections/describe" => Reply::data(described(&collection.made)),
            "entities/upsert" => {
                let rows = asked.body["data"].as_array().unwrap();
                for row in rows {
                    collection.rows.insert(row["key"].as_str().unwrap().into(), row.clone());
                }
                Reply::data(json!({ "upsertCount": rows.len() }))
            }
            "entities/query" => {
                let filter = asked.body["filter"].as_str().unwrap();
                let rows: Vec<&Value> = collection.rows.values().filter(|row| fits(row, filter)).collect();
                if asked.body["outputFields"][0] == "count(*)" {
                    return Reply::data(json!([{ "count(*)": rows.len().to_string() }]));
                }
                Reply::data(rows.iter().map(|row| json!({ "key": row["key"] })).collect())
            }
            "entities/delete" => {
                let filter = asked.body["filter"].as_str().unwrap().to_string();
                collection.rows.retain(|_, row| !fits(row, &filter));
                Reply::data(json!({}))
            }
            "entities/search" => Reply::data(nearest(collection, &asked.body)),
            _ => Reply::Text(404, "404 page not found".into()),
        }
    })
}

fn described(made: &Value) -> Value {
    let fields: Vec<Value> = made["schema"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| {
            let params = field["elementTypeParams"].as_object();
            let params: Vec<Value> = params
                .into_iter()
                .flatten()
                .map(|(key, value)| json!({ "key": key, "value": value.to_string() }))
                .collect();
            json!({ "name": field["fieldName"], "type": field["dataType"], "params": params })
        })
        .collect();
    let index = &made["indexParams"][0];
    json!({
        "fields": fields,
        "indexes": [{ "fieldName": index["fieldName"], "indexName": index["indexName"], "metricType": index["metricType"] }],
    })
}

fn nearest(collection: &Collection, body: &Value) -> Value {
    let floats =
        |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
    let query = floats(&body["data"][0]);
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
    let cosine = collection.made["indexParams"][0]["metricType"] == "COSINE";
    let score = |row: &Value| {
        let row = floats(&row["embedding"]);
        if cosine {
            dot(&query, &row) / (dot(&query, &query) * dot(&row, &row)).sqrt()
        } else {
            query.iter().zip(&row).map(|(x, y)| (x - y) * (x - y)).sum::<f64>()
        }
    };
    let filter = body["filter"].as_str().unwrap_or_default();
    let mut hits: Vec<(f64, Value)> =
        collection.rows.values().filter(|row| fits(row, filter)).map(|row| (score(row), row.clone())).collect();
    hits.sort_by(|a, b| if cosine { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
    hits.truncate(body["limit"].as_u64().unwrap() as usize);
    hits.into_iter()
        .map(|(score, mut row)| {
            row["distance"] = json!(score);
            row
        })
        .collect()
}

/// Whether a row fits a filter of the few forms that Rain writes.
fn fits(row: &Value, filter: &str) -> bool {
    filter.split(" and ").filter(|part| !part.is_empty()).all(|part| {
        let (field, rest) = part.split_once(' ').unwrap();
        let value = &row[field];
        let listed = |list: &str| serde_json::from_str::<Vec<Value>>(list).unwrap().contains(value);
        let number = |text: &str| text.parse::<i64>().unwrap();
        match rest {
            "!= \"\"" => value != "",
            _ if rest.starts_with("in ") => listed(&rest[3..]),
            _ if rest.starts_with("not in ") => !listed(&rest[7..]),
            _ if rest.starts_with(">= ") => value.as_i64().unwrap() >= number(&rest[3..]),
            _ if rest.starts_with("<= ") => value.as_i64().unwrap() <= number(&rest[3..]),
            _ => panic!("a filter that Milvus' manual does not know: {part}"),
        }
    })
}
