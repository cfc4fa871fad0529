//! The one background thread that owns the device and the models. The window talks to it only through
//! [`command::Command`]s and [`event::Event`]s.

pub mod command;
pub(crate) mod desk;
pub mod event;
pub mod gallery;
mod job;
mod outbox;
mod panic;
#[cfg(test)]
mod tests;
mod thumbnails;
mod training;
pub mod worker;

pub use worker::Engine;
