//! Text on paper: shaped, broken into lines, in the right direction, each character by a font that has it.
//!
//! The fonts are embedded and cut down to what is used. They cover Latin, Greek, Cyrillic, Hebrew, Arabic, Armenian, Georgian, Devanagari,
//! Bengali, Tamil and Thai; a character that none of them has is shown as � and keeps its meaning for whoever copies the text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use krilla::color::rgb;
use krilla::geom::Point;
use krilla::num::NormalizedF32;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use parley::fontique::{Blob, Collection, CollectionOptions, SourceCache};
use parley::layout::{Alignment, Layout};
use parley::style::{FontFamily, FontFamilyName, FontWeight, LineHeight, OverflowWrap, StyleProperty};
use parley::{FontContext, LayoutContext};

macro_rules! fonts {
    ($($file:literal),+ $(,)?) => { &[$(include_bytes!(concat!("../fonts/", $file)).as_slice()),+] };
}

const FILES: &[&[u8]] = fonts![
    "NotoSans-Regular.ttf",
    "NotoSans-Bold.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansArmenian-Regular.ttf",
    "NotoSansGeorgian-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansBengali-Regular.ttf",
    "NotoSansTamil-Regular.ttf",
    "NotoSansThai-Regular.ttf",
];

/// In this order a character is looked for.
const FAMILIES: &[&str] = &[
    "Noto Sans",
    "Noto Sans Hebrew",
    "Noto Sans Arabic",
    "Noto Sans Armenian",
    "Noto Sans Georgian",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Tamil",
    "Noto Sans Thai",
];

/// Shown for a character that no font has.
const LACKING: char = char::REPLACEMENT_CHARACTER;
/// Characters of one text that are set; the rest stands in the other formats.
const LONGEST: usize = 2_000;
/// The height of a line in parts of the size.
const LEADING: f32 = 1.35;

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub size: f32,
    pub bold: bool,
    /// 0 is black.
    pub grey: u8,
    pub right: bool,
}

/// Text that is set and can be drawn.
pub(super) struct Block {
    text: String,
    /// What it says, where that is not what is shown.
    meant: Option<String>,
    layout: Layout<()>,
    style: Style,
}

impl Block {
    /// How high it is, in points.
    pub fn height(&self) -> f32 {
        self.layout.height()
    }

    /// What it says, where that is not what is shown.
    pub fn meant(&self) -> Option<&str> {
        self.meant.as_deref()
    }
}

/// Sets text and draws it; one for each document.
pub(super) struct Setter {
    fonts: FontContext,
    layouts: LayoutContext<()>,
    faces: HashMap<u64, Option<Font>>,
    /// Whether a text had a character that no font has, since this was set back.
    pub lacked: bool,
}

impl Setter {
    /// With the embedded fonts and no others: a document looks the same wherever it is made.
    pub fn new() -> Self {
        let mut collection = Collection::new(CollectionOptions { shared: false, system_fonts: false });
        for file in FILES {
            collection.register_fonts(Blob::new(Arc::new(*file)), None);
        }
        let fonts = FontContext { collection, source_cache: SourceCache::default() };
        Self { fonts, layouts: LayoutContext::new(), faces: HashMap::new(), lacked: false }
    }

    /// Sets `text` in lines of at most `width` points.
    pub fn set(&mut self, text: &str, style: Style, width: f32) -> Block {
        let text = clean(text);
        let layout = self.lay(&text, style, width);
        let lacking = lacking(&layout, &text);
        if lacking.is_empty() {
            return Block { text, meant: None, layout, style };
        }
        self.lacked = true;
        // What is one to the eye, such as a family of four, is one that is lacking.
        let shown = |(at, letter)| match lacking.binary_search_by_key(&at, |lacking| lacking.0) {
            Ok(found) => lacking[found].1.then_some(LACKING),
            Err(_) => Some(letter),
        };
        let shown: String = text.char_indices().filter_map(shown).collect();
        let layout = self.lay(&shown, style, width);
        if self::lacking(&layout, &shown).is_empty() {
            return Block { text: shown, meant: Some(text), layout, style };
        }
        // Marks that were to stand on what is gone.
        let shown: String = shown.chars().map(|letter| if letter.is_ascii() { letter } else { LACKING }).collect();
        let layout = self.lay(&shown, style, width);
        Block { text: shown, meant: Some(text), layout, style }
    }

    fn lay(&mut self, text: &str, style: Style, width: f32) -> Layout<()> {
        let mut builder = self.layouts.ranged_builder(&mut self.fonts, text, 1.0, false);
        let families: Vec<_> = FAMILIES.iter().map(|name| FontFamilyName::Named(Cow::Borrowed(name))).collect();
        builder.push_default(StyleProperty::FontFamily(FontFamily::List(Cow::Owned(families))));
        builder.push_default(StyleProperty::FontSize(style.size));
        builder.push_default(StyleProperty::LineHeight(LineHeight::FontSizeRelative(LEADING)));
        // A word that is longer than its column is broken, not drawn over the next one.
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
        if style.bold {
            builder.push_default(StyleProperty::FontWeight(FontWeight::BOLD));
        }
        let mut layout = builder.build(text);
        layout.break_all_lines(Some(width));
        let alignment = if style.right { Alignment::Right } else { Alignment::Start };
        layout.align(alignment, Default::default());
        layout
    }

    /// Draws `block` with its upper left corner at (`x`, `y`).
    pub fn draw(&mut self, surface: &mut Surface<'_>, block: &Block, x: f32, y: f32) {
        let grey = block.style.grey;
        surface.set_stroke(None);
        let paint = rgb::Color::new(grey, grey, grey).into();
        surface.set_fill(Some(Fill { paint, opacity: NormalizedF32::ONE, rule: Default::default() }));
        for line in block.layout.lines() {
            let metrics = *line.metrics();
            let mut at = x + metrics.offset;
            for run in line.runs() {
                let (start, size) = (at, run.font_size());
                let mut glyphs: Vec<KrillaGlyph> = Vec::new();
                for cluster in run.visual_clusters() {
                    if cluster.is_ligature_continuation() {
                        if let Some(last) = glyphs.last_mut() {
                            last.text_range.end = last.text_range.end.max(cluster.text_range().end);
                        }
                        continue;
                    }
                    for glyph in cluster.glyphs() {
                        let (advance, right, up) = (glyph.advance / size, glyph.x / size, glyph.y / size);
                        glyphs.push(KrillaGlyph::new(GlyphId::new(glyph.id), advance, right, up, 0.0, cluster.text_range(), None));
                        at += glyph.advance;
                    }
                }
                let (data, index) = (&run.font().data, run.font().index);
                let face = self.faces.entry(data.id()).or_insert_with(|| Font::new(data.data().to_vec().into(), index));
                if let (Some(face), false) = (face, glyphs.is_empty()) {
                    surface.draw_glyphs(Point::from_xy(start, y + metrics.baseline), &glyphs, face.clone(), &block.text, size, false);
                }
            }
        }
    }
}

/// `text` as long as it will be set at most, so that nobody keeps the rest meanwhile.
pub(super) fn cut(mut text: String) -> String {
    // What stands before the text is not set.
    let skipped = text.len() - text.trim_start().len();
    if let Some((end, _)) = text[skipped..].char_indices().nth(LONGEST) {
        text.truncate(skipped + end);
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

/// Where in `text` a character begins that no font has, in order; false for those that belong to the one before.
fn lacking(layout: &Layout<()>, text: &str) -> Vec<(usize, bool)> {
    let mut found = Vec::new();
    for line in layout.lines() {
        for run in line.runs() {
            for cluster in run.clusters().filter(|cluster| cluster.glyphs().any(|glyph| glyph.id == 0)) {
                let range = cluster.text_range();
                let inside = text.get(range.clone()).unwrap_or_default();
                found.extend(inside.char_indices().map(|(at, _)| (range.start + at, at == 0)));
            }
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|lacking| lacking.0);
    found
}

/// What is set of `text`: no control characters but line breaks, not endlessly much, and never nothing, because an empty cell would be no
/// cell to whoever has the document read to them.
fn clean(text: &str) -> String {
    let keep = |letter: char| match letter {
        '\n' => '\n',
        // A mark of byte order, and what is no character at all.
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => ' ',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    let text = text.trim();
    let mut kept: String = text.chars().take(LONGEST).map(keep).collect();
    if text.chars().nth(LONGEST).is_some() {
        kept.push('…');
    }
    if kept.is_empty() {
        kept.push('\u{a0}');
    }
    kept
}
