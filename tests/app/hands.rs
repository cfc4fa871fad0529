//! What a user's hands and eyes do to any of the windows under test.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, Node};
use rain::app::App;

pub trait Hands {
    /// Frames drawn after each act: an answer may call forth another question.
    const FRAMES: usize = 6;

    fn harness(&self) -> &Harness<'static, App>;

    fn harness_mut(&mut self) -> &mut Harness<'static, App>;

    fn settle(&mut self) {
        self.harness_mut().run_steps(Self::FRAMES);
    }

    fn key(&mut self, modifiers: Modifiers, key: Key) {
        self.harness_mut().key_press_modifiers(modifiers, key);
        self.settle();
    }

    fn click(&mut self, label: &str) {
        self.harness().get_by_label(label).click();
        self.settle();
    }

    fn has(&self, label: &str) -> bool {
        self.harness().query_all_by_label(label).next().is_some()
    }

    fn has_part(&self, part: &str) -> bool {
        self.harness().query_all_by_label_contains(part).next().is_some()
    }

    /// A text field; the label above it has the same words.
    fn field<'a>(&'a self, label: &'a str) -> Node<'a> {
        self.harness().get_by_role_and_label(Role::TextInput, label)
    }

    fn fill_field(&mut self, label: &str, text: &str) {
        self.enter(Role::TextInput, label, text);
    }

    /// Types into what is named so, after what is there is deleted.
    fn enter(&mut self, role: Role, label: &str, text: &str) {
        self.harness().get_by_role_and_label(role, label).focus();
        self.harness_mut().run_steps(2);
        self.key(Modifiers::COMMAND, Key::A);
        self.key(Modifiers::NONE, Key::Delete);
        self.harness().get_by_role_and_label(role, label).type_text(text);
        self.settle();
    }
}
