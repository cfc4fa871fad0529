//! The one background thread that owns the device and the models. The window talks to it only through
//! [`command::Command`]s and [`event::Event`]s.

pub mod case;
pub mod certainty;
pub mod command;
pub(crate) mod desk;
pub mod event;
pub mod gallery;
mod intake;
mod job;
pub mod map;
mod outbox;
mod panic;
pub mod paper;
pub mod refine;
pub mod room;
pub(crate) mod search;
mod stored;
#[cfg(test)]
mod tests;
mod thumbnails;
mod training;
pub mod worker;

pub use worker::Engine;
