//! Small things that several panels draw: panes, buttons, pills, pictures, fields. Each has an accessible name.

mod button;
mod field;
mod pane;
mod picture;

pub use button::{danger_button, icon_button, main_button, plain_button, text_button};
pub use field::{number_field, path_field};
pub use pane::{empty, header, pane, pill, sheet};
pub use picture::{Caption, caption, draw, draw_mat, hyphenated};
