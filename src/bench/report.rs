//! What a workload cost, with what it takes to read the figures.

use serde::Serialize;
use serde_json::{Map, Value};

use super::measure::Measured;
use super::peak::{Peak, peak};
use crate::nn::kernel::Isa;

/// The machine that a figure belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// Operating system and processor family.
    pub system: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Threads that compute.
    pub threads: usize,
    /// The instruction set in use.
    pub kernels: &'static str,
    /// What it can do at best, measured after the work.
    pub peak: Peak,
}

impl Machine {
    /// This machine, at this moment.
    pub fn now() -> Self {
        Self {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: rayon::current_num_threads(),
            kernels: Isa::current().name(),
            peak: peak(),
        }
    }
}

/// One workload's figures. As JSON its keys are stable; a figure that has no meaning for the work is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which work.
    pub work: &'static str,
    /// What was done, in words.
    pub title: String,
    /// All that it takes to repeat it.
    pub settings: Map<String, Value>,
    /// Times and memory.
    #[serde(flatten)]
    pub measured: Measured,
    /// What is counted: images, queries, …
    pub unit: &'static str,
    /// How many of them a run did.
    pub count: u64,
    /// How many of them a second, by the clock on the wall and the median run.
    pub per_second: f64,
    /// Share of the time of all computing threads' cores that was used, 0..1.
    pub cores_busy: Option<f64>,
    /// Billions of floating-point operations of a run.
    pub gflop: Option<f64>,
    /// Billions of floating-point operations a second.
    pub gflops: Option<f64>,
    /// Share of the machine's measured peak, 0..1.
    pub peak_fraction: Option<f64>,
    /// The machine.
    pub machine: Machine,
    /// Figures that this work alone has.
    pub details: Map<String, Value>,
    /// What follows for a user, a sentence each.
    pub notes: Vec<String>,
}

impl Report {
    /// Figures of a workload of `count` `unit`s a run, of which `flop` floating-point operations where that is known.
    pub fn new(work: &'static str, title: String, measured: Measured, (count, unit): (u64, &'static str)) -> Self {
        let machine = Machine::now();
        let seconds = measured.wall_s.median.max(1e-9);
        let share = |cpu: f64| (cpu / seconds / machine.threads.min(machine.cores) as f64).min(1.0);
        Self {
            work,
            title,
            settings: Map::new(),
            unit,
            count,
            per_second: count as f64 / seconds,
            cores_busy: measured.cpu_s.map(|cpu| share(cpu.median)),
            gflop: None,
            gflops: None,
            peak_fraction: None,
            machine,
            details: Map::new(),
            notes: Vec::new(),
            measured,
        }
    }

    /// Adds the settings: an object.
    pub fn settings(mut self, settings: Value) -> Self {
        if let Value::Object(map) = settings {
            self.settings = map;
        }
        self
    }

    /// Adds the arithmetic of a run, in floating-point operations.
    pub fn operations(mut self, flop: f64) -> Self {
        let gflops = flop / 1e9 / self.measured.wall_s.median.max(1e-9);
        self.gflop = Some(flop / 1e9);
        self.gflops = Some(gflops);
        self.peak_fraction = Some(gflops / self.machine.peak.gflops);
        self
    }

    /// Adds a figure that this work alone has.
    pub fn detail(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.into(), value.into());
        self
    }

    /// Adds a sentence.
    pub fn note(mut self, sentence: String) -> Self {
        self.notes.push(sentence);
        self
    }
}

/// A duration as people say it: "40 ms", "3.2 s", "12 min", "1 h 46 min", "4 d 10 h".
pub fn in_words(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 90.0 => format!("{s:.0} s"),
        _ if minutes < 60 => format!("{minutes} min"),
        _ if minutes < 24 * 60 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} d {} h", minutes / 1440, minutes % 1440 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let said: Vec<String> =
            [0.000_012, 0.0123, 0.4, 3.217, 61.0, 600.0, 6360.0, 381_600.0].map(in_words).into_iter().collect();
        assert_eq!(said, ["12 µs", "12.3 ms", "400 ms", "3.22 s", "61 s", "10 min", "1 h 46 min", "4 d 10 h"]);
    }

    #[test]
    fn rates_by_hand() {
        let spread = super::super::measure::Spread { median: 0.5, least: 0.5, most: 0.5 };
        let measured = Measured { repeats: 1, wall_s: spread, cpu_s: Some(spread), peak_memory_mib: None };
        let report = Report::new("forward", String::new(), measured, (8, "images")).operations(4e9);
        assert_eq!((report.per_second, report.gflops), (16.0, Some(8.0)));
        assert_eq!(report.peak_fraction, Some(8.0 / report.machine.peak.gflops));
        assert!(report.cores_busy.unwrap() <= 1.0);
    }
}
