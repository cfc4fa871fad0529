//! The figure of rankings: each row a tiny query, what the decoder makes of it, and the nearest gallery images.

use std::sync::Arc;

use image::RgbImage;

use super::{Align, Figure, Paper, Shape, Weight};

/// One row of the figure.
#[derive(Debug, Clone)]
pub struct Row {
    /// The query at its true size.
    pub query: Arc<RgbImage>,
    /// A line below it: "r = 8, 8×16 px".
    pub note: String,
    /// The decoder's image of it, where the model has a decoder.
    pub reconstruction: Option<Arc<RgbImage>>,
    /// The nearest gallery images, nearest first, and whether each is the same person.
    pub candidates: Vec<(Arc<RgbImage>, Option<bool>)>,
}

const MARGIN: f32 = 28.0;
const PICTURE: [f32; 2] = [64.0, 128.0];
const GAP: f32 = 10.0;
/// Room below a row's pictures.
const FOOT: f32 = 30.0;

/// The figure; `words` stand below it.
pub fn figure(title: &str, rows: &[Row], paper: &Paper, words: &[String]) -> Figure {
    let candidates = rows.iter().map(|row| row.candidates.len()).max().unwrap_or(0);
    let decoded = rows.iter().any(|row| row.reconstruction.is_some());
    let column = |i: usize| MARGIN + i as f32 * (PICTURE[0] + GAP);
    let first = 1 + usize::from(decoded);
    // The candidates stand apart from the query.
    let apart = 18.0;
    let width = (column(first + candidates) + apart + MARGIN - GAP).max(560.0);
    let top = MARGIN + 58.0;
    let height = top + rows.len() as f32 * (PICTURE[1] + FOOT) + 18.0 * words.len() as f32 + MARGIN;
    let mut figure = Figure { width, height, title: title.into(), ground: paper.ground, shapes: Vec::new() };
    figure.text([MARGIN, MARGIN + 12.0], 18.0, Weight::Semibold, Align::Start, paper.strong, title);
    let head = |figure: &mut Figure, x: f32, text: &str| {
        figure.text([x, top - 12.0], 12.5, Weight::Semibold, Align::Start, paper.weak, text);
    };
    head(&mut figure, column(0), "Query");
    if decoded {
        head(&mut figure, column(1), "Decoded*");
    }
    head(&mut figure, column(first) + apart, "Nearest gallery images, from the left");
    for (i, row) in rows.iter().enumerate() {
        let y = top + i as f32 * (PICTURE[1] + FOOT);
        let place = |column: f32| [column, y, PICTURE[0], PICTURE[1]];
        let picture = |image: &Arc<RgbImage>, rect, crisp| Shape::Picture { rect, image: image.clone(), crisp };
        figure.shapes.push(picture(&row.query, place(column(0)), true));
        figure.text([column(0), y + PICTURE[1] + 15.0], 12.0, Weight::Regular, Align::Start, paper.weak, &row.note);
        if let Some(image) = &row.reconstruction {
            figure.shapes.push(picture(image, place(column(1)), false));
        }
        for (rank, (image, same)) in row.candidates.iter().enumerate() {
            let x = column(first + rank) + apart;
            let (sign, colour) = match same {
                Some(true) => ("✓", paper.same),
                Some(false) => ("✗", paper.other),
                None => ("", paper.line),
            };
            figure.shapes.push(picture(image, place(x), false));
            let [w, h] = PICTURE;
            figure.shapes.push(Shape::Border { rect: [x - 3.0, y - 3.0, w + 6.0, h + 6.0], width: 3.0, colour });
            let text = format!("{} {sign}", rank + 1);
            figure.text([x + w / 2.0, y + h + 17.0], 12.5, Weight::Semibold, Align::Middle, colour, text.trim());
        }
    }
    let mut y = top + rows.len() as f32 * (PICTURE[1] + FOOT) + 14.0;
    for line in words {
        figure.text([MARGIN, y], 12.5, Weight::Regular, Align::Start, paper.weak, line);
        y += 18.0;
    }
    figure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::LIGHT;

    #[test]
    fn each_candidate_has_its_sign_and_the_decoded_its_warning() {
        let image = |v: u8| Arc::new(RgbImage::from_pixel(8, 16, image::Rgb([v, v, v])));
        let row = Row {
            query: image(1),
            note: "r = 8".into(),
            reconstruction: Some(image(2)),
            candidates: vec![(image(3), Some(true)), (image(4), Some(false)), (image(5), None)],
        };
        let figure = figure("Figure 4", &[row.clone(), row], &LIGHT, &["* reconstruction, not evidence".into()]);
        let svg = figure.svg();
        assert_eq!((svg.matches("1 ✓").count(), svg.matches("2 ✗").count(), svg.matches("<image").count()), (2, 2, 10));
        assert!(svg.contains("not evidence"));
        let pixels = figure.pixels(1.0);
        assert!(pixels.pixels().any(|p| p.0 == LIGHT.same) && pixels.pixels().any(|p| p.0 == LIGHT.other));
    }
}
