//! Colours, fonts and spacing: the one place they come from, in a dark and a light form.
//!
//! The colours of the two verdicts and of the curves follow Okabe and Ito, lightened for the dark ground and darkened for
//! the light one so that text in them keeps a contrast of 4.5. A verdict is never told by colour alone: a glyph goes with it.

use std::sync::Arc;

use egui::{
    Color32, Context, CornerRadius, CursorIcon, FontData, FontDefinitions, FontFamily, FontId, Margin, RichText,
    Shadow, Stroke, TextStyle, Theme, ThemePreference, Visuals, vec2,
};
use egui_material_icons::MaterialIcon;

/// Size of body text. Nothing is smaller than [`SMALL`].
pub const BODY: f32 = 13.0;
/// Size of secondary text, the smallest there is.
pub const SMALL: f32 = 12.0;
/// Gap between panes and between cards.
pub const GAP: f32 = 8.0;

/// The colours of one theme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Palette {
    /// The ground behind the panes.
    pub ground: Color32,
    /// A pane.
    pub pane: Color32,
    /// A card, button or field on a pane.
    pub raised: Color32,
    /// The same under the pointer.
    pub hover: Color32,
    /// A text field.
    pub field: Color32,
    /// Hairlines and borders.
    pub line: Color32,
    /// Body text.
    pub text: Color32,
    /// Secondary text.
    pub weak: Color32,
    /// Titles and figures.
    pub strong: Color32,
    /// Selection, focus and the main button.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// The same person.
    pub same: Color32,
    /// A different person; also errors.
    pub other: Color32,
    /// Curves, in the order of their use.
    pub series: [Color32; 5],
}

const fn rgb(v: u32) -> Color32 {
    Color32::from_rgb((v >> 16) as u8, (v >> 8) as u8, v as u8)
}

const DARK: Palette = Palette {
    ground: rgb(0x0D1014),
    pane: rgb(0x14181E),
    raised: rgb(0x1C222B),
    hover: rgb(0x262E39),
    field: rgb(0x0D1014),
    line: rgb(0x2A323D),
    text: rgb(0xC9D1DB),
    weak: rgb(0x94A0AE),
    strong: rgb(0xF2F5F8),
    accent: rgb(0x5AA9F0),
    on_accent: rgb(0x08121E),
    same: rgb(0x2FC294),
    other: rgb(0xEE7A3B),
    series: [rgb(0x5AB4E9), rgb(0xE6A21A), rgb(0x2FC294), rgb(0xEE7A3B), rgb(0xD38ABB)],
};

const LIGHT: Palette = Palette {
    ground: rgb(0xE6EAEF),
    pane: rgb(0xFCFDFE),
    raised: rgb(0xF1F4F7),
    hover: rgb(0xE2E8EF),
    field: rgb(0xFFFFFF),
    line: rgb(0xCFD6DF),
    text: rgb(0x2C3440),
    weak: rgb(0x566272),
    strong: rgb(0x10151C),
    accent: rgb(0x1765B5),
    on_accent: rgb(0xFFFFFF),
    same: rgb(0x0B7351),
    other: rgb(0xAE400A),
    series: [rgb(0x1B78B8), rgb(0x8F6200), rgb(0x0B7351), rgb(0xAE400A), rgb(0x9C4785)],
};

/// For eyes that need it: black ground, white text, hairlines that are no hairlines.
const HIGH: Palette = Palette {
    ground: rgb(0x000000),
    pane: rgb(0x000000),
    raised: rgb(0x0A0A0A),
    hover: rgb(0x2A2A2A),
    field: rgb(0x000000),
    line: rgb(0x9A9A9A),
    text: rgb(0xFFFFFF),
    weak: rgb(0xE0E0E0),
    strong: rgb(0xFFFFFF),
    accent: rgb(0xFFE14D),
    on_accent: rgb(0x000000),
    same: rgb(0x5CF2C3),
    other: rgb(0xFFA366),
    series: [rgb(0x7CC8FF), rgb(0xFFC940), rgb(0x5CF2C3), rgb(0xFFA366), rgb(0xF3B3DE)],
};

/// The themes to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Choice {
    /// Light or dark as the system is.
    #[default]
    System,
    /// Dark.
    Dark,
    /// Light.
    Light,
    /// Dark, with the greatest contrast.
    HighContrast,
}

impl Choice {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "As the system",
            Self::Dark => "Dark",
            Self::Light => "Light",
            Self::HighContrast => "High contrast",
        }
    }
}

/// The colours that go with these visuals.
pub fn palette(visuals: &Visuals) -> &'static Palette {
    match (visuals.dark_mode, visuals.panel_fill == HIGH.ground) {
        (true, true) => &HIGH,
        (true, false) => &DARK,
        (false, _) => &LIGHT,
    }
}

/// Puts a theme on.
pub fn choose(ctx: &Context, choice: Choice) {
    let dark = if choice == Choice::HighContrast { &HIGH } else { &DARK };
    ctx.style_mut_of(Theme::Dark, |style| set_style(style, dark));
    ctx.set_theme(match choice {
        Choice::System => ThemePreference::System,
        Choice::Dark | Choice::HighContrast => ThemePreference::Dark,
        Choice::Light => ThemePreference::Light,
    });
}

/// `colour` laid thinly over `ground`: an opaque mix, which stays readable on any layer.
pub fn tint(ground: Color32, colour: Color32, amount: f32) -> Color32 {
    ground.lerp_to_gamma(colour, amount)
}

/// Fonts of the system for names of files in scripts that Inter has no letters for: Hebrew, Arabic, Armenian, Georgian by DejaVu;
/// Devanagari, Thai and others by FreeSans; Chinese, Japanese and Korean by the two fallbacks. Those that are there are used.
const SYSTEM_FONTS: &[&str] = &[
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/freefont/FreeSans.ttf",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/noto/NotoSansHebrew-Regular.ttf",
    "/usr/share/fonts/truetype/noto/NotoSansArabic-Regular.ttf",
];

/// Loads the fonts and sets both themes up. Once, before the first frame.
pub fn install(ctx: &Context) {
    install_fonts(ctx);
    for (theme, palette) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
        ctx.style_mut_of(theme, |style| set_style(style, palette));
    }
}

fn install_fonts(ctx: &Context) {
    let mut fonts = FontDefinitions::default();
    for (name, bytes) in [
        ("inter", &include_bytes!("../../assets/fonts/Inter-Regular.otf")[..]),
        ("inter-medium", &include_bytes!("../../assets/fonts/Inter-Medium.otf")[..]),
        ("inter-semibold", &include_bytes!("../../assets/fonts/Inter-SemiBold.otf")[..]),
    ] {
        fonts.font_data.insert(name.into(), Arc::new(FontData::from_static(bytes)));
    }
    let proportional = fonts.families.entry(FontFamily::Proportional).or_default();
    proportional.insert(0, "inter".into());
    // Last: for what neither Inter nor egui's own fonts can write.
    for path in SYSTEM_FONTS {
        if let Ok(bytes) = std::fs::read(path) {
            fonts.font_data.insert((*path).into(), Arc::new(FontData::from_owned(bytes)));
            proportional.push((*path).into());
        }
    }
    let fallback = proportional.clone();
    let mut family = |name: &str, first: &str| {
        let list = std::iter::once(first.to_owned()).chain(fallback.iter().cloned()).collect();
        fonts.families.insert(FontFamily::Name(name.into()), list);
    };
    family("medium", "inter-medium");
    family("semibold", "inter-semibold");
    // The icons have a family of their own: as a mere fallback they lose, because Inter has glyphs on the same
    // private-use code points, and first in the proportional family they would shadow the letters.
    family("icons", "icons");
    let mut icons = egui_material_icons::font_insert().data;
    icons.tweak.y_offset_factor = 0.05;
    fonts.font_data.insert("icons".into(), Arc::new(icons));
    ctx.set_fonts(fonts);
}

fn set_style(style: &mut egui::Style, p: &Palette) {
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(SMALL)),
        (TextStyle::Body, FontId::proportional(BODY)),
        (TextStyle::Button, FontId::proportional(BODY)),
        (TextStyle::Heading, semibold_font(15.0)),
        (TextStyle::Monospace, FontId::monospace(SMALL)),
    ]
    .into();
    let s = &mut style.spacing;
    s.item_spacing = vec2(8.0, 6.0);
    s.button_padding = vec2(10.0, 4.0);
    s.interact_size = vec2(28.0, 26.0);
    s.scroll = egui::style::ScrollStyle::thin();
    s.menu_margin = Margin::same(6);
    s.slider_width = 84.0;
    s.tooltip_width = 360.0;

    let v = &mut style.visuals;
    v.panel_fill = p.ground;
    v.window_fill = p.pane;
    v.extreme_bg_color = p.ground;
    v.text_edit_bg_color = Some(p.field);
    v.faint_bg_color = p.raised;
    v.window_stroke = Stroke::new(1.0, p.line);
    v.window_corner_radius = CornerRadius::same(10);
    v.menu_corner_radius = CornerRadius::same(8);
    v.popup_shadow = Shadow { offset: [0, 6], blur: 18, spread: 0, color: Color32::from_black_alpha(70) };
    v.window_shadow = Shadow { offset: [0, 10], blur: 32, spread: 0, color: Color32::from_black_alpha(110) };
    v.selection.bg_fill = tint(p.pane, p.accent, 0.28);
    v.selection.stroke = Stroke::new(1.0, p.accent);
    v.hyperlink_color = p.accent;
    v.error_fg_color = p.other;
    v.warn_fg_color = p.other;
    v.weak_text_color = Some(p.weak);
    v.slider_trailing_fill = true;
    v.interact_cursor = Some(CursorIcon::PointingHand);
    let states = &mut v.widgets;
    for (state, fill, text, line) in [
        (&mut states.noninteractive, p.pane, p.text, p.line),
        (&mut states.inactive, p.raised, p.text, p.line),
        (&mut states.hovered, p.hover, p.strong, tint(p.line, p.weak, 0.6)),
        // Also the look of a widget that has the keyboard: the accent makes the focus visible.
        (&mut states.active, p.hover, p.strong, p.accent),
        (&mut states.open, p.hover, p.strong, p.line),
    ] {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, line);
        state.fg_stroke = Stroke::new(1.0, text);
        state.corner_radius = CornerRadius::same(6);
        state.expansion = 0.0;
    }
    states.active.bg_stroke.width = 1.5;
}

/// The semibold cut.
pub fn semibold_font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("semibold".into()))
}

/// The medium cut.
pub fn medium_font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("medium".into()))
}

/// The icon font.
pub fn icon_font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("icons".into()))
}

/// Text in the semibold cut.
pub fn semibold(text: impl Into<String>, size: f32) -> RichText {
    RichText::new(text).font(semibold_font(size))
}

/// Text in the medium cut.
pub fn medium(text: impl Into<String>, size: f32) -> RichText {
    RichText::new(text).font(medium_font(size))
}

/// Secondary text.
pub fn small(text: impl Into<String>) -> RichText {
    RichText::new(text).size(SMALL)
}

/// An icon as text.
pub fn icon(icon: MaterialIcon, size: f32) -> RichText {
    RichText::new(icon.codepoint).font(icon_font(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast by WCAG 2.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |c: Color32| {
            let [r, g, b, _] = egui::Rgba::from(c).to_array();
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_colours_are_readable_on_every_ground() {
        for p in [&DARK, &LIGHT, &HIGH] {
            for ground in [p.ground, p.pane, p.raised] {
                for text in [p.text, p.weak, p.strong, p.accent, p.same, p.other] {
                    assert!(contrast(text, ground) >= 4.5, "{text:?} on {ground:?}: {}", contrast(text, ground));
                }
                for curve in p.series {
                    assert!(contrast(curve, ground) >= 3.0, "{curve:?} on {ground:?}: {}", contrast(curve, ground));
                }
            }
            assert!(contrast(p.on_accent, p.accent) >= 4.5);
        }
    }

    #[test]
    fn high_contrast_is_high() {
        for text in [HIGH.text, HIGH.weak, HIGH.strong, HIGH.accent, HIGH.same, HIGH.other, HIGH.line] {
            assert!(contrast(text, HIGH.raised) >= 7.0, "{text:?}: {}", contrast(text, HIGH.raised));
        }
    }

    #[test]
    fn pills_cards_and_marked_rows_are_readable_too() {
        for p in [&DARK, &LIGHT, &HIGH] {
            for colour in [p.same, p.other, p.accent, p.weak] {
                let ground = tint(p.pane, colour, 0.12);
                assert!(contrast(colour, ground) >= 4.5, "{colour:?} on {ground:?}: {}", contrast(colour, ground));
            }
            for text in [p.text, p.weak, p.accent, p.strong] {
                let ground = tint(p.pane, p.accent, 0.14);
                assert!(contrast(text, ground) >= 4.5, "{text:?} on {ground:?}: {}", contrast(text, ground));
                assert!(contrast(text, p.hover) >= 4.5, "{text:?} on hover: {}", contrast(text, p.hover));
            }
        }
    }

    #[test]
    fn each_theme_finds_its_palette() {
        let ctx = Context::default();
        for (choice, palette) in
            [(Choice::Dark, &DARK), (Choice::Light, &LIGHT), (Choice::HighContrast, &HIGH), (Choice::Dark, &DARK)]
        {
            for (theme, p) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
                ctx.style_mut_of(theme, |style| set_style(style, p));
            }
            choose(&ctx, choice);
            let theme = if choice == Choice::Light { Theme::Light } else { Theme::Dark };
            assert_eq!(super::palette(&ctx.style_of(theme).visuals), palette, "{choice:?}");
        }
    }

    #[test]
    fn same_and_different_person_differ_in_lightness_or_hue_for_colour_blind_eyes() {
        // Blue is what red-green blindness leaves: the two verdict colours must differ clearly in it.
        for p in [&DARK, &LIGHT, &HIGH] {
            assert!((i32::from(p.same.b()) - i32::from(p.other.b())).abs() >= 60);
        }
    }
}
