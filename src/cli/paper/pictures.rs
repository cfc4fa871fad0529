//! Figures 3 and 4: pictures of one model, which is trained first where it is not there yet.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use candle_core::Device;
use serde_json::json;

use super::Follow;
use crate::cli::console::{print, print_json};
use crate::cli::figures::{Drawing, Drawn, Which};
use crate::error::{Error, Result};
use crate::eval::paper::html::frame;
use crate::eval::paper::{Order, Set, models};
use crate::fs::write_atomic;
use crate::gallery::features::file_hash;
use crate::markup::{base64, escape};

/// The row whose model is shown.
pub(super) const ROW: &str = "paper-multi-level";

/// Trains what is missing, draws one set of pictures a data set into OUT/figure-N/SET, and writes one page of them all.
pub(super) fn draw(which: Which, order: &Order, device: &Device, watcher: &mut Follow, json: bool) -> Result<()> {
    let (number, title, about) = match which {
        Which::Figure3 => (
            3,
            "Figure 3: embeddings of people at four resolutions",
            "A map by t-SNE of 35 people for testing, each image at r = 1, 2, 4 and 8, coloured by person (3a) and by resolution \
             (3b). A model that does not mind the resolution keeps the points of a person together and mixes the resolutions.",
        ),
        Which::Figure4 => (
            4,
            "Figure 4: the nearest gallery images of tiny queries",
            "People for testing, drawn by the seed and not chosen. Each query is shown as small as the model got it.",
        ),
    };
    std::fs::create_dir_all(&order.out).map_err(|e| Error::io("create", &order.out, e))?;
    let models = match models(order, ROW, device, watcher) {
        Err(Error::Cancelled) => {
            watcher.console.end_line();
            eprintln!("Stopped before all was done. The same command goes on from here.");
            return Ok(());
        }
        other => other?,
    };
    watcher.console.end_line();
    let seed = order.seeds.first().copied().unwrap_or(0);
    let mut shown = Vec::with_capacity(models.len());
    for (set, model) in models {
        let out = order.out.join(format!("figure-{number}")).join(set.key());
        let drawing = Drawing { model: &model, data: Some(&order.sets[&set]), out: &out, seed, figures: &[which] };
        shown.push(Shown { set, drawn: drawing.carry_out(device)?, model });
    }
    let reduction = match order.sets.iter().next() {
        Some((set, root)) => order.common.budget.reduced_model(&order.common.config(ROW, *set, root, seed)?),
        None => None,
    };
    let (mut html, mut markdown) = (String::new(), String::new());
    let _ = writeln!(html, "<h1>{}</h1>\n<p>{}</p>", escape(title), escape(about));
    if let Some(words) = &reduction {
        let _ = writeln!(markdown, "**{words}**\n");
    }
    let _ = writeln!(markdown, "# {title}\n\n{about}");
    for one in &shown {
        one.write(order, seed, &mut html, &mut markdown)?;
    }
    let page = order.out.join(format!("figure-{number}.html"));
    for (path, text) in [
        (page.clone(), frame(title, reduction.as_deref(), &html)),
        (order.out.join(format!("figure-{number}.md")), markdown.clone()),
    ] {
        write_atomic(&path, |file| file.write_all(text.as_bytes()))?;
    }
    if json {
        let of = |one: &Shown| {
            json!({
                "set": one.set, "model": one.model, "ranks": one.drawn.ranks, "notes": one.drawn.notes,
                "made": one.drawn.map.as_ref().map(|map| &map.made), "out": one.drawn.written,
            })
        };
        print_json(&json!({ "page": page, "sets": shown.iter().map(of).collect::<Vec<_>>() }))?;
    } else {
        print(&markdown)?;
    }
    eprintln!("The page is {} (and .md beside it).", page.display());
    Ok(())
}

/// The pictures of one set.
struct Shown {
    set: Set,
    model: PathBuf,
    drawn: Drawn,
}

impl Shown {
    fn write(&self, order: &Order, seed: u64, html: &mut String, markdown: &mut String) -> Result<()> {
        let from = format!("Model {} of the run {}, seed {seed}.", file_hash(&self.model)?, self.run());
        let _ = writeln!(html, "<h2>{}</h2>\n<p class=\"faint\">{}</p>", self.set.title(), escape(&from));
        let _ = writeln!(markdown, "\n## {}\n\n{from}\n", self.set.title());
        for line in self.drawn.words() {
            let _ = writeln!(html, "<p>{}</p>", escape(&line));
            let _ = writeln!(markdown, "- {line}");
        }
        for path in self.drawn.written.iter().filter(|path| path.extension().is_some_and(|e| e == "png")) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
            let _ = writeln!(html, "<p><img alt=\"{name}\" src=\"data:image/png;base64,{}\"></p>", base64(&bytes));
            let inside = path.strip_prefix(&order.out).unwrap_or(path).to_string_lossy().replace('\\', "/");
            let _ = writeln!(markdown, "\n![{name}]({inside})");
        }
        Ok(())
    }

    /// The name of the run's folder.
    fn run(&self) -> String {
        let folder = self.model.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
        folder.to_string_lossy().into_owned()
    }
}
