//! What a run says of itself: in its first line, in its notes, and in the model that it leaves behind.

use std::path::Path;

use serde_json::{Value, json};

use crate::data::dataset::Broken;
use crate::train::config::RunConfig;
use crate::train::event::ValidationRecord;
use crate::train::feed::Data;

/// One sentence on what is trained, on what, from what.
pub fn summary(config: &RunConfig, data: &Data) -> String {
    let (shape, split) = (&config.model.shape, &data.split);
    let weights = match &config.model.init {
        Some(path) => format!("weights from {}", path.display()),
        None => "random weights".into(),
    };
    let labelled = match data.identities - data.classes {
        0 => String::new(),
        unlabelled => format!(" ({unlabelled} of them without labels)"),
    };
    format!(
        "{} images of {} people{labelled} to train on, {} queries and {} gallery images held out; \
         ResNet-{} of width {} at {} x {} pixels, {weights}.",
        split.train.len(),
        data.identities,
        split.query.len(),
        split.gallery.len(),
        shape.depth,
        shape.base_width,
        shape.height,
        shape.width,
    )
}

/// The images that were skipped, the first few by name.
pub fn broken_note(broken: &[Broken]) -> Option<String> {
    const NAMED: usize = 5;
    if broken.is_empty() {
        return None;
    }
    let name = |b: &Broken| format!("{} ({})", b.path.display(), b.reason);
    let names: Vec<String> = broken.iter().take(NAMED).map(name).collect();
    let more = match broken.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!("Skipped {} unusable images: {}{more}.", broken.len(), names.join(", ")))
}

/// What the model file says of its making after `steps`; nothing in it depends on the machine or the clock.
pub fn card(
    config: &RunConfig,
    data: &Data,
    steps: u64,
    figures: Option<&ValidationRecord>,
    best_rank1: Option<f64>,
) -> Value {
    let file = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = format!("rain train --data {name}", name = file(&config.data.root));
    if !config.preset.is_empty() {
        command += &format!(" --preset {}", config.preset);
    }
    if let Some(weights) = &config.model.init {
        command += &format!(" --init {}", file(weights));
    }
    json!({
        "trained_with": concat!("Rain ", env!("CARGO_PKG_VERSION")),
        "command": command,
        "data": {
            "name": file(&config.data.root),
            "hash": data.hash,
            "images": data.split.train.len(),
            "identities": data.identities,
            "labelled_identities": data.classes,
            "split": data.split.hash,
        },
        "seed": config.seed,
        "steps": steps,
        "settings": {
            "data": { "rates": config.data.rates, "use_lr": config.data.use_lr },
            "loss": config.loss,
            "optim": config.optim,
            "schedule": config.schedule,
        },
        "figures": figures,
        "best_rank1": best_rank1,
    })
}
