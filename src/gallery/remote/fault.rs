//! What can go wrong with a server, and how long to insist.

use std::time::{Duration, Instant};

use super::address::Address;
use crate::error::{Error, Result};
use crate::flow::Flow;

/// Why a server did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not there, broke the connection, ran out of time or is busy: another attempt may succeed.
    Away(String),
    /// It wants another key, user or certificate.
    Denied(String),
    /// It understood, and said no.
    Refused(String),
    /// Its answer is not one that this program knows.
    Garbled(String),
    /// The user stopped it.
    Stopped,
}

impl Fault {
    /// The error that the user reads: which server, what happened, what to do now.
    pub fn tell(self, server: &Address) -> Error {
        let (problem, remedy) = match self {
            Fault::Stopped => return Error::Cancelled,
            Fault::Away(why) => (
                format!("{server} did not answer: {why}"),
                "Check that it runs and can be reached, then do the same again: it goes on where it stopped. \
                 Local galleries, cases and verdicts are not affected",
            ),
            Fault::Denied(why) => (
                format!("{server} did not let this program in: {why}"),
                "Check the user in the URL, and the key in RAIN_REMOTE_KEY or --key-file; for a server with its own \
                 certificate name it with --ca",
            ),
            Fault::Refused(why) => (
                format!("{server} refused: {why}"),
                "Check the gallery's name and your rights on the server; its log has the details",
            ),
            Fault::Garbled(why) => (
                format!("{server} gave an answer that Rain does not understand: {why}"),
                "Check that the URL leads to that server itself, and see docs/galleries.md for the versions that are known to work",
            ),
        };
        Error::input(capital(&problem), remedy)
    }
}

/// The first sentence of an error starts with a capital.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A server's own words, fit for one line of an error.
pub fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_string(),
    }
}

/// How often and how patiently a server is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// Time for one connection to come up.
    pub connect: Duration,
    /// Time for one answer.
    pub answer: Duration,
    /// Attempts in all, where the server is away.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles with each further one.
    pub pause: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            attempts: 6,
            pause: Duration::from_millis(250),
            longest: Duration::from_secs(8),
        }
    }
}

impl Patience {
    /// For a question to which somebody waits in front of the screen: one attempt, a few seconds.
    pub fn short() -> Self {
        Self { connect: Duration::from_secs(4), answer: Duration::from_secs(8), attempts: 1, ..Self::default() }
    }

    /// Does `work`, again and again with growing pauses while the server is [`Fault::Away`]; `go_on` is asked during pauses.
    pub fn insist<T>(
        &self,
        go_on: &mut dyn FnMut() -> Flow,
        mut work: impl FnMut() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let started = Instant::now();
        let mut pause = self.pause;
        for attempt in 1.. {
            match work() {
                Err(Fault::Away(why)) if attempt >= self.attempts => {
                    let spent = started.elapsed().as_secs_f64();
                    let tries =
                        if attempt > 1 { format!(" ({attempt} attempts in {spent:.0} s)") } else { String::new() };
                    return Err(Fault::Away(format!("{why}{tries}")));
                }
                Err(Fault::Away(_)) => wait(pause, go_on)?,
                other => return other,
            }
            pause = (pause * 2).min(self.longest);
        }
        Err(Fault::Stopped) // not reached: the attempts end first
    }
}

/// Waits, unless the user has had enough.
pub fn wait(time: Duration, go_on: &mut dyn FnMut() -> Flow) -> Result<(), Fault> {
    const SLICE: Duration = Duration::from_millis(50);
    let end = Instant::now() + time;
    loop {
        if go_on() == Flow::Stop {
            return Err(Fault::Stopped);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLICE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick() -> Patience {
        Patience {
            attempts: 4,
            pause: Duration::from_millis(1),
            longest: Duration::from_millis(2),
            ..Patience::default()
        }
    }

    #[test]
    fn only_an_absent_server_is_asked_again() {
        let mut asked = 0;
        let away = quick().insist(&mut || Flow::Continue, || {
            asked += 1;
            Err::<(), _>(Fault::Away("connection refused".into()))
        });
        assert_eq!(asked, 4);
        assert!(matches!(away, Err(Fault::Away(why)) if why.contains("connection refused (4 attempts")));
        let mut asked = 0;
        let denied = quick().insist(&mut || Flow::Continue, || {
            asked += 1;
            Err::<(), _>(Fault::Denied("no".into()))
        });
        assert_eq!((asked, denied), (1, Err(Fault::Denied("no".into()))));
        let mut asked = 0;
        let back = quick().insist(&mut || Flow::Continue, || {
            asked += 1;
            if asked < 3 { Err(Fault::Away("busy".into())) } else { Ok(asked) }
        });
        assert_eq!(back, Ok(3));
    }

    #[test]
    fn a_pause_ends_when_the_user_stops() {
        let slow = Patience { pause: Duration::from_secs(60), ..quick() };
        let started = Instant::now();
        let stopped = slow.insist(&mut || Flow::Stop, || Err::<(), _>(Fault::Away("x".into())));
        assert_eq!(stopped, Err(Fault::Stopped));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn each_fault_says_which_server_and_what_now() {
        let server: Address = "milvus+http://127.0.0.1:19530".parse().unwrap();
        for fault in
            [Fault::Away("x".into()), Fault::Denied("x".into()), Fault::Refused("x".into()), Fault::Garbled("x".into())]
        {
            let message = fault.tell(&server).to_string();
            assert!(
                message.starts_with("The Milvus server at 127.0.0.1:19530") && message.contains("Check"),
                "{message}"
            );
        }
        assert_eq!(one_line(" a\n b. "), "a b");
        assert_eq!(one_line(&"ä".repeat(999)).chars().count(), 301);
    }
}
