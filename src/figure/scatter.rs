//! The figure of a map: its points in the colours of their groups, a legend, and the figures that say how good it is.

use std::io::Write;
use std::path::Path;

use super::{Align, Figure, Paper, Shape, Weight, ending, wrapped};
use crate::projection::groups::{Groups, Marker, Rgb, mix};
use crate::projection::lookup::bounds;
use crate::projection::map::{Map, Role};
use crate::{Error, Result};

/// How a map is shown.
#[derive(Debug, Clone)]
pub struct Look {
    /// Title above the picture.
    pub title: String,
    /// Colours of ground and words.
    pub paper: Paper,
    /// Groups of the points.
    pub groups: Groups,
    /// Groups that are not shown; the rest are.
    pub hidden: Vec<u32>,
    /// If there are any, the other groups are dimmed.
    pub isolated: Vec<u32>,
    /// What is shown: left, top, right and bottom in the units of the layout; all of it where there is none.
    pub view: Option<[[f32; 2]; 2]>,
    /// Half width of a point in points.
    pub radius: f32,
}

/// Writes a map as the ending of `path` says: `.safetensors` (which can be opened again), `.csv`, `.svg` or `.png`.
///
/// # Errors
/// [`Error::File`] for another ending, [`Error::Io`] where the file cannot be written.
pub fn save(map: &Map, path: &Path, look: &Look, selected: &[bool]) -> Result<()> {
    match ending(path).as_str() {
        "safetensors" => map.write(path),
        "csv" => {
            let text = map.csv(selected);
            crate::fs::write_atomic(path, |file| file.write_all(text.as_bytes()))
        }
        "svg" | "png" => figure(map, look).write(path),
        other => Err(Error::file(
            path,
            if other.is_empty() {
                "its name has no ending".into()
            } else {
                format!("a map is not written as .{other}")
            },
            "End its name in .safetensors (to open it again), .csv, .svg or .png",
        )),
    }
}

/// How strongly a point that is not meant is mixed with the ground.
pub const DIM: f32 = 0.8;

/// Half width of a point that suits `n` of them on a picture of usual size.
pub fn radius_for(n: usize) -> f32 {
    (42.0 / (n as f32).powf(0.37)).clamp(1.4, 5.0)
}

/// The colour of each group on `ground`; `None` for a hidden one.
pub fn group_colours(groups: &Groups, hidden: &[u32], isolated: &[u32], ground: Rgb) -> Vec<Option<Rgb>> {
    let colour = |(at, group): (usize, &crate::projection::groups::Group)| {
        let at = at as u32;
        if hidden.contains(&at) {
            None
        } else if !isolated.is_empty() && !isolated.contains(&at) {
            Some(mix(group.colour, ground, DIM))
        } else {
            Some(group.colour)
        }
    };
    groups.list.iter().enumerate().map(colour).collect()
}

const MARGIN: f32 = 28.0;
const SIDE: f32 = 640.0;
const LEGEND: f32 = 214.0;
const LINE: f32 = 19.0;
/// Size of what is written below the picture.
const WORDS: f32 = 12.5;
/// The most lines of a legend; more groups are counted only.
const LINES: usize = 24;

/// The figure of `map`.
pub fn figure(map: &Map, look: &Look) -> Figure {
    let paper = &look.paper;
    let (top, width) = (MARGIN + 34.0, SIDE + LEGEND + 3.0 * MARGIN);
    let lines: Vec<String> =
        words(map).iter().flat_map(|line| wrapped(line, WORDS, Weight::Regular, width - 2.0 * MARGIN)).collect();
    let height = top + SIDE + MARGIN + 18.0 * lines.len() as f32 + 12.0;
    let mut figure = Figure {
        width,
        height,
        title: look.title.clone(),
        ground: paper.ground,
        shapes: Vec::with_capacity(map.points.len() + 80),
    };
    figure.text([MARGIN, MARGIN + 12.0], 18.0, Weight::Semibold, Align::Start, paper.strong, &look.title);
    let frame = [MARGIN, top, SIDE, SIDE];
    figure.shapes.push(Shape::Border { rect: frame, width: 1.0, colour: paper.line });
    points(map, look, frame, &mut figure);
    legend(look, [MARGIN * 2.0 + SIDE, top + 10.0], &mut figure);
    for (i, line) in lines.iter().enumerate() {
        let at = [MARGIN, top + SIDE + 26.0 + 18.0 * i as f32];
        figure.text(at, WORDS, Weight::Regular, Align::Start, paper.weak, line);
    }
    figure
}

fn points(map: &Map, look: &Look, [left, top, width, height]: [f32; 4], figure: &mut Figure) {
    let all = look.view.or_else(|| bounds(&map.points));
    let Some([low, high]) = all else { return };
    let pad = if look.view.is_some() { 0.0 } else { 12.0 };
    let extent = (high[0] - low[0]).max(high[1] - low[1]).max(f32::MIN_POSITIVE);
    let scale = (width.min(height) - 2.0 * pad) / extent;
    let middle = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
    let place = |p: [f32; 2]| {
        [left + width / 2.0 + (p[0] - middle[0]) * scale, top + height / 2.0 + (p[1] - middle[1]) * scale]
    };
    let colours = group_colours(&look.groups, &look.hidden, &look.isolated, look.paper.ground);
    let dimmed = |group: u32| !look.isolated.is_empty() && !look.isolated.contains(&group);
    // What is dimmed lies below.
    for below in [true, false] {
        for &i in &super::raster::mixed_order(map.points.len()) {
            let group = look.groups.of[i as usize];
            let (at, Some(colour)) = (place(map.points[i as usize]), colours[group as usize]) else { continue };
            let inside = at[0] >= left && at[0] <= left + width && at[1] >= top && at[1] <= top + height;
            if inside && dimmed(group) == below {
                let marker = look.groups.list[group as usize].marker;
                figure.shapes.push(Shape::Mark { at, marker, radius: look.radius, colour });
            }
        }
    }
}

fn legend(look: &Look, [x, mut y]: [f32; 2], figure: &mut Figure) {
    let paper = &look.paper;
    let groups = &look.groups.list;
    let shown: Vec<usize> = (0..groups.len()).filter(|&g| !look.hidden.contains(&(g as u32))).collect();
    // Many people are named by their colours alone, in three columns.
    let columns = if shown.len() > LINES { 3 } else { 1 };
    for (i, &g) in shown.iter().take(LINES * columns).enumerate() {
        let group = &groups[g];
        let at = [x + (i % columns) as f32 * (LEGEND / columns as f32) + 5.0, y];
        let radius = if group.marker == Marker::Disc { 5.0 } else { 4.6 };
        figure.shapes.push(Shape::Mark { at, marker: group.marker, radius, colour: group.colour });
        let name = if columns == 1 {
            format!("{} ({})", group.name, group.size)
        } else {
            group.name.trim_start_matches("Person ").to_string()
        };
        figure.text([at[0] + 12.0, y + 4.5], 12.5, Weight::Regular, Align::Start, paper.strong, name);
        if i % columns == columns - 1 {
            y += LINE;
        }
    }
    if shown.len() > LINES * columns {
        let rest = format!("and {} more", shown.len() - LINES * columns);
        figure.text([x, y + LINE], 12.5, Weight::Regular, Align::Start, paper.weak, rest);
    }
}

/// What a newcomer reads below the picture.
pub fn words(map: &Map) -> Vec<String> {
    let queries = map.spots.iter().filter(|spot| spot.role == Role::Query).count();
    let people: std::collections::BTreeSet<i64> = map.spots.iter().map(|s| s.identity).filter(|&i| i >= 0).collect();
    let mut lines = vec![format!(
        "{} images{}{}. Each point is an image; near points look alike to the model. Axes have no unit.",
        map.points.len(),
        if people.is_empty() { String::new() } else { format!(" of {} people", people.len()) },
        if queries > 0 && queries < map.spots.len() { format!(", {queries} of them queries") } else { String::new() },
    )];
    lines.extend(map.made.figures.separation.iter().map(|s| {
        format!(
            "{}: {:.0} % of the nearest {} share it ({:.0} % by chance), silhouette {:.2} (1 apart, 0 mixed). {}.",
            s.label.name(),
            100.0 * s.purity,
            map.made.figures.neighbours,
            100.0 * s.chance,
            (100.0 * s.silhouette).round() / 100.0 + 0.0, // no "-0.00"
            s.words()
        )
    }));
    lines.push(format!(
        "t-SNE, perplexity {:.0}, {} iterations, seed {}; Kullback-Leibler divergence {:.2}{}.",
        map.made.perplexity,
        map.made.iterations,
        map.made.settings.seed,
        map.made.divergence,
        map.made.figures.trustworthiness.map(|t| format!("; trustworthiness {t:.2}")).unwrap_or_default()
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{DARK, LIGHT};
    use crate::projection::groups::Colouring;
    use crate::projection::map::tests::small;

    fn look(map: &Map, by: Colouring) -> Look {
        Look {
            title: "Figure".into(),
            paper: LIGHT,
            groups: Groups::new(&map.spots, by, &map.made.trained, &|_| None, false),
            hidden: Vec::new(),
            isolated: Vec::new(),
            view: None,
            radius: 3.0,
        }
    }

    fn marks(figure: &Figure) -> Vec<(Marker, Rgb)> {
        let mark = |shape: &Shape| match shape {
            Shape::Mark { marker, colour, .. } => Some((*marker, *colour)),
            _ => None,
        };
        figure.shapes.iter().filter_map(mark).collect()
    }

    #[test]
    fn every_point_and_every_group_is_drawn() {
        let map = small(10);
        let figure = figure(&map, &look(&map, Colouring::Rate));
        assert_eq!(marks(&figure).len(), 90 + 3);
        let text = figure.svg();
        assert!(
            text.contains("r = 8, unseen in training (30)") && text.contains("Resolutions are well mixed"),
            "{text}"
        );
    }

    #[test]
    fn what_is_written_stays_on_the_page() {
        let map = small(10);
        let figure = figure(&map, &look(&map, Colouring::Identity));
        for shape in &figure.shapes {
            if let Shape::Text { at, size, weight, text, .. } = shape {
                let right = at[0] + crate::figure::text_width(text, *size, *weight);
                assert!(right <= figure.width, "'{text}' ends at {right} of {}", figure.width);
            }
        }
        let lines = wrapped("one two three", 12.0, Weight::Regular, 1.0);
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(wrapped("one two", 12.0, Weight::Regular, 1e6), ["one two"]);
    }

    #[test]
    fn hidden_groups_go_and_isolated_ones_stay_bright() {
        let map = small(10);
        let mut look = look(&map, Colouring::Rate);
        (look.paper, look.hidden, look.isolated) = (DARK, vec![0], vec![2]);
        let drawn = marks(&figure(&map, &look));
        assert_eq!(drawn.len(), 60 + 2);
        let (dim, bright) = (mix(look.groups.list[1].colour, DARK.ground, DIM), look.groups.list[2].colour);
        assert!(drawn[..30].iter().all(|m| m.1 == dim) && drawn[30..60].iter().all(|m| m.1 == bright));
    }

    #[test]
    fn many_people_fit_into_the_legend() {
        let map = small(35);
        let figure = figure(&map, &look(&map, Colouring::Identity));
        assert_eq!(marks(&figure).len(), 35 * 9 + 35);
        for shape in &figure.shapes {
            if let Shape::Text { at, .. } = shape {
                assert!(at[0] < figure.width && at[1] < figure.height, "{shape:?}");
            }
        }
    }
}
