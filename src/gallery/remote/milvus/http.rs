//! Milvus' REST: JSON there and back, the key in one header, and what its answers mean.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::error::{Error, Result};
use crate::gallery::remote::fault::one_line;
use crate::gallery::remote::{Address, Fault, Patience, Secret};

/// The longest answer that is read: some hundred rows of 2048 numbers are 10 MB of JSON.
const LONGEST_ANSWER: u64 = 512 << 20;

/// A server's REST interface.
pub struct Http {
    agent: Agent,
    base: String,
    /// The management port's interface, which knows no keys.
    management: String,
    key: Option<Secret>,
    /// Whether the management port may be used: it is never encrypted.
    open: bool,
    seconds: u64,
}

impl Http {
    /// Prepares; nothing is sent yet.
    ///
    /// # Errors
    /// Where the certificates of `address` cannot be read.
    pub fn new(address: &Address, key: Option<Secret>, patience: Patience) -> Result<Self> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(patience.connect))
            .timeout_global(Some(patience.answer))
            .user_agent(concat!("rain/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots(address)?).build());
        if address.is_local() {
            config = config.proxy(None);
        }
        let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
        let scheme = if address.tls { "https" } else { "http" };
        Ok(Self {
            agent: config.build().new_agent(),
            base: format!("{scheme}://{host}:{}", address.port),
            management: format!("http://{host}:{}", address.management),
            key,
            open: address.is_local() || address.plaintext,
            seconds: patience.answer.as_secs().max(1),
        })
    }

    /// Whether a path exists on the server: any answer but 404 says so.
    pub fn knows(&self, path: &str, body: &impl Serialize) -> Result<bool, Fault> {
        match self.send(&format!("{}{path}", self.base), Some(body), true)? {
            (404, _) => Ok(false),
            (status, answer) => self.understood(status, &answer).map(|_| true),
        }
    }

    /// The `data` of the answer to a POST.
    pub fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, Fault> {
        let (status, answer) = self.send(&format!("{}{path}", self.base), Some(body), true)?;
        self.understood(status, &answer)
    }

    /// The `data` of the answer to a GET.
    pub fn get(&self, path: &str) -> Result<Value, Fault> {
        let (status, answer) = self.send(&format!("{}{path}", self.base), None::<&()>, true)?;
        self.understood(status, &answer)
    }

    /// A POST to the management port, without the key: its answer is a status of gRPC's in JSON.
    pub fn manage(&self, path: &str, body: &impl Serialize) -> Result<(), Fault> {
        if !self.open {
            return Err(Fault::Refused(
                "Milvus 2.3 can make a gallery only through its management port, which is not encrypted; say --plaintext \
                 if the network is protected, or make it once on the server's own machine, or use Milvus 2.4 or newer"
                    .into(),
            ));
        }
        let (status, answer) = self.send(&format!("{}{path}", self.management), Some(body), false)?;
        let text = || one_line(&String::from_utf8_lossy(&answer));
        if status >= 300 {
            return Err(Fault::Refused(format!("its management port answered {status}: {}", text())));
        }
        let answer: Value = parse(&answer)?;
        let code = answer["code"].as_i64().or(answer["error_code"].as_i64()).unwrap_or(0);
        match code {
            0 => Ok(()),
            _ => Err(meaning(code, &one_line(answer["reason"].as_str().unwrap_or("no reason given")))),
        }
    }

    fn send(&self, url: &str, body: Option<&impl Serialize>, with_key: bool) -> Result<(u16, Vec<u8>), Fault> {
        // Written out first, so that a failure to write is not mistaken for one of the network.
        let body = body.map(serde_json::to_vec).transpose().map_err(|e| Fault::Refused(e.to_string()))?;
        let key = self.key.as_ref().filter(|_| with_key);
        let answer = match body {
            Some(body) => {
                let mut request = self.agent.post(url).header("Content-Type", "application/json");
                // Whole numbers as numbers, and the server's own patience.
                request = request
                    .header("Accept-Type-Allow-Int64", "true")
                    .header("Request-Timeout", self.seconds.to_string());
                if let Some(key) = key {
                    request = request.header("Authorization", format!("Bearer {}", key.expose()));
                }
                request.send(&body)
            }
            None => {
                let mut request = self.agent.get(url).header("Accept-Type-Allow-Int64", "true");
                if let Some(key) = key {
                    request = request.header("Authorization", format!("Bearer {}", key.expose()));
                }
                request.call()
            }
        };
        let mut answer = answer.map_err(|e| self.fault(&e))?;
        let status = answer.status().as_u16();
        let body: &mut Body = answer.body_mut();
        let bytes = body.with_config().limit(LONGEST_ANSWER).read_to_vec().map_err(|e| self.fault(&e))?;
        Ok((status, bytes))
    }

    /// The `data` of an answer, or what it means that there is none.
    fn understood(&self, status: u16, answer: &[u8]) -> Result<Value, Fault> {
        let text = || self.clean(&String::from_utf8_lossy(answer));
        match status {
            200..=299 => {}
            401 | 403 => return Err(Fault::Denied(format!("{status}, {}", text()))),
            408 | 429 | 500..=599 => return Err(Fault::Away(format!("it answered {status}: {}", text()))),
            300..=399 => {
                return Err(Fault::Garbled(format!("it sends elsewhere ({status}), where the key must not go")));
            }
            404 => return Err(Fault::Garbled("there is no Milvus at this address (404)".into())),
            _ => return Err(Fault::Refused(format!("{status}: {}", text()))),
        }
        let mut answer: Value = parse(answer)?;
        let code = answer["code"].as_i64().ok_or_else(|| Fault::Garbled("an answer without a code".into()))?;
        match code {
            0 | 200 => Ok(answer["data"].take()),
            _ => Err(meaning(code, &self.clean(answer["message"].as_str().unwrap_or("no reason given")))),
        }
    }

    fn clean(&self, text: &str) -> String {
        one_line(&self.key.as_ref().map_or(text.to_string(), |key| key.scrub(text)))
    }

    fn fault(&self, error: &ureq::Error) -> Fault {
        let text = self.clean(&match error {
            ureq::Error::Io(e) => e.kind().to_string(),
            other => other.to_string(),
        });
        match error {
            ureq::Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => Fault::Denied(self.clean(&e.to_string())),
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => Fault::Denied(text),
            ureq::Error::BodyExceedsLimit(_) => Fault::Garbled("its answer is too long".into()),
            ureq::Error::Protocol(_) | ureq::Error::Http(_) => Fault::Garbled(text),
            _ => Fault::Away(text),
        }
    }
}

/// What an error code of Milvus means for the caller.
fn meaning(code: i64, message: &str) -> Fault {
    let lower = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let text = format!("{message} (code {code})");
    if code == 1800 || says(&["authenticat", "unauthorized", "permission deny", "permission denied", "privilege"]) {
        return Fault::Denied(text);
    }
    // Not ready, unavailable, too many requests, not (fully) loaded, a channel or node that is gone.
    let passing = matches!(code, 1..=4 | 8 | 9 | 101 | 103 | 201 | 500..=503 | 901..=904);
    let starting = [
        "not ready",
        "unavailable",
        "not loaded",
        "not fully loaded",
        "no available",
        "deadline",
        "is not healthy",
        "not healthy",
        "shutting down",
        "connection",
        "retry",
    ];
    if passing || says(&starting) { Fault::Away(text) } else { Fault::Refused(text) }
}

fn parse<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(answer).map_err(|_| {
        let start = one_line(&String::from_utf8_lossy(&answer[..answer.len().min(80)]));
        Fault::Garbled(format!("not JSON, but '{start}'"))
    })
}

/// Certificates: the public ones, or those of the file that the address names.
fn roots(address: &Address) -> Result<RootCerts> {
    let Some(file) = &address.authority else { return Ok(RootCerts::WebPki) };
    let bad =
        |problem: &str| Error::file(file, problem, "Name a PEM file with the certificate of the server's authority");
    let pem = std::fs::read(file).map_err(|e| Error::io("read", file, e))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| bad("it is not PEM"))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(bad("it holds no certificate"));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
