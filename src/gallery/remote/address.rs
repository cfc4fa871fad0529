//! Where a server is, as the user writes it: `postgres://analyst@host:5432/people` or `milvus+https://host:19530`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};

/// What kind of server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// PostgreSQL with the extension pgvector.
    Postgres,
    /// Milvus, over REST.
    Milvus,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Postgres => "PostgreSQL",
            Kind::Milvus => "Milvus",
        })
    }
}

/// A server's address. It never holds a password: one in the URL is refused, because URLs end up in histories and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What kind of server.
    pub kind: Kind,
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether the connection is encrypted and the server's certificate checked.
    pub tls: bool,
    /// User, of a PostgreSQL server.
    pub user: String,
    /// Database; empty for the server's own default.
    pub database: String,
    /// A PEM file with the certificates to trust instead of the public ones.
    pub authority: Option<PathBuf>,
    /// Whether sending everything unencrypted to another machine was asked for.
    pub plaintext: bool,
    /// The management port, of Milvus 2.3.
    pub management: u16,
}

const REMEDY: &str = "Write it like postgres://analyst@host:5432/people or milvus+https://host:19530";

impl FromStr for Address {
    type Err = Error;

    /// Reads a URL. Schemes: `postgres` (or `postgresql`), `milvus+https`, `milvus+http` (or `https`, `http`).
    ///
    /// PostgreSQL is spoken with TLS, except on this machine; `?tls=off` switches it off, `?tls=on` on. `?management=PORT` names
    /// Milvus 2.3's management port.
    fn from_str(text: &str) -> Result<Self> {
        // The text itself is not quoted in errors: it might hold a password.
        let bad = |problem: &str| Error::input(format!("The server's URL {problem}"), REMEDY);
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(|| bad("has no scheme"))?;
        let (kind, secure) = match scheme.to_ascii_lowercase().as_str() {
            "postgres" | "postgresql" => (Kind::Postgres, None),
            "milvus+https" | "https" => (Kind::Milvus, Some(true)),
            "milvus+http" | "http" => (Kind::Milvus, Some(false)),
            "milvus" => return Err(bad("does not say whether to encrypt: milvus+https or milvus+http")),
            _ => return Err(bad("names neither PostgreSQL nor Milvus")),
        };
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = place.rsplit_once('@').unwrap_or(("", place));
        if user.contains(':') {
            return Err(Error::input(
                "The server's URL holds a password, and URLs end up in histories and logs",
                format!("Leave it out; set {}, or name a --key-file", super::secret::VARIABLE),
            ));
        }
        if kind == Kind::Milvus && !user.is_empty() {
            return Err(bad("names a user, which for Milvus is part of the key (user:password)"));
        }
        let (host, port) = split_port(place).ok_or_else(|| bad("has no host, or a port that is no number"))?;
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(bad("has no host"));
        }
        let name = |text: &str| text.trim_end_matches('/').to_string();
        let mut address = Self {
            kind,
            tls: secure.unwrap_or(!is_loopback(&host)),
            host,
            port: port.unwrap_or(if kind == Kind::Postgres { 5432 } else { 19530 }),
            user: user.to_string(),
            database: name(database),
            authority: None,
            plaintext: false,
            management: 9091,
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match (option.split_once('=').unwrap_or((option, "")), kind) {
                (("tls", "on"), Kind::Postgres) => address.tls = true,
                (("tls", "off"), Kind::Postgres) => address.tls = false,
                (("management", port), Kind::Milvus) => {
                    address.management = port.parse().map_err(|_| bad("has a management port that is no number"))?;
                }
                _ => {
                    return Err(bad(
                        "has an unknown option; there are tls=on and tls=off (PostgreSQL), management=PORT (Milvus)",
                    ));
                }
            }
        }
        Ok(address)
    }
}

impl Address {
    /// Whether the server runs on this machine.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Refuses to send a gallery, or a key, in the clear to another machine unless that was asked for.
    ///
    /// # Errors
    /// [`Error::Input`] with the way out.
    pub fn check(&self) -> Result<()> {
        if self.tls || self.plaintext || self.is_local() {
            return Ok(());
        }
        Err(Error::input(
            format!("{self} is another machine, and this connection would not be encrypted"),
            "Use https or tls=on, or say --plaintext where the network itself is protected",
        ))
    }
}

impl fmt::Display for Address {
    /// How errors name the server: "the Milvus server at host:19530".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, host, port, .. } = self;
        if host.contains(':') {
            write!(f, "the {kind} server at [{host}]:{port}")
        } else {
            write!(f, "the {kind} server at {host}:{port}")
        }
    }
}

/// Host and port; `None` where the port is no number. An IPv6 address stands in brackets.
fn split_port(place: &str) -> Option<(String, Option<u16>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host.to_string(), Some(port.parse().ok()?))),
            None => rest.is_empty().then(|| (host.to_string(), None)),
        };
    }
    match place.split_once(':') {
        Some((host, port)) => Some((host.to_string(), Some(port.parse().ok()?))),
        None => Some((place.to_string(), None)),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A gallery's name on a server: it becomes the name of a table or collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if (1..=40).contains(&text.len()) && text.chars().all(fine) {
            return Ok(Self(text.to_string()));
        }
        Err(Error::input(
            format!("'{}' cannot name a gallery on a server", text.escape_debug()),
            "Use 1 to 40 of a-z, 0-9 and _",
        ))
    }
}

impl Name {
    /// The table or collection, which says whose it is.
    pub fn table(&self) -> String {
        format!("rain_{}", self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn urls_are_read() {
        let a = read("postgres://analyst@db.example:6543/people?tls=off");
        assert_eq!((a.kind, a.host.as_str(), a.port, a.tls), (Kind::Postgres, "db.example", 6543, false));
        assert_eq!((a.user.as_str(), a.database.as_str()), ("analyst", "people"));
        let a = read("milvus+https://10.0.0.7");
        assert_eq!(
            (a.kind, a.port, a.tls, a.to_string()),
            (Kind::Milvus, 19530, true, "the Milvus server at 10.0.0.7:19530".into())
        );
        let a = read("http://[::1]:9");
        assert_eq!((a.host.as_str(), a.port, a.is_local()), ("::1", 9, true));
        assert!(read("postgres://db.example").tls && !read("postgres://localhost").tls);
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_quoted() {
        let message = "postgres://analyst:hunter2@db/people".parse::<Address>().unwrap_err().to_string();
        assert!(message.contains("RAIN_REMOTE_KEY") && !message.contains("hunter2"), "{message}");
        // Nor is it where the URL is wrong in other ways.
        for text in
            ["ftp://a:hunter2@x", "hunter2", "postgres://x:hunter2/", "https://u:hunter2@h", "postgres://h?hunter2=1"]
        {
            let message = text.parse::<Address>().unwrap_err().to_string();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn nothing_goes_in_the_clear_to_another_machine_unasked() {
        let mut far = read("http://gallery.example");
        assert!(far.check().unwrap_err().to_string().contains("--plaintext"));
        far.plaintext = true;
        far.check().unwrap();
        read("https://gallery.example").check().unwrap();
        read("http://127.0.0.1:19530").check().unwrap();
    }

    #[test]
    fn names_are_safe_in_any_query() {
        assert_eq!("city_2026".parse::<Name>().unwrap().table(), "rain_city_2026");
        for bad in ["", "A", "a-b", "a b", "a\"", "ä", &"a".repeat(41)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", scheme in prop::sample::select(vec!["postgres", "https", "milvus+http"])) {
            let _ = text.parse::<Address>();
            let _ = format!("{scheme}://{text}").parse::<Address>();
        }
    }
}
