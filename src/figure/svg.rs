//! Figures as SVG documents.

use std::fmt::Write;
use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use super::{Align, Figure, Shape, Weight};
use crate::markup::{base64, escape};
use crate::projection::groups::{Marker, Rgb};

/// The whole document.
pub(super) fn document(figure: &Figure) -> String {
    let (w, h) = (number(figure.width), number(figure.height));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
         font-family=\"Inter, Helvetica, Arial, sans-serif\">\n<title>{}</title>\n",
        escape(&figure.title)
    );
    let _ = writeln!(out, "<rect width=\"{w}\" height=\"{h}\" fill=\"{}\"/>", hex(figure.ground));
    figure.shapes.iter().for_each(|shape| write_shape(shape, &mut out));
    out.push_str("</svg>\n");
    out
}

fn write_shape(shape: &Shape, out: &mut String) {
    // Writing into a String cannot fail.
    let _ = match shape {
        Shape::Mark { at, marker: Marker::Disc, radius, colour } => {
            writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"/>",
                number(at[0]),
                number(at[1]),
                number(*radius),
                hex(*colour)
            )
        }
        Shape::Mark { at, marker, radius, colour } => {
            let corners: Vec<String> = corners(*marker)
                .iter()
                .map(|c| format!("{},{}", number(at[0] + c[0] * radius), number(at[1] + c[1] * radius)))
                .collect();
            writeln!(out, "<polygon points=\"{}\" fill=\"{}\"/>", corners.join(" "), hex(*colour))
        }
        Shape::Fill { rect, colour } => writeln!(out, "<rect {} fill=\"{}\"/>", place(*rect), hex(*colour)),
        Shape::Border { rect: [x, y, w, h], width, colour } => {
            let inside = place([x + width / 2.0, y + width / 2.0, w - width, h - width]);
            writeln!(
                out,
                "<rect {inside} fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"/>",
                hex(*colour),
                number(*width)
            )
        }
        Shape::Text { at, text, size, weight, align, colour } => {
            let anchor = match align {
                Align::Start => "start",
                Align::Middle => "middle",
                Align::End => "end",
            };
            let weight = if *weight == Weight::Semibold { " font-weight=\"600\"" } else { "" };
            let (x, y, size) = (number(at[0]), number(at[1]), number(*size));
            let (fill, text) = (hex(*colour), escape(text));
            writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{weight} text-anchor=\"{anchor}\" fill=\"{fill}\">{text}</text>"
            )
        }
        Shape::Picture { rect, image, crisp } => {
            let rendering = if *crisp { " style=\"image-rendering:pixelated\"" } else { "" };
            let data = data_uri(image);
            writeln!(out, "<image {}{rendering} preserveAspectRatio=\"none\" href=\"{data}\"/>", place(*rect))
        }
    };
}

/// The corners of a marker of radius 1 around the origin. All markers cover about the same area.
pub fn corners(marker: Marker) -> Vec<[f32; 2]> {
    const ARM: f32 = 0.36;
    let plus = || {
        let (a, b) = (ARM, 1.1);
        vec![[-a, -b], [a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b], [-a, b], [-a, a], [-b, a], [-b, -a], [-a, -a]]
    };
    match marker {
        Marker::Disc => (0..24).map(|i| (i as f32 / 24.0 * std::f32::consts::TAU).sin_cos().into()).collect(),
        Marker::Square => vec![[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]],
        Marker::Triangle => vec![[0.0, -1.3], [1.17, 0.75], [-1.17, 0.75]],
        Marker::Diamond => vec![[0.0, -1.25], [1.25, 0.0], [0.0, 1.25], [-1.25, 0.0]],
        Marker::Plus => plus(),
        Marker::Cross => {
            let (sin, cos) = std::f32::consts::FRAC_PI_4.sin_cos();
            plus().into_iter().map(|[x, y]| [x * cos - y * sin, x * sin + y * cos]).collect()
        }
    }
}

fn place([x, y, w, h]: [f32; 4]) -> String {
    format!("x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", number(x), number(y), number(w), number(h))
}

/// At most two decimals.
fn number(x: f32) -> String {
    let text = format!("{x:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn data_uri(image: &RgbImage) -> String {
    let mut bytes = Cursor::new(Vec::new());
    // Writing PNG into memory fails only for an empty image, which is then no picture at all.
    let _ = image.write_to(&mut bytes, ImageFormat::Png);
    format!("data:image/png;base64,{}", base64(bytes.get_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([number(3.0), number(0.125), number(-2.5), number(100.0)], ["3", "0.12", "-2.5", "100"]);
    }
}
