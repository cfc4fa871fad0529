//! The part of the filters that asks what the case says.

use std::collections::BTreeSet;

use egui::Ui;

use crate::app::shell::Cx;
use crate::app::state::{Action, Refinement, Said};
use crate::app::theme::{palette, small};

/// Draws it; a change is in force at once.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let Some(case) = cx.state.case.state() else {
        ui.label(small("With a case open: verdicts, tags, bookmarks").color(p.weak));
        return;
    };
    let mut said = cx.state.said.clone();
    ui.label(small("Verdict; none ticked means whatever it is").color(p.weak));
    ui.horizontal_wrapped(|ui| {
        for verdict in Said::VERDICTS {
            ticked(ui, &mut said.verdicts, verdict, capital(Said::words(verdict)));
        }
    });
    let tags: BTreeSet<&String> = case.tags.keys().map(|(_, tag)| tag).collect();
    if !tags.is_empty() {
        ui.label(small("Tags; none ticked means any").color(p.weak));
        egui::ScrollArea::vertical().max_height(80.0).id_salt("tags").show(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                for tag in tags {
                    ticked(ui, &mut said.tags, tag.clone(), format!("Tag {tag}"));
                }
            });
        });
    }
    ui.checkbox(&mut said.bookmarked, "Bookmarked");
    if said != cx.state.said {
        cx.wishes.push(Action::Refine(Refinement::Said(said)).into());
    }
}

fn ticked<T: PartialEq>(ui: &mut Ui, chosen: &mut Vec<T>, one: T, text: String) {
    let mut on = chosen.contains(&one);
    if ui.checkbox(&mut on, text).changed() {
        chosen.retain(|other| *other != one);
        if on {
            chosen.push(one);
        }
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
