//! How whoever watches a piece of work says whether it shall go on.

/// What a watcher answers between two pieces of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Keep what must be kept (a run writes a checkpoint) and stop.
    Stop,
}
