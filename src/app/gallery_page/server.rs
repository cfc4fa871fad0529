//! The gallery on a server: where it is, what it has, sending this gallery there, searching there.

use egui::{Label, Role, TextEdit, Ui, WidgetInfo};
use egui_material_icons::icons::{ICON_CHECK, ICON_CLOUD, ICON_CLOUD_UPLOAD, ICON_IMAGE_SEARCH, ICON_POWER, ICON_STOP};

use super::summary::bytes;
use crate::app::jobs::{bar, describe};
use crate::app::matches::{distance, measure_name, thousands};
use crate::app::shell::Cx;
use crate::app::state::{Action, Found, ServerForm};
use crate::app::theme::{BODY, SMALL, icon, medium, palette, semibold, small};
use crate::app::widgets::{danger_button, header, main_button, plain_button};
use crate::data::dataset::UNKNOWN;
use crate::engine::command::GalleryCommand;
use crate::engine::event::{JobKind, ServerAnswer};

/// What this part keeps between frames.
#[derive(Default)]
pub struct ServerView {
    /// The form.
    pub form: ServerForm,
}

/// Draws the part.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    header(ui, ICON_CLOUD, "On a server", |_| {});
    let text = "A gallery of millions can lie on a server that several people search. Only embeddings, paths, cameras, \
                identities and times are sent there, and only when you ask; images, queries, verdicts and cases stay here.";
    ui.add(Label::new(small(text).color(p.weak)).wrap());
    ui.add_space(6.0);
    form(ui, &mut cx.view.gallery.server.form);
    ui.add_space(8.0);
    buttons(ui, cx);
    running(ui, cx);
    if let Some(answer) = &cx.state.gallery_page.server {
        ui.add_space(8.0);
        ui.separator();
        said(ui, answer, cx);
    }
    if let Some(found) = &cx.state.gallery_page.found {
        ui.add_space(8.0);
        ui.separator();
        candidates(ui, cx, found);
    }
}

fn form(ui: &mut Ui, form: &mut ServerForm) {
    let p = palette(ui.visuals());
    let field = |ui: &mut Ui, name: &str, value: &mut String, hint: &str, masked: bool| {
        ui.spacing_mut().item_spacing.y = 3.0;
        ui.label(medium(name, SMALL).color(p.weak));
        let width = ui.available_width() - 18.0;
        let edit = TextEdit::singleline(value).hint_text(hint).password(masked).desired_width(width);
        let response = ui.add(edit.margin(egui::Margin::symmetric(8, 4)));
        response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, name));
        ui.add_space(5.0);
        response.changed()
    };
    let mut changed =
        field(ui, "Server", &mut form.url, "postgres://me@host/people or milvus+https://host:19530", false);
    changed |= field(ui, "Key or password", &mut form.key, "Kept in memory only, until the window closes", true);
    changed |= field(ui, "Name of the gallery there", &mut form.name, "a-z, 0-9 and _", false);
    let certificate = "Optional: a PEM file, for a server with its own certificate";
    changed |= field(ui, "Trusted certificate", &mut form.authority, certificate, false);
    let plain = ui.checkbox(&mut form.plaintext, "Allow a connection that is not encrypted");
    let approximate = ui.checkbox(&mut form.approximate, "Let the server search approximately (a new gallery only)");
    let hint = "An HNSW index there: faster from about a million images on; some candidates may be missed";
    let _ = approximate.on_hover_text(hint);
    if changed || plain.changed() {
        form.problem = None;
    }
    if let Some(problem) = &form.problem {
        ui.add(Label::new(small(format!("✗ {problem}")).color(p.other)).wrap());
    }
}

fn buttons(ui: &mut Ui, cx: &mut Cx<'_>) {
    let busy = cx.state.running(JobKind::Server);
    let (gallery, query) = (cx.state.gallery.is_some(), cx.state.selected);
    let settings = &cx.state.settings;
    let form = &mut cx.view.gallery.server.form;
    let mut wish = None;
    ui.horizontal_wrapped(|ui| {
        if ui.add_enabled_ui(!busy, |ui| main_button(ui, Some(ICON_POWER), "Test the connection")).inner.clicked() {
            wish = form.submit().map(GalleryCommand::Connect);
        }
        let send =
            ui.add_enabled_ui(!busy && gallery, |ui| plain_button(ui, ICON_CLOUD_UPLOAD, "Send this gallery")).inner;
        let hint = "Sends the rows that the server does not have. Sending again goes on where it stopped";
        if send.on_hover_text(hint).on_disabled_hover_text("Open a gallery first").clicked() {
            let (measure, approximate) = (settings.measure, form.approximate);
            wish = form.submit().map(|server| GalleryCommand::Upload { server, measure, approximate });
        }
        let search =
            ui.add_enabled_ui(!busy && query.is_some(), |ui| plain_button(ui, ICON_IMAGE_SEARCH, "Search there"));
        let search = search.inner.on_disabled_hover_text("Select a query on the page Investigate first");
        if let (true, Some(query)) =
            (search.on_hover_text("Ranks the server's gallery for the selected query").clicked(), query)
        {
            let top = settings.top;
            wish = form.submit().map(|server| GalleryCommand::SearchServer { server, query, top });
        }
    });
    cx.wishes.extend(wish.map(|command| Action::Gallery(command).into()));
}

/// The job that speaks to the server.
fn running(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let Some(job) = cx.state.jobs.iter().find(|job| job.kind == JobKind::Server && job.end.is_none()) else { return };
    ui.add_space(6.0);
    ui.horizontal_wrapped(|ui| {
        ui.add(egui::Spinner::new().size(14.0));
        ui.label(small(&job.title).color(p.text));
        let text = if job.stopping { "Stopping…" } else { "Stop" };
        if ui.add_enabled_ui(!job.stopping, |ui| danger_button(ui, ICON_STOP, text)).inner.clicked() {
            cx.wishes.push(Action::Cancel(job.id).into());
        }
    });
    if let Some(progress) = &job.progress {
        bar(ui, progress, (ui.available_width() - 8.0).min(360.0));
        ui.label(small(describe(progress)).color(p.weak));
    }
}

/// What the server said, and what was sent.
fn said(ui: &mut Ui, answer: &ServerAnswer, cx: &Cx<'_>) {
    let p = palette(ui.visuals());
    ui.horizontal_wrapped(|ui| {
        ui.label(icon(ICON_CHECK, 16.0).color(p.same));
        ui.label(medium("Connected", BODY).color(p.strong));
        ui.label(small(&answer.software).color(p.weak));
    });
    let text = match &answer.gallery {
        None => format!("There is no gallery '{}' yet. Sending this one makes it.", answer.name),
        Some(status) => {
            let spec = &status.spec;
            let how = if spec.approximate { "approximately" } else { "exactly" };
            let size = status.bytes.map(|n| format!(", {}", bytes(n))).unwrap_or_default();
            let model = match &cx.state.model {
                Some(model) if model.hash == spec.model => "the open model".to_owned(),
                _ if spec.model.is_empty() => "an unknown model".to_owned(),
                _ => format!("another model ({})", spec.model),
            };
            format!(
                "'{}' has {} rows of {} numbers{size}, made by {model}, searched {how} by {} distance.",
                answer.name,
                thousands(status.rows),
                thousands(spec.columns as u64),
                measure_name(spec.measure)
            )
        }
    };
    ui.add(Label::new(small(text).color(p.text)).wrap());
    if let Some(sent) = &cx.state.gallery_page.sent {
        let text = format!(
            "Sent {} rows; {} were there already, {} are the same image twice.",
            thousands(sent.sent),
            thousands(sent.present),
            thousands(sent.repeated)
        );
        ui.add(Label::new(small(text).color(p.text)).wrap());
    }
}

/// The server's candidates.
fn candidates(ui: &mut Ui, cx: &mut Cx<'_>, found: &Found) {
    let p = palette(ui.visuals());
    let query = cx.state.queries.iter().find(|q| q.info.id == found.query);
    let query = query.map_or_else(|| "a query that was removed".to_owned(), |q| q.name());
    ui.add(Label::new(semibold(format!("Candidates there for {query}"), BODY).color(p.strong)).wrap());
    let how = if found.answer.certain { "" } else { ", approximate" };
    let text = format!(
        "The nearest {} of {} ({} distance{how}). A person decides.",
        found.answer.hits.len(),
        thousands(found.rows),
        measure_name(found.measure)
    );
    ui.label(small(text).color(p.weak));
    for (i, hit) in found.answer.hits.iter().enumerate() {
        let camera = if hit.row.camera == UNKNOWN { String::new() } else { format!("camera {}", hit.row.camera) };
        let response = ui.horizontal(|ui| {
            ui.label(medium(format!("{:>3}", i + 1), SMALL).color(p.weak));
            ui.label(medium(distance(hit.distance), SMALL).color(p.strong));
            ui.label(small(camera).color(p.weak));
            ui.add(Label::new(small(&hit.row.path).color(p.text)).truncate()).on_hover_text(&hit.row.path);
        });
        let said = format!("Candidate {}, {}, distance {}", i + 1, hit.row.path, distance(hit.distance));
        response.response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &said));
    }
}
