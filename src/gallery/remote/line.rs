//! A connection on a thread of its own, so that waiting for it can end.
//!
//! A blocking client waits as long as the other side keeps the connection open, and a server that hangs keeps it open for
//! ever. Here the caller waits for a time and then walks away; the thread ends when its call does.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use super::fault::Fault;

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A `T` that lives on a thread of its own.
pub struct Line<T> {
    jobs: Sender<Job<T>>,
}

impl<T: 'static> Line<T> {
    /// Makes the `T` on its thread.
    pub fn open(limit: Duration, make: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<Self, Fault> {
        let (jobs, inbox) = bounded::<Job<T>>(1);
        let (tell, made) = bounded(1);
        let body = move || match make() {
            Ok(mut value) => {
                let _ = tell.send(Ok(())); // nobody waits any more: then the channel of jobs is closed as well
                inbox.iter().for_each(|job| job(&mut value));
            }
            Err(fault) => drop(tell.send(Err(fault))),
        };
        let thread = thread::Builder::new().name("server".into()).spawn(body);
        thread.map_err(|e| Fault::Away(format!("a thread could not start ({e})")))?;
        match made.recv_timeout(limit) {
            Ok(opened) => opened.map(|()| Self { jobs }),
            Err(_) => Err(late(limit)),
        }
    }

    /// Does `work` on the thread and waits for it, but not longer than `limit`. After a failure of this kind the line is to
    /// be dropped: its thread may still be busy.
    pub fn call<R: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&mut T) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        let (tell, answer) = bounded(1);
        let job: Job<T> = Box::new(move |value| {
            let _ = tell.send(work(value)); // fails where the caller has walked away
        });
        let gone = || Fault::Away("the connection's thread has ended".into());
        self.jobs.send(job).map_err(|_| gone())?;
        match answer.recv_timeout(limit) {
            Ok(answer) => answer,
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => Err(late(limit)),
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

fn late(limit: Duration) -> Fault {
    Fault::Away(format!("no answer within {:.0} s", limit.as_secs_f64().ceil()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn waiting_ends() {
        let line = Line::open(Duration::from_secs(5), || Ok(1)).unwrap();
        assert_eq!(line.call(Duration::from_secs(5), |n| Ok(*n + 1)), Ok(2));
        let started = Instant::now();
        let hung = line.call(Duration::from_millis(50), |_| {
            thread::sleep(Duration::from_secs(2));
            Ok(())
        });
        assert!(matches!(hung, Err(Fault::Away(why)) if why.contains("no answer")));
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_failure_to_open_and_a_panic_are_told() {
        let none = Line::<i32>::open(Duration::from_secs(5), || Err(Fault::Denied("x".into())));
        assert_eq!(none.err(), Some(Fault::Denied("x".into())));
        let line = Line::open(Duration::from_secs(5), || Ok(1)).unwrap();
        assert!(line.call::<()>(Duration::from_secs(5), |_| panic!("for the test")).is_err());
        assert!(line.call(Duration::from_secs(5), |n| Ok(*n)).is_err());
    }
}
