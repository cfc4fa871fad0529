//! What the window remembers from one time to the next, each thing under a key with a version: one that cannot be read any
//! more is forgotten, and the others stay.

use eframe::Storage;
use egui_tiles::Tree;
use serde::{Deserialize, Serialize};

use super::dock::Pane;
use super::state::Settings;
use super::theme::Choice;

const SETTINGS: &str = "settings-1";
const LOOK: &str = "look-1";
const LAYOUT: &str = "layout-1";

/// How the window looks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// The theme.
    pub theme: Choice,
    /// The zoom; 1 is the original size.
    pub zoom: f32,
}

impl Default for Look {
    fn default() -> Self {
        Self { theme: Choice::System, zoom: 1.0 }
    }
}

/// Everything that is remembered.
#[derive(Default)]
pub struct Memory {
    /// What the user chose for searches.
    pub settings: Settings,
    /// How the window looks.
    pub look: Look,
    /// Where the panes lie, where the user moved them.
    pub layout: Option<Tree<Pane>>,
}

impl Memory {
    /// What was written last time.
    pub fn read(storage: &dyn Storage) -> Self {
        let mut memory = Self {
            settings: eframe::get_value(storage, SETTINGS).unwrap_or_default(),
            look: eframe::get_value(storage, LOOK).unwrap_or_default(),
            layout: storage.get_string(LAYOUT).and_then(|text| serde_json::from_str(&text).ok()),
        };
        memory.look.zoom = if memory.look.zoom.is_finite() { memory.look.zoom.clamp(0.5, 3.0) } else { 1.0 };
        memory
    }
}

/// Writes what was changed to disk.
pub fn write(storage: &mut dyn Storage, settings: &Settings, look: &Look, layout: Option<&Tree<Pane>>) {
    eframe::set_value(storage, SETTINGS, settings);
    eframe::set_value(storage, LOOK, look);
    match layout.map(serde_json::to_string) {
        Some(Ok(text)) => storage.set_string(LAYOUT, text),
        // An empty text is no layout: the next start arranges the panes anew.
        _ => storage.set_string(LAYOUT, String::new()),
    }
    storage.flush();
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Shelf(HashMap<String, String>, usize);

    impl Storage for Shelf {
        fn get_string(&self, key: &str) -> Option<String> {
            self.0.get(key).cloned()
        }
        fn set_string(&mut self, key: &str, value: String) {
            self.0.insert(key.to_owned(), value);
        }
        fn remove_string(&mut self, key: &str) {
            self.0.remove(key);
        }
        fn flush(&mut self) {
            self.1 += 1;
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_broken_is_forgotten_alone() {
        let mut shelf = Shelf::default();
        assert_eq!(Memory::read(&shelf).look, Look::default());
        let look = Look { theme: Choice::HighContrast, zoom: 1.5 };
        let settings = Settings { top: 50, ..Settings::default() };
        write(&mut shelf, &settings, &look, None);
        assert_eq!(shelf.1, 1, "it is on disk");
        let memory = Memory::read(&shelf);
        assert_eq!((memory.look, memory.settings.top), (look, 50));
        assert!(memory.layout.is_none());
        shelf.set_string(LOOK, "(zoom:".into());
        shelf.set_string(LAYOUT, "{}".into());
        let memory = Memory::read(&shelf);
        assert_eq!((memory.look, memory.settings.top), (Look::default(), 50));
        shelf.set_string(LOOK, "(theme:System,zoom:1e9)".into());
        assert_eq!(Memory::read(&shelf).look.zoom, 3.0);
    }
}
