//! The pace of a projection: work goes in slices of some tens of milliseconds, and between two slices the watcher hears
//! how far it is and may stop it. What is computed never depends on the slices.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::flow::Flow;
use crate::{Error, Result};

/// The stages of a projection, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Principal components: fewer dimensions, and where the points start.
    Pca,
    /// Nearest neighbours of each point, and how strongly each attracts.
    Neighbours,
    /// Optimisation with the attraction multiplied, which gathers the clusters.
    EarlyExaggeration,
    /// Optimisation of the divergence itself.
    Optimisation,
}

impl Stage {
    /// The stage in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pca => "Principal components",
            Self::Neighbours => "Nearest neighbours",
            Self::EarlyExaggeration => "Early exaggeration",
            Self::Optimisation => "Optimisation",
        }
    }
}

/// How far a projection is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The stage under way.
    pub stage: Stage,
    /// Iterations done, both phases together; 0 before the first.
    pub iteration: u32,
    /// Iterations of both phases.
    pub iterations: u32,
    /// Share of the whole work done, 0 to 1: an estimate that never falls.
    pub fraction: f64,
    /// Time left, by the pace of the iterations so far; `None` before the first.
    pub left: Option<Duration>,
    /// Kullback-Leibler divergence of the layout in [`Self::points`], in nats, without exaggeration.
    pub divergence: Option<f64>,
    /// The layout, every [`super::Settings::every`]-th iteration.
    pub points: Option<&'a [[f32; 2]]>,
}

/// Share of the work that lies before the first iteration, and before the neighbours: where [`Progress::fraction`] stands.
const BEFORE_ITERATIONS: f64 = 0.2;
const BEFORE_NEIGHBOURS: f64 = 0.05;

/// A slice of work is made longer below this time and shorter above twice it.
const SLICE: Duration = Duration::from_millis(20);

/// Tells the watcher, and cuts work into slices.
pub(super) struct Pace<'a> {
    on: &'a mut dyn FnMut(&Progress) -> Flow,
    stage: Stage,
    iterations: u32,
    fraction: f64,
    first_iteration: Option<Instant>,
}

impl<'a> Pace<'a> {
    pub fn new(iterations: u32, on: &'a mut dyn FnMut(&Progress) -> Flow) -> Self {
        Self { on, stage: Stage::Pca, iterations, fraction: 0.0, first_iteration: None }
    }

    /// The work that follows belongs to `stage`.
    pub fn enter(&mut self, stage: Stage) -> Result<()> {
        self.stage = stage;
        self.share(0.0)
    }

    /// `done` of 1 of a stage before the iterations is done.
    pub fn share(&mut self, done: f64) -> Result<()> {
        let (from, to) = match self.stage {
            Stage::Pca => (0.0, BEFORE_NEIGHBOURS),
            Stage::Neighbours => (BEFORE_NEIGHBOURS, BEFORE_ITERATIONS),
            _ => (self.fraction, self.fraction),
        };
        self.fraction = self.fraction.max(from + (to - from) * done.min(1.0));
        self.tell(0, None, None, None)
    }

    /// `iteration` iterations are done; `points` and `divergence` are told where there are any.
    pub fn iterated(&mut self, iteration: u32, divergence: Option<f64>, points: Option<&[[f32; 2]]>) -> Result<()> {
        let since = self.first_iteration.get_or_insert_with(Instant::now).elapsed();
        let done = f64::from(iteration) / f64::from(self.iterations.max(1));
        self.fraction = BEFORE_ITERATIONS + (1.0 - BEFORE_ITERATIONS) * done;
        // The clock starts when the first iteration ends.
        let left =
            (iteration > 1).then(|| since.mul_f64(f64::from(self.iterations - iteration) / f64::from(iteration - 1)));
        self.tell(iteration, left, divergence, points)
    }

    fn tell(
        &mut self,
        iteration: u32,
        left: Option<Duration>,
        divergence: Option<f64>,
        points: Option<&[[f32; 2]]>,
    ) -> Result<()> {
        let (stage, iterations, fraction) = (self.stage, self.iterations, self.fraction);
        match (self.on)(&Progress { stage, iteration, iterations, fraction, left, divergence, points }) {
            Flow::Continue => Ok(()),
            Flow::Stop => Err(Error::Cancelled),
        }
    }

    /// Does `work` on every item on the thread pool. Items are independent, and one takes some milliseconds. After each
    /// slice of items the part `within` of the stage that they make up is told.
    pub fn each<T: Send>(
        &mut self,
        items: &mut [T],
        within: std::ops::Range<f64>,
        work: impl Fn(&mut T) + Sync,
    ) -> Result<()> {
        let threads = rayon::current_num_threads();
        let (mut width, mut done) = (2 * threads, 0);
        while done < items.len() {
            let slice = &mut items[done..];
            let taken = width.min(slice.len());
            let start = Instant::now();
            slice[..taken].par_iter_mut().for_each(&work);
            done += taken;
            match start.elapsed() {
                took if took < SLICE => width *= 2,
                took if took > 2 * SLICE => width = (width / 2).max(threads),
                _ => {}
            }
            let share = done as f64 / items.len() as f64;
            self.share(within.start + (within.end - within.start) * share)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_progress_never_falls() {
        let mut last = 0.0;
        let mut on = |p: &Progress| {
            assert!(p.fraction >= last && p.fraction <= 1.0);
            last = p.fraction;
            Flow::Continue
        };
        let mut pace = Pace::new(10, &mut on);
        let mut items = vec![0; 1000];
        pace.each(&mut items, 0.0..1.0, |i| *i += 1).unwrap();
        pace.enter(Stage::Neighbours).unwrap();
        pace.each(&mut items, 0.5..1.0, |i| *i += 1).unwrap();
        assert!(items.iter().all(|&i| i == 2));
        for i in 1..=10 {
            pace.iterated(i, None, None).unwrap();
        }
        assert_eq!(last, 1.0);
    }

    #[test]
    fn a_stop_leaves_the_rest_undone() {
        let mut on = |_: &Progress| Flow::Stop;
        let mut pace = Pace::new(10, &mut on);
        let mut items = vec![0; 100_000];
        let error = pace.each(&mut items, 0.0..1.0, |i| *i += 1).unwrap_err();
        assert!(matches!(error, Error::Cancelled));
        assert!(items.contains(&0));
    }
}
