//! A drawing as SVG: self-contained, pictures inside, text as text.

use std::fmt::Write as _;

use super::drawing::{Area, Colour, Drawing, Mark};
use super::typeface::Cut;
use crate::error::Result;
use crate::markup::{base64, escape};

/// The SVG file.
pub fn svg(drawing: &Drawing) -> Result<String> {
    let (w, h) = (drawing.width, drawing.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"Inter, 'Helvetica Neue', Arial, sans-serif\">\n<rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>\n"
    );
    for mark in &drawing.marks {
        match mark {
            Mark::Fill(Area { x, y, w, h }, colour) => {
                let _ =
                    writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{}\"/>", hex(colour));
            }
            Mark::Border(Area { x, y, w, h }, width, colour) => {
                let half = width / 2.0;
                let _ = writeln!(
                    out,
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"/>",
                    x - half,
                    y - half,
                    w + width,
                    h + width,
                    hex(colour)
                );
            }
            Mark::Line(points, width, colour) => {
                let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
                let _ = writeln!(
                    out,
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"/>",
                    points.join(" "),
                    hex(colour)
                );
            }
            Mark::Picture(Area { x, y, w, h }, image, crisp) => {
                let style = if *crisp { " style=\"image-rendering:pixelated\"" } else { "" };
                let _ = writeln!(
                    out,
                    "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\"{style} \
                     href=\"data:image/png;base64,{}\"/>",
                    base64(&super::png(image)?)
                );
            }
            Mark::Text { x, y, size, cut, colour, text } => {
                let weight = if *cut == Cut::SemiBold { " font-weight=\"600\"" } else { "" };
                let _ = writeln!(
                    out,
                    "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{weight} fill=\"{}\" xml:space=\"preserve\">{}</text>",
                    hex(colour),
                    escape(text)
                );
            }
        }
    }
    out.push_str("</svg>\n");
    Ok(out)
}

fn hex([r, g, b]: &Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}
