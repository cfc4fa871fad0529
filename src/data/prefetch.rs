//! Work done ahead by threads and handed over in order.

use std::io;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, bounded};

/// The results of a function at `first`, `first + 1`, …, worked out ahead by a few threads.
///
/// Thread k of n does every n-th index and has a bounded channel of its own, so that reading the channels in turn gives
/// the results in order without any sorting, and a full channel holds its thread back. Dropping it closes the channels;
/// each thread ends with the piece of work in its hands and is joined.
pub struct Prefetch<T> {
    channels: Vec<Receiver<T>>,
    threads: Vec<JoinHandle<()>>,
    first: u64,
    next: u64,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts `workers` threads (at least one), each at most `ahead` finished results ahead, on the indices from `first`
    /// up to but without `end`.
    ///
    /// # Errors
    /// The operating system's, where it refuses a thread.
    pub fn start(
        workers: usize,
        ahead: usize,
        first: u64,
        end: u64,
        work: impl Fn(u64) -> T + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let mut prefetch = Self { channels: Vec::new(), threads: Vec::new(), first, next: first };
        let workers = workers.max(1);
        for k in 0..workers {
            let (sender, receiver) = bounded(ahead.max(1));
            let work = work.clone();
            let thread = thread::Builder::new().name(format!("rain-data-{k}")).spawn(move || {
                for index in (first.saturating_add(k as u64)..end).step_by(workers) {
                    if sender.send(work(index)).is_err() {
                        break;
                    }
                }
            })?;
            prefetch.channels.push(receiver);
            prefetch.threads.push(thread);
        }
        Ok(prefetch)
    }

    /// The next result, waited for. `None` at the end, or where the thread that owed it died in a panic.
    pub fn next(&mut self) -> Option<T> {
        let turn = (self.next - self.first) % self.channels.len() as u64;
        let result = self.channels[turn as usize].recv().ok()?;
        self.next += 1;
        Some(result)
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.channels.clear();
        for thread in self.threads.drain(..) {
            // A panic has been reported where its result was missed.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_pace() {
        for workers in 0..5 {
            let work = |i: u64| {
                thread::sleep(Duration::from_micros((i * 7919) % 300));
                i
            };
            let mut prefetch = Prefetch::start(workers, 2, 3, 40, work).expect("starts");
            let all: Vec<u64> = std::iter::from_fn(|| prefetch.next()).collect();
            assert_eq!(all, (3..40).collect::<Vec<_>>());
            assert_eq!(prefetch.next(), None);
        }
    }

    #[test]
    fn it_works_a_bounded_way_ahead_and_ends_when_dropped() {
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        let mut prefetch = Prefetch::start(3, 2, 0, u64::MAX, move |i| {
            count.fetch_add(1, Ordering::SeqCst);
            i
        })
        .expect("starts");
        assert_eq!(prefetch.next(), Some(0));
        thread::sleep(Duration::from_millis(50));
        // Each thread: two in its channel, one in its hands; and the one that was taken.
        assert!(done.load(Ordering::SeqCst) <= 3 * 3 + 1);
        drop(prefetch);
        // Every clone of the work is gone with its thread.
        assert_eq!(Arc::strong_count(&done), 1);
    }

    #[test]
    fn a_panic_in_a_thread_ends_the_results_and_hangs_nothing() {
        let mut prefetch = Prefetch::start(2, 1, 0, 100, |i| {
            assert!(i != 3, "a worker dies on purpose");
            i
        })
        .expect("starts");
        assert_eq!(std::iter::from_fn(|| prefetch.next()).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
