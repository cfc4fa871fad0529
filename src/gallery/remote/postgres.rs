//! PostgreSQL with the extension pgvector: the server that many teams have already.
//!
//! A gallery is one table, `rain_<name>`: key, path, camera, identity, time and the embedding, as `halfvec` (16 bits a number,
//! up to 16,000 numbers) or `vector` (32 bits). What it is made of stands as JSON in the table's comment. Search is exact, a
//! scan by the server's processors, unless the gallery was made with an HNSW index.
//!
//! `tests/remote.rs` starts PostgreSQL 18 with pgvector 0.8 for it.

mod numbers;

use std::sync::Arc;
use std::time::Duration;

use postgres::binary_copy::BinaryCopyInWriter;
use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{Client, Config, NoTls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::numbers::{Numbers, halved};
use super::fault::one_line;
use super::line::Line;
use super::{
    Address, Fault, Found, Key, Name, Patience, Precision, Question, RemoteGallery, Row, Secret, Spec, Status,
};
use crate::error::{Error, Result};
use crate::gallery::distance::{Measure, dot, squared_euclidean};

/// Building an index over millions of rows takes the server hours.
const INDEX_TIME: Duration = Duration::from_secs(24 * 3600);
/// Rows that an HNSW index looks at, at least; pgvector's own 40 loses too many.
const LEAST_EF: usize = 100;
/// pgvector's limit for `hnsw.ef_search`.
const MOST_EF: usize = 1000;
/// A row of at most so many bytes lies whole in its page of 8 KiB, where a scan reads it without a detour.
const PLAIN: usize = 6000;

/// A gallery on a PostgreSQL server.
pub struct Postgres {
    address: Address,
    table: String,
    key: Option<Secret>,
    patience: Patience,
    tls: Option<MakeRustlsConnect>,
    line: Option<Line<Client>>,
}

/// What the table's comment says.
#[derive(Serialize, Deserialize)]
struct Comment {
    rain: u32,
    #[serde(flatten)]
    spec: Spec,
}

impl Postgres {
    /// Prepares; the first call connects.
    ///
    /// # Errors
    /// Where the certificates of `address` cannot be read.
    pub fn new(address: &Address, name: &Name, key: Option<Secret>, patience: Patience) -> Result<Self> {
        let tls = if address.tls { Some(tls(address)?) } else { None };
        Ok(Self { address: address.clone(), table: name.table(), key, patience, tls, line: None })
    }

    fn config(&self) -> Config {
        let Self { address, patience, key, .. } = self;
        let mut config = Config::new();
        config
            .host(&address.host)
            .port(address.port)
            .application_name("rain")
            .connect_timeout(patience.connect)
            .tcp_user_timeout(patience.answer)
            .keepalives_idle(Duration::from_secs(15))
            .ssl_mode(if address.tls { SslMode::Require } else { SslMode::Disable });
        let own = || std::env::var("USER").unwrap_or_else(|_| "postgres".into());
        config.user(if address.user.is_empty() { own() } else { address.user.clone() }.as_str());
        if !address.database.is_empty() {
            config.dbname(&address.database);
        }
        if let Some(key) = key {
            config.password(key.expose());
        }
        config
    }

    /// Does `work` over the connection, which is opened where there is none. One that failed is closed, so that the next
    /// call opens a new one.
    fn call<R: Send + 'static>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut Client) -> Result<R, postgres::Error> + Send + 'static,
    ) -> Result<R, Fault> {
        let line = match self.line.take() {
            Some(line) => line,
            None => self.connect()?,
        };
        let key = self.key.clone();
        let answer = line.call(limit, move |client| work(client).map_err(|error| fault(&error, key.as_ref())))?;
        self.line = Some(line);
        Ok(answer)
    }

    fn connect(&self) -> Result<Line<Client>, Fault> {
        let (config, tls, key) = (self.config(), self.tls.clone(), self.key.clone());
        let limit = self.patience.answer.as_millis();
        Line::open(self.patience.connect + Duration::from_secs(1), move || {
            let open = || {
                let mut client = match tls {
                    Some(tls) => config.connect(tls),
                    None => config.connect(NoTls),
                }?;
                client.batch_execute(&format!("SET statement_timeout = {limit}; SET client_min_messages = warning"))?;
                Ok(client)
            };
            open().map_err(|error| fault(&error, key.as_ref()))
        })
    }

    fn quick<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Client, &str) -> Result<R, postgres::Error> + Send + 'static,
    ) -> Result<R, Fault> {
        let table = self.table.clone();
        // The server's own limit ends the statement first, and keeps the connection.
        self.call(self.patience.answer + Duration::from_secs(5), move |client| work(client, &table))
    }
}

impl RemoteGallery for Postgres {
    fn address(&self) -> &Address {
        &self.address
    }

    fn greet(&mut self) -> Result<String, Fault> {
        let (server, extension) = self.quick(|client, _| {
            let row = client.query_one(
                "SELECT current_setting('server_version'), \
                 (SELECT extversion FROM pg_extension WHERE extname = 'vector')",
                &[],
            )?;
            Ok((row.try_get::<_, String>(0)?, row.try_get::<_, Option<String>>(1)?))
        })?;
        let extension = extension.map_or("pgvector not yet in this database".into(), |v| format!("pgvector {v}"));
        Ok(format!("PostgreSQL {server}, {extension}"))
    }

    fn status(&mut self) -> Result<Option<Status>, Fault> {
        let found = self.quick(|client, table| {
            let described = client.query_opt(
                "SELECT coalesce(obj_description(c.oid, 'pg_class'), ''), pg_total_relation_size(c.oid) \
                 FROM pg_class c WHERE c.oid = to_regclass($1)",
                &[&table],
            )?;
            let Some(described) = described else { return Ok(None) };
            let rows: i64 = client.query_one(format!("SELECT count(*) FROM {table}").as_str(), &[])?.try_get(0)?;
            Ok(Some((described.try_get::<_, String>(0)?, described.try_get::<_, i64>(1)?, rows)))
        })?;
        let Some((comment, bytes, rows)) = found else { return Ok(None) };
        let spec = read_comment(&self.table, &comment)?;
        Ok(Some(Status { spec, rows: rows.max(0) as u64, bytes: u64::try_from(bytes).ok() }))
    }

    fn create(&mut self, spec: &Spec) -> Result<(), Fault> {
        check_length(spec)?;
        let (columns, kind) = (spec.columns, type_name(spec.precision));
        let comment = serde_json::to_string(&Comment { rain: 1, spec: spec.clone() })
            .map_err(|e| Fault::Refused(e.to_string()))?
            .replace('\'', "''");
        let bytes = columns * if spec.precision == Precision::Half { 2 } else { 4 };
        let storage = if bytes < PLAIN { "PLAIN" } else { "EXTERNAL" };
        self.quick(move |client, table| {
            client.batch_execute(&format!(
                "BEGIN;
                 CREATE EXTENSION IF NOT EXISTS vector;
                 CREATE TABLE IF NOT EXISTS {table} (
                     key bytea PRIMARY KEY,
                     path text NOT NULL,
                     camera bigint NOT NULL,
                     identity bigint NOT NULL,
                     time bigint,
                     embedding {kind}({columns}) NOT NULL
                 );
                 ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE {storage};
                 COMMENT ON TABLE {table} IS '{comment}';
                 COMMIT"
            ))
        })
    }

    fn present(&mut self, keys: &[Key]) -> Result<Vec<Key>, Fault> {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.0.to_vec()).collect();
        self.quick(move |client, table| {
            let rows = client.query(format!("SELECT key FROM {table} WHERE key = ANY($1)").as_str(), &[&keys])?;
            rows.iter().map(|row| row.try_get::<_, &[u8]>(0).map(as_key)).collect()
        })
    }

    fn put(&mut self, spec: &Spec, rows: &[Row]) -> Result<(), Fault> {
        if spec.precision == Precision::Half
            && let Some(row) = rows.iter().find(|row| row.embedding.iter().any(|x| !halved(*x).is_finite()))
        {
            return Err(Fault::Refused(format!(
                "{} has numbers beyond what 16 bits hold (65,504); make the gallery with --precision single",
                one_line(&row.path)
            )));
        }
        let rows: Arc<[Row]> = rows.into();
        self.quick(move |client, table| copy(client, table, &rows))
    }

    fn settle(&mut self, spec: &Spec) -> Result<(), Fault> {
        let table = self.table.clone();
        let (kind, measure) =
            (type_name(spec.precision), if spec.measure == Measure::Cosine { "cosine" } else { "l2" });
        let index = if spec.approximate {
            format!(
                "SET statement_timeout = 0;
                 CREATE INDEX IF NOT EXISTS {table}_hnsw ON {table} USING hnsw (embedding {kind}_{measure}_ops);
                 RESET statement_timeout;"
            )
        } else {
            String::new()
        };
        let limit = self.patience.answer.as_millis();
        self.call(INDEX_TIME, move |client| {
            client.batch_execute(&format!("{index} SET statement_timeout = {limit}; ANALYZE {table}"))
        })
    }

    fn nearest(&mut self, spec: &Spec, question: &Question<'_>) -> Result<Vec<Found>, Fault> {
        let mut parameters: Vec<Box<dyn ToSql + Sync + Send>> = vec![Box::new(Numbers(question.query.to_vec()))];
        let mut conditions = Vec::new();
        let mut add = |condition: &str, value: Box<dyn ToSql + Sync + Send>| {
            parameters.push(value);
            conditions.push(condition.replace('?', &format!("${}", parameters.len())));
        };
        let filter = question.filter;
        if !filter.cameras.is_empty() {
            add("camera = ANY(?)", Box::new(filter.cameras.clone()));
        }
        if !filter.not_cameras.is_empty() {
            add("camera <> ALL(?)", Box::new(filter.not_cameras.clone()));
        }
        if let Some(from) = filter.from {
            add("time >= ?", Box::new(from));
        }
        if let Some(to) = filter.to {
            add("time <= ?", Box::new(to));
        }
        if !filter.exclude.is_empty() {
            let keys: Vec<Vec<u8>> = filter.exclude.iter().map(|key| key.0.to_vec()).collect();
            add("key <> ALL(?)", Box::new(keys));
        }
        let condition = if conditions.is_empty() { "true".into() } else { conditions.join(" AND ") };
        let operator = if spec.measure == Measure::Cosine { "<=>" } else { "<->" };
        let (approximate, top) = (spec.approximate, question.top);
        self.quick(move |client, table| {
            let mut transaction = client.transaction()?;
            if approximate {
                let ef = (2 * top).clamp(LEAST_EF, MOST_EF);
                // Iterative scans go on until the filter has let enough rows through.
                transaction.batch_execute(&format!(
                    "SET LOCAL hnsw.ef_search = {ef}; SET LOCAL hnsw.iterative_scan = 'strict_order'"
                ))?;
            }
            let sql = format!(
                "SELECT key, path, camera, identity, time, embedding, embedding {operator} $1 AS distance \
                 FROM {table} WHERE {condition} ORDER BY embedding {operator} $1 LIMIT {top}"
            );
            let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|p| p.as_ref() as _).collect();
            let rows = transaction.query(sql.as_str(), &parameters)?;
            transaction.commit()?;
            rows.iter().map(found).collect()
        })
    }

    fn remove(&mut self, keys: &[Key]) -> Result<(), Fault> {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.0.to_vec()).collect();
        self.quick(move |client, table| {
            client.execute(format!("DELETE FROM {table} WHERE key = ANY($1)").as_str(), &[&keys]).map(drop)
        })
    }

    fn drop_gallery(&mut self) -> Result<(), Fault> {
        // A table of somebody else's is left alone, whatever its name.
        if self.status()?.is_none() {
            return Ok(());
        }
        self.quick(|client, table| client.batch_execute(&format!("DROP TABLE IF EXISTS {table}")))
    }

    fn slack(&self, spec: &Spec, query: &[f32]) -> f32 {
        // The server halves the query as well; its sums are in f32. Two unit vectors move by at most their own error.
        let error = match spec.precision {
            Precision::Single => 0.0,
            Precision::Half => {
                let half: Vec<f32> = query.iter().map(|x| halved(*x)).collect();
                squared_euclidean(query, &half).sqrt()
            }
        };
        let length = dot(query, query).sqrt().max(f32::MIN_POSITIVE);
        match spec.measure {
            Measure::Cosine => 2.0 * error / length + 2e-5,
            Measure::Euclidean => error + 2e-5 * length,
        }
    }
}

/// Puts rows through a staging table, because COPY alone cannot replace what is there. One transaction: all or none.
fn copy(client: &mut Client, table: &str, rows: &[Row]) -> Result<(), postgres::Error> {
    let mut transaction = client.transaction()?;
    transaction.batch_execute(&format!(
        "CREATE TEMPORARY TABLE IF NOT EXISTS stage_{table} (LIKE {table}) ON COMMIT DELETE ROWS"
    ))?;
    let columns = transaction.prepare(&format!("SELECT embedding FROM stage_{table}"))?;
    let embedding = columns.columns().first().map_or(Type::BYTEA, |column| column.type_().clone());
    let types = [Type::BYTEA, Type::TEXT, Type::INT8, Type::INT8, Type::INT8, embedding];
    let into = transaction.copy_in(format!("COPY stage_{table} FROM STDIN BINARY").as_str())?;
    let mut writer = BinaryCopyInWriter::new(into, &types);
    for row in rows {
        // A text cannot hold a zero byte here; a file name cannot either.
        let (key, path) = (row.key.0.as_slice(), row.path.replace('\0', ""));
        writer.write(&[&key, &path, &row.camera, &row.identity, &row.time, &Numbers(row.embedding.clone())])?;
    }
    writer.finish()?;
    transaction.batch_execute(&format!(
        "INSERT INTO {table} SELECT * FROM stage_{table}
         ON CONFLICT (key) DO UPDATE SET path = excluded.path, camera = excluded.camera, identity = excluded.identity,
             time = excluded.time, embedding = excluded.embedding"
    ))?;
    transaction.commit()
}

fn found(row: &postgres::Row) -> Result<Found, postgres::Error> {
    Ok(Found {
        row: Row {
            key: as_key(row.try_get(0)?),
            path: row.try_get(1)?,
            camera: row.try_get(2)?,
            identity: row.try_get(3)?,
            time: row.try_get(4)?,
            embedding: row.try_get::<_, Numbers>(5)?.0,
        },
        distance: row.try_get::<_, f64>(6)? as f32,
    })
}

/// The table holds keys of sixteen bytes; of any other length, which somebody else wrote, the rest counts as zeros.
fn as_key(bytes: &[u8]) -> Key {
    Key(std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0)))
}

fn type_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Half => "halfvec",
        Precision::Single => "vector",
    }
}

fn read_comment(table: &str, comment: &str) -> Result<Spec, Fault> {
    match serde_json::from_str::<Comment>(comment) {
        Ok(Comment { rain: 1, spec }) => Ok(spec),
        Ok(Comment { rain, .. }) => {
            Err(Fault::Refused(format!("the table {table} is of a newer Rain (format {rain})")))
        }
        Err(_) => Err(Fault::Refused(format!("the table {table} is there, but it is not a gallery of Rain's"))),
    }
}

/// What pgvector can hold and index.
fn check_length(spec: &Spec) -> Result<(), Fault> {
    let most = match (spec.approximate, spec.precision) {
        (false, _) => 16_000,
        (true, Precision::Half) => 4000,
        (true, Precision::Single) => 2000,
    };
    if (1..=most).contains(&spec.columns) {
        return Ok(());
    }
    Err(Fault::Refused(format!(
        "pgvector takes at most {most} numbers an image for this kind of search, and these have {}",
        spec.columns
    )))
}

/// Certificates: the public ones, or those of the file that the address names.
fn tls(address: &Address) -> Result<MakeRustlsConnect> {
    let Some(file) = &address.authority else { return Ok(MakeRustlsConnect::with_webpki_roots()) };
    let bad =
        |problem: String| Error::file(file, problem, "Name a PEM file with the certificate of the server's authority");
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|e| bad(format!("it cannot be read ({e})")))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| bad(format!("it is not PEM ({e})")))?;
        roots.add(certificate).map_err(|e| bad(format!("it holds no usable certificate ({e})")))?;
    }
    if roots.is_empty() {
        return Err(bad("it holds no certificate".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(format!("TLS could not be set up ({e})")))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// What an error of the client means for the caller.
fn fault(error: &postgres::Error, key: Option<&Secret>) -> Fault {
    let scrub = |text: String| one_line(&key.map_or(text.clone(), |key| key.scrub(&text)));
    let Some(db) = error.as_db_error() else {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            let inner_text = inner.to_string();
            if !text.contains(&inner_text) {
                text = format!("{text}: {inner_text}");
            }
            source = inner.source();
        }
        let certificate = text.contains("certificate") || text.contains("TLS") || text.contains("password");
        return if certificate { Fault::Denied(scrub(text)) } else { Fault::Away(scrub(text)) };
    };
    let text = scrub(db.message().to_string());
    let code = db.code();
    if *code == SqlState::QUERY_CANCELED {
        return Fault::Away(format!("it ran out of time ({text})"));
    }
    if text.contains("extension \"vector\"") {
        return Fault::Refused(format!(
            "{text}. pgvector must be installed there, and an administrator of the database must run CREATE EXTENSION vector once"
        ));
    }
    match code.code().get(..2) {
        // Connection, shutdown, too many connections, deadlock: all pass.
        Some("08" | "57" | "53" | "40") => Fault::Away(text),
        Some("28") => Fault::Denied(text),
        _ => Fault::Refused(text),
    }
}

#[cfg(test)]
mod tests;
