//! The one background thread that owns the device and the models. The window and the command line talk to it only
//! through [`command::Command`]s and [`event::Event`]s.

pub mod command;
pub mod event;
