//! The map that the window shows: its images, where they lie by now, and how far it is.

use std::sync::Arc;

use super::{Gravity, ViewState, file_name};
use crate::engine::command::{JobId, MapCommand};
use crate::engine::map::MapEvent;
use crate::projection::Stage;
use crate::projection::map::{Map, Spot};

/// How far a map is that is being made.
#[derive(Debug, Clone, PartialEq)]
pub struct Making {
    /// The stage under way.
    pub stage: Stage,
    /// Iterations done.
    pub iteration: u32,
    /// Iterations in all.
    pub iterations: u32,
    /// Share of the work done, 0 to 1.
    pub fraction: f64,
    /// Seconds left, once they are known.
    pub seconds_left: Option<f64>,
}

/// The map, and how it comes to be.
#[derive(Debug, Clone, Default)]
pub struct MapState {
    /// What it shows.
    pub title: String,
    /// Its images.
    pub spots: Arc<Vec<Spot>>,
    /// Where they lie by now; none before the first layout.
    pub points: Arc<Vec<[f32; 2]>>,
    /// Changes with the images.
    pub spots_version: u64,
    /// Changes with their places.
    pub points_version: u64,
    /// The complete map.
    pub map: Option<Arc<Map>>,
    /// It was asked for, and the engine has not taken it up yet.
    pub waiting: bool,
    /// The job that makes it.
    pub job: Option<JobId>,
    /// How far that is.
    pub making: Option<Making>,
    /// Divergence after so many iterations, oldest first.
    pub divergence: Vec<(u32, f64)>,
}

impl MapState {
    /// Whether there is something to show.
    pub fn exists(&self) -> bool {
        !self.spots.is_empty()
    }

    /// Whether a map is being made.
    pub fn busy(&self) -> bool {
        self.waiting || self.job.is_some()
    }

    pub(super) fn asked(&mut self, command: &MapCommand) {
        self.waiting |= matches!(command, MapCommand::Project { .. });
    }

    pub(super) fn refused(&mut self) {
        self.waiting = false;
    }

    /// The engine took a map up.
    pub(super) fn started(&mut self, job: JobId) {
        (self.waiting, self.job, self.making) = (false, Some(job), None);
    }

    pub(super) fn ended(&mut self, job: JobId) {
        if self.job == Some(job) {
            (self.job, self.making) = (None, None);
        }
    }

    fn show(&mut self, title: String, spots: Arc<Vec<Spot>>, points: Arc<Vec<[f32; 2]>>) {
        (self.title, self.spots, self.points, self.map) = (title, spots, points, None);
        self.spots_version += 1;
        self.points_version += 1;
        self.divergence.clear();
    }

    fn apply(&mut self, event: MapEvent) {
        match event {
            MapEvent::Started { title, spots, .. } => self.show(title, spots, Arc::default()),
            MapEvent::Moved { job, stage, iteration, iterations, fraction, seconds_left, divergence, points } => {
                if self.job != Some(job) {
                    return;
                }
                self.making = Some(Making { stage, iteration, iterations, fraction, seconds_left });
                self.divergence.extend(divergence.map(|divergence| (iteration, divergence)));
                if let Some(points) = points.filter(|points| points.len() == self.spots.len()) {
                    self.points = points;
                    self.points_version += 1;
                }
            }
            MapEvent::Finished { map, .. } => {
                let divergence = std::mem::take(&mut self.divergence);
                if !Arc::ptr_eq(&map.spots, &self.spots) {
                    self.spots = map.spots.clone();
                    self.spots_version += 1;
                }
                (self.points, self.divergence, self.title) = (map.points.clone(), divergence, map.title.clone());
                self.points_version += 1;
                self.map = Some(map);
            }
            MapEvent::Opened { map, .. } => {
                self.show(map.title.clone(), map.spots.clone(), map.points.clone());
                self.map = Some(map);
            }
            MapEvent::Saved { .. } => {}
        }
    }
}

impl ViewState {
    pub(super) fn map_event(&mut self, event: MapEvent) {
        match &event {
            MapEvent::Saved { path } => self.notify(Gravity::Note, "Saved", path.display().to_string(), Vec::new()),
            MapEvent::Opened { path, .. } if self.map.busy() => {
                let message = format!("{} is shown, but a map is being made and will take its place", file_name(path));
                self.notify(Gravity::Note, "Open map", message, Vec::new());
            }
            MapEvent::Finished { map, .. } if !map.made.notes.is_empty() => {
                let message = format!("{}.", map.made.notes.join(". "));
                self.notify(Gravity::Note, "Map made", message, Vec::new());
            }
            _ => {}
        }
        self.map.apply(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::map::Role;

    fn spots(n: usize) -> Arc<Vec<Spot>> {
        let spot = |i| Spot { path: format!("{i}.png").into(), identity: 1, camera: 1, rate: 1.0, role: Role::Gallery };
        Arc::new((0..n).map(spot).collect())
    }

    fn moved(job: u64, iteration: u32, n: usize) -> MapEvent {
        MapEvent::Moved {
            job: JobId(job),
            stage: Stage::Optimisation,
            iteration,
            iterations: 100,
            fraction: 0.5,
            seconds_left: Some(3.0),
            divergence: Some(2.0),
            points: Some(Arc::new(vec![[0.0, 1.0]; n])),
        }
    }

    #[test]
    fn layouts_of_the_job_are_shown_and_those_of_others_are_not() {
        let mut state = MapState { waiting: true, ..MapState::default() };
        state.started(JobId(4));
        state.apply(MapEvent::Started { job: JobId(4), title: "T".into(), spots: spots(5) });
        assert!(state.busy() && state.exists() && state.points.is_empty());
        let before = state.points_version;
        state.apply(moved(3, 10, 5));
        state.apply(moved(4, 20, 7));
        assert_eq!(state.points_version, before, "of another job, or of another number of images");
        state.apply(moved(4, 30, 5));
        assert_eq!((state.points.len(), state.divergence.len()), (5, 2));
        state.ended(JobId(4));
        assert!(!state.busy() && state.making.is_none());
    }
}
