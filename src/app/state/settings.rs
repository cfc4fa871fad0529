//! What the user chose and finds again at the next start.

use serde::{Deserialize, Serialize};

use super::CaseSettings;
use crate::engine::command::Measure;

/// The numbers of candidates that are offered; any other can be typed.
pub const TOPS: [usize; 6] = [5, 10, 20, 50, 100, 500];
/// "The whole gallery", whatever its size.
pub const ALL: usize = usize::MAX;

/// What the listed candidates stand in order of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Their rank: by distance, or by the distance after re-ranking.
    #[default]
    Rank,
    /// Their camera, then their rank.
    Camera,
    /// Their time, then their rank; those without a time come last.
    Time,
    /// Their file name.
    Name,
}

impl Sort {
    /// Every order, with its name.
    pub const NAMES: [(Sort, &'static str); 4] =
        [(Sort::Rank, "Distance"), (Sort::Camera, "Camera"), (Sort::Time, "Time"), (Sort::Name, "File name")];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(sort, _)| *sort == self).map_or("", |(_, name)| name)
    }
}

/// What the user chose and finds again at the next start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Candidates listed for a query.
    pub top: usize,
    /// How distances are measured.
    pub measure: Measure,
    /// Whether known identities are shown. Off at first: who looks for a person is not to be told the answer.
    pub ground_truth: bool,
    /// Width of a candidate's card in points.
    pub card: f32,
    /// The order of the cards.
    pub sort: Sort,
    /// Whether the cards of one identity stand together.
    pub grouped: bool,
    /// The reviewer, and the cases opened last.
    pub case: CaseSettings,
}

impl Default for Settings {
    fn default() -> Self {
        let measure = Measure::Cosine;
        let case = CaseSettings::default();
        Self { top: 10, measure, ground_truth: false, card: 104.0, sort: Sort::Rank, grouped: false, case }
    }
}
