//! A panic is a fault of ours; it becomes an error text instead of the end of the program.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Result;

/// Runs `work` and turns its error, or its panic, into a complete, readable text.
///
/// The caller's state must be fit to go on with after a panic: the engine changes its state only once a piece of work is
/// complete.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(crate::error::Error::Cancelled)) => Err(Failure::Cancelled),
        Ok(Err(error)) => Err(Failure::Told(error.to_string())),
        Err(panic) => Err(Failure::Told(format!(
            "A fault inside Rain stopped this: {}. Nothing else was lost; please report it with what you did.",
            text(panic.as_ref())
        ))),
    }
}

/// Why a piece of work did not end well.
#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    /// The user stopped it.
    Cancelled,
    /// It failed; the text is complete.
    Told(String),
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let known = panic.downcast_ref::<String>().map(String::as_str);
    known.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason was given").trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_text() {
        let Err(Failure::Told(message)) = guarded::<()>(|| panic!("row {} of 3.", 7)) else { unreachable!() };
        assert!(message.contains("row 7 of 3.") && message.contains("report"), "{message}");
        assert_eq!(guarded::<()>(|| Err(crate::error::Error::Cancelled)), Err(Failure::Cancelled));
        assert_eq!(guarded(|| Ok(5)), Ok(5));
    }
}
