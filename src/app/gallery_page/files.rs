//! What is wrong with a gallery's files: a folder that is gone, missing, unreadable and repeated files.

use std::path::Path;

use egui::{CollapsingHeader, Frame, Label, Margin, Stroke, Ui};
use egui_material_icons::icons::{ICON_CHECK, ICON_WARNING};

use crate::app::matches::thousands;
use crate::app::shell::Cx;
use crate::app::theme::{BODY, icon, medium, palette, small, tint};

/// Files of a kind that are listed; a list of thousands is read by nobody.
const LISTED: usize = 200;

/// Draws the lists.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let Some(gallery) = &cx.state.gallery else { return };
    let survey = cx.state.gallery_page.survey.as_deref();
    ui.add_space(12.0);
    if survey.is_some_and(|survey| survey.folder_gone) {
        gone(ui, &gallery.path);
    }
    let shown = |path: &Path| path.strip_prefix(&gallery.path).unwrap_or(path).display().to_string();
    let unread: Vec<(String, String)> = gallery
        .broken
        .iter()
        .chain(survey.into_iter().flat_map(|survey| &survey.broken))
        .map(|broken| (shown(&broken.path), broken.reason.clone()))
        .collect();
    let group = |ui: &mut Ui,
                 title: &str,
                 help: &str,
                 count: usize,
                 rows: &mut dyn Iterator<Item = (String, String)>| {
        if count == 0 {
            return;
        }
        let title = format!("{title} ({})", thousands(count as u64));
        CollapsingHeader::new(medium(title, BODY).color(p.strong)).id_salt(help).default_open(true).show(ui, |ui| {
            ui.label(small(help).color(p.weak));
            for (name, detail) in rows.take(LISTED) {
                ui.add(Label::new(medium(name, 12.0).color(p.text)).wrap());
                if !detail.is_empty() {
                    ui.indent("detail", |ui| ui.add(Label::new(small(detail).color(p.weak)).wrap()));
                }
            }
            if count > LISTED {
                ui.label(small(format!("and {} more", thousands((count - LISTED) as u64))).color(p.weak));
            }
        });
    };
    group(
        ui,
        "Unreadable files",
        "They are not in the gallery, and are not searched",
        unread.len(),
        &mut unread.iter().cloned(),
    );
    if let Some(survey) = survey {
        let mut missing = survey.missing.iter().map(|path| (shown(path), String::new()));
        let help = "They are searched by their embeddings; their pictures cannot be shown";
        group(ui, "Missing files", help, survey.missing.len(), &mut missing);
        let mut same = survey.duplicates.iter().map(|group| {
            let rest: Vec<String> = group.iter().skip(1).map(|path| shown(path)).collect();
            (shown(&group[0]), format!("is the same as {}", rest.join(", ")))
        });
        let help = "Files of the same content: each is a candidate of its own";
        group(ui, "Repeated images", help, survey.duplicates.len(), &mut same);
    }
}

/// A line that says so where nothing is wrong with the files.
pub fn well(ui: &mut Ui, cx: &Cx<'_>) {
    let p = palette(ui.visuals());
    let (Some(gallery), Some(survey)) = (&cx.state.gallery, &cx.state.gallery_page.survey) else { return };
    let wrong = survey.missing.len() + survey.broken.len() + survey.duplicates.len() + gallery.broken.len();
    if wrong == 0 && !survey.folder_gone {
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            ui.label(icon(ICON_CHECK, 16.0).color(p.same));
            ui.label(medium("Every file is there, can be read, and is different from all others", BODY).color(p.text));
        });
    }
}

/// The folder itself is not there.
fn gone(ui: &mut Ui, folder: &Path) {
    let p = palette(ui.visuals());
    Frame::new()
        .fill(tint(p.pane, p.other, 0.10))
        .stroke(Stroke::new(1.0, tint(p.pane, p.other, 0.5)))
        .corner_radius(8.0)
        .inner_margin(Margin::symmetric(10, 8))
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.label(icon(ICON_WARNING, 18.0).color(p.other));
                ui.vertical(|ui| {
                    ui.label(medium("The gallery's folder is not there", BODY).color(p.strong));
                    let text = format!(
                        "{} cannot be found: the disk may be unplugged, or a share not mounted. Searching goes on with the \
                         embeddings in memory, and rankings and verdicts stay as they are; only pictures are missing. Plug it \
                         in and check the files again.",
                        folder.display()
                    );
                    ui.add(Label::new(small(text).color(p.text)).wrap());
                });
            });
        });
    ui.add_space(8.0);
}
