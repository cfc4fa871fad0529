//! What each kind of work costs on this machine: the library behind `rain bench`.
//!
//! [`measure`] runs a piece of work over and over and takes medians; [`peak`] says what the machine could do at best, in the
//! same run; [`flops`] counts what the network has to do. The workloads are in [`compute`], [`images`] and [`vectors`].

pub mod compute;
pub mod flops;
pub mod images;
pub mod measure;
pub mod peak;
pub mod report;
pub mod sweep;
pub mod vectors;
