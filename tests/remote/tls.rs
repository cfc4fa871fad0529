//! A relay that speaks TLS on one side, for servers that do not: HTTP's way, and PostgreSQL's, which asks for TLS first.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How a client begins.
#[derive(Clone, Copy, PartialEq)]
pub enum Begin {
    /// With TLS.
    AtOnce,
    /// With PostgreSQL's question for it.
    Postgres,
}

/// A certificate for loopback and its key in `folder`; `None` where there is no `openssl` to make them.
pub fn certificate(folder: &Path) -> Option<[PathBuf; 2]> {
    let [settings, certificate, key] = ["openssl.cnf", "certificate.pem", "key.pem"].map(|name| folder.join(name));
    let text = "[req]\ndistinguished_name = name\nx509_extensions = more\nprompt = no\n[name]\nCN = Rain's tests\n\
                [more]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = IP:127.0.0.1, DNS:localhost\n";
    fs::write(&settings, text).unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-config",
        ])
        .args([&settings, Path::new("-keyout"), &key, Path::new("-out"), &certificate])
        .output();
    if made.is_ok_and(|made| made.status.success()) {
        return Some([certificate, key]);
    }
    eprintln!("skipped: there is no `openssl` to make a certificate");
    None
}

/// A port that speaks TLS with that certificate and passes everything on to `target`.
pub fn relay([certificate, key]: &[PathBuf; 2], target: u16, begin: Begin) -> u16 {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let config = config.clone();
            // A client that does not like the certificate breaks off: no fault of the relay's.
            thread::spawn(move || drop(pass(client, target, config, begin)));
        }
    });
    port
}

fn pass(mut client: TcpStream, target: u16, config: Arc<ServerConfig>, begin: Begin) -> std::io::Result<()> {
    if begin == Begin::Postgres {
        let mut question = [0; 8];
        client.read_exact(&mut question)?;
        client.write_all(b"S")?;
    }
    let mut server = TcpStream::connect(("127.0.0.1", target))?;
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let pause = Some(Duration::from_millis(2));
    client.set_read_timeout(pause)?;
    server.set_read_timeout(pause)?;
    let mut client = StreamOwned::new(connection, client);
    let mut bytes = vec![0; 1 << 16];
    loop {
        // What is there on either side goes over; a rustls stream cannot be split between two threads.
        for from_client in [true, false] {
            let read = if from_client { client.read(&mut bytes) } else { server.read(&mut bytes) };
            match read {
                Ok(0) => return Ok(()),
                Ok(n) if from_client => server.write_all(&bytes[..n])?,
                Ok(n) => {
                    client.write_all(&bytes[..n])?;
                    client.flush()?;
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => return Err(e),
            }
        }
    }
}
