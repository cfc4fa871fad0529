//! The way out of the engine: a bounded channel and a bell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};

use super::case::Tap;
use super::event::Event;

/// Events that may wait for the window.
const CAPACITY: usize = 1024;
/// How long a send waits before it looks whether the engine is closing.
const PATIENCE: Duration = Duration::from_millis(50);

/// Called after each event, from the engine's threads: it asks the window to look.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The sending side; clones share one channel.
#[derive(Clone)]
pub(super) struct Outbox {
    sender: Sender<Event>,
    wake: Wake,
    closing: Arc<AtomicBool>,
    tap: Option<Tap>,
}

impl Outbox {
    pub fn new(wake: Wake) -> (Self, Receiver<Event>) {
        let (sender, receiver) = bounded(CAPACITY);
        (Self { sender, wake, closing: Arc::new(AtomicBool::new(false)), tap: None }, receiver)
    }

    /// The same way out, with the case listening to the results.
    pub fn tapped(&self, tap: Tap) -> Self {
        Self { tap: Some(tap), ..self.clone() }
    }

    /// Sends a result: waits for room, and gives up only when nobody will read it any more.
    pub fn result(&self, mut event: Event) {
        if let Some(tap) = &self.tap {
            tap.see(&event);
        }
        loop {
            event = match self.sender.send_timeout(event, PATIENCE) {
                Ok(()) => break,
                Err(SendTimeoutError::Disconnected(_)) => return,
                Err(SendTimeoutError::Timeout(_)) if self.closing() => return,
                Err(SendTimeoutError::Timeout(event)) => event,
            };
            (self.wake)();
        }
        (self.wake)();
    }

    /// Sends what the next such event makes stale; it is dropped when the window is behind, and never takes the room that
    /// results need.
    pub fn telemetry(&self, event: Event) {
        if self.sender.len() < CAPACITY / 2 && self.sender.try_send(event).is_ok() {
            (self.wake)();
        }
    }

    /// Sends without waiting, for a thread that must not wait; drops the event when the channel is full.
    pub fn offer(&self, event: Event) {
        if self.sender.try_send(event).is_ok() {
            (self.wake)();
        }
    }

    /// From now on nothing waits for the window.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    pub fn closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}
