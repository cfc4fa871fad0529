//! The command line: one file a subcommand, the same library calls as the window.

pub mod train;
