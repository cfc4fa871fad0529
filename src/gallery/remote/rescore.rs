//! The order that the user sees.
//!
//! A server reckons in its own precision: halves, or sums in another order. So it is asked for somewhat more rows than are
//! wanted, and their distances are computed here as everywhere else in Rain. The first `top` of these are the true ones
//! as long as no row that the server left out can belong among them: the server's last distance must exceed our `top`-th by
//! more than its imprecision. Where it does not, the server is asked for more.

use super::{Found, GoOn, Patience, Question, RemoteGallery, Row, Spec};
use crate::error::Result;
use crate::gallery::distance::{Measure, Prepared};
use crate::gallery::order::key;

/// Rows asked for beyond those wanted, at first.
const MARGIN: usize = 16;
/// How often the margin is widened, fourfold each time, before the answer is taken as it is.
const WIDENINGS: usize = 3;

/// One gallery row and its distance from the query.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The row, with the embedding as the server keeps it.
    pub row: Row,
    /// Distance by the gallery's measure, over the embedding as the server keeps it.
    pub distance: f32,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The nearest rows, nearest first; ties by key.
    pub hits: Vec<Hit>,
    /// Whether no other row can belong among them. Never so for a gallery that is searched approximately.
    pub certain: bool,
}

/// The `question.top` nearest rows of a gallery of `spec`.
///
/// # Errors
/// A server that stays away, refuses, or lets nobody in.
pub fn search(
    gallery: &mut dyn RemoteGallery,
    spec: &Spec,
    question: &Question<'_>,
    patience: &Patience,
    go_on: GoOn<'_>,
) -> Result<Answer> {
    let slack = gallery.slack(spec, question.query);
    let mut margin = MARGIN;
    for widening in 0.. {
        let wider = Question { top: question.top.saturating_add(margin), ..*question };
        let found =
            patience.insist(go_on, || gallery.nearest(spec, &wider)).map_err(|fault| fault.tell(gallery.address()))?;
        // Fewer than asked for: the server has left nothing out.
        let all = found.len() < wider.top;
        let last = found.iter().map(|found| found.distance).fold(f32::NEG_INFINITY, f32::max);
        let mut answer = rescore(spec.measure, question, found);
        let furthest = answer.hits.last().map_or(f32::NEG_INFINITY, |hit| hit.distance);
        answer.certain = !spec.approximate && (all || last - slack > furthest);
        if answer.certain || spec.approximate || widening == WIDENINGS {
            return Ok(answer);
        }
        margin *= 4;
    }
    Ok(Answer::default()) // not reached: the widenings end first
}

/// Orders what a server found by the distances computed here.
fn rescore(measure: Measure, question: &Question<'_>, found: Vec<Found>) -> Answer {
    let prepared = Prepared::new(question.query, measure);
    let mut hits: Vec<Hit> =
        found.into_iter().map(|Found { row, .. }| Hit { distance: prepared.distance(&row.embedding), row }).collect();
    hits.sort_by_key(|hit| (key(hit.distance, 0), hit.row.key));
    hits.truncate(question.top);
    Answer { hits, certain: false }
}
