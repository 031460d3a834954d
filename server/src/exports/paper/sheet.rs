//! Draws and tags what stands on the pages, as PDF/UA-1 asks: headings, tables with headers, everything else an artifact.

use std::num::NonZeroU16;

use krilla::color::rgb;
use krilla::configure::{Accessibility, Configuration, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Node, SpanTag, TableHeaderScope, Tag, TagGroup, TagKind, TagTree};
use krilla::{Document, SerializeSettings};

use super::flow::{self, Leaf, NAME_WIDTH, PAD, PAGE, Placed, SIDE, SMALL, TOP, WIDTH};
use super::text::{Setter, Style};
use super::{Columned, Item, Unmade, Unwanted, Weight};
use crate::exports::source::Head;

/// What is said on a page that has such a character.
const LACKING: &str = "� is a character that the fonts in here do not have. Copied, it is itself; it stands in the other formats, too.";

/// The document.
pub(super) fn draw(head: &Head, items: &[Item], unwanted: Unwanted<'_>) -> Result<Vec<u8>, Unmade> {
    let mut setter = Setter::new();
    let pages = flow::flow(&mut setter, items, unwanted)?;
    let accessible = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish();
    let accessible = accessible.map_err(|error| Unmade::Defect(format!("{error:?}")))?;
    match drawn(&mut setter, &pages, head, items, accessible, unwanted) {
        Err(error @ Unmade::Defect(_)) => {
            // Whatever somebody wrote that the standard does not allow: it is their data, and they get it.
            tracing::warn!(%error, "a PDF is written without the mark of PDF/UA");
            drawn(&mut setter, &pages, head, items, Configuration::default(), unwanted)
        }
        done => done,
    }
}

fn drawn(
    setter: &mut Setter,
    pages: &[Leaf],
    head: &Head,
    items: &[Item],
    configuration: Configuration,
    unwanted: Unwanted<'_>,
) -> Result<Vec<u8>, Unmade> {
    let settings = SerializeSettings { configuration, enable_tagging: true, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    let tree = TagTree::new().with_lang(Some("en".to_owned()));
    let mut pen = Pen { setter, items, tree, table: None, page: 0, outline: Outline::new() };
    let size = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| Unmade::Defect("A4 is no size".to_owned()))?;
    for (number, leaf) in pages.iter().enumerate() {
        if unwanted() {
            return Err(Unmade::Unwanted);
        }
        let mut page = document.start_page_with(size.clone());
        pen.page = number;
        pen.setter.lacked = false;
        let mut surface = page.surface();
        pen.leaf(&mut surface, leaf);
        pen.margins(&mut surface, head, number + 1, pages.len());
        surface.finish();
        page.finish();
    }
    pen.end_table();
    document.set_tag_tree(pen.tree);
    document.set_outline(pen.outline);
    document.set_metadata(metadata(head));
    document.finish().map_err(|error| Unmade::Defect(format!("{error:?}")))
}

fn metadata(head: &Head) -> Metadata {
    let metadata = Metadata::new()
        .title(format!("{}: {}", head.title, head.owner.name))
        .authors(vec![head.owner.name.clone()])
        .creator("Keystead".to_owned())
        .language("en".to_owned());
    let text = head.created_at.to_rfc3339();
    let part = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u8>().ok()).unwrap_or(0);
    match text.get(..4).and_then(|year| year.parse().ok()) {
        Some(year) => {
            let day = DateTime::new(year).month(part(5, 7)).day(part(8, 10));
            metadata.creation_date(day.hour(part(11, 13)).minute(part(14, 16)).second(part(17, 19)))
        }
        None => metadata,
    }
}

struct Pen<'a> {
    setter: &'a mut Setter,
    items: &'a [Item],
    /// The page that is drawn, from 0.
    page: usize,
    outline: Outline,
    tree: TagTree,
    /// The table that is open: its item, and its rows so far.
    table: Option<(usize, TagGroup)>,
}

fn paint(grey: u8) -> Fill {
    Fill { paint: rgb::Color::new(grey, grey, grey).into(), opacity: NormalizedF32::ONE, rule: Default::default() }
}

impl Pen<'_> {
    fn leaf(&mut self, surface: &mut Surface<'_>, leaf: &Leaf) {
        if let Some(Item::Table(table)) = leaf.header.and_then(|table| self.items.get(table)) {
            // Whoever has the table read to them heard it on the first page.
            surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Header)));
            let height = flow::header_height(self.setter, table);
            self.shade(surface, TOP, height, 0xf0);
            for (column, (x, width)) in table.iter().zip(flow::columns(table)) {
                let set = self.setter.set(&column.title, flow::title(column), width - 2.0 * PAD);
                self.setter.draw(surface, &set, x + PAD, TOP + PAD);
            }
            surface.end_tagged();
        }
        for placed in &leaf.items {
            self.item(surface, *placed);
        }
    }

    fn item(&mut self, surface: &mut Surface<'_>, placed: Placed) {
        let Some(item) = self.items.get(placed.item) else { return };
        let y = placed.y + flow::above(item);
        match item {
            Item::Heading(level, text) => {
                let there = XyzDestination::new(self.page, Point::from_xy(SIDE, y));
                self.outline.push_child(OutlineNode::new(text.clone(), there));
                let tag = Tag::Hn(NonZeroU16::new(*level).unwrap_or(NonZeroU16::MIN), Some(text.clone()));
                self.text(surface, tag, text, flow::heading(*level), SIDE, y, WIDTH);
            }
            Item::Note(text) => self.text(surface, Tag::P, text, flow::NOTE, SIDE, y, WIDTH),
            Item::Table(table) => self.header(surface, placed, y, table),
            Item::Row(cells, weight) => self.row(surface, placed, cells, *weight),
            Item::TableEnd => self.end_table(),
            Item::Pair(name, value, first) => {
                if *first {
                    self.rule(surface, y - 3.0, 0xdd);
                }
                let mut pair = TagGroup::new(Tag::P);
                self.span(surface, &mut pair, name, flow::NAME, SIDE, y, NAME_WIDTH - PAD);
                self.span(surface, &mut pair, value, flow::VALUE, SIDE + NAME_WIDTH, y, WIDTH - NAME_WIDTH);
                self.tree.push(pair);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what, how and where")]
    fn text(&mut self, surface: &mut Surface<'_>, tag: impl Into<TagKind>, text: &str, style: Style, x: f32, y: f32, width: f32) {
        let mut group = TagGroup::new(tag);
        self.span(surface, &mut group, text, style, x, y, width);
        self.tree.push(group);
    }

    #[expect(clippy::too_many_arguments, reason = "what, how and where")]
    fn span(&mut self, surface: &mut Surface<'_>, group: &mut TagGroup, text: &str, style: Style, x: f32, y: f32, width: f32) {
        let set = self.setter.set(text, style, width);
        let span = SpanTag::empty().with_actual_text(set.meant());
        let id = surface.start_tagged(ContentTag::Span(span));
        self.setter.draw(surface, &set, x, y);
        surface.end_tagged();
        group.push(Node::Leaf(id));
    }

    fn header(&mut self, surface: &mut Surface<'_>, placed: Placed, y: f32, table: &[Columned]) {
        self.end_table();
        surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
        self.shade(surface, y, placed.height - (y - placed.y), 0xf0);
        surface.end_tagged();
        let mut row = TagGroup::new(Tag::TR);
        for (column, (x, width)) in table.iter().zip(flow::columns(table)) {
            let mut cell = TagGroup::new(Tag::TH(TableHeaderScope::Column));
            self.span(surface, &mut cell, &column.title, flow::title(column), x + PAD, y + PAD, width - 2.0 * PAD);
            row.push(cell);
        }
        let mut group = TagGroup::new(Tag::Table);
        group.push(row);
        self.table = Some((placed.item, group));
    }

    fn row(&mut self, surface: &mut Surface<'_>, placed: Placed, cells: &[String], weight: Weight) {
        let Some((of, mut group)) = self.table.take() else { return };
        let Some(Item::Table(table)) = self.items.get(of) else { return };
        if weight == Weight::Sum {
            surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
            self.shade(surface, placed.y, placed.height, 0xf8);
            surface.end_tagged();
        }
        let mut row = TagGroup::new(Tag::TR);
        for ((column, text), (x, width)) in table.iter().zip(cells).zip(flow::columns(table)) {
            let mut cell = TagGroup::new(Tag::TD);
            self.span(surface, &mut cell, text, flow::cell(column, weight), x + PAD, placed.y + PAD, width - 2.0 * PAD);
            row.push(cell);
        }
        group.push(row);
        self.rule(surface, placed.y + placed.height, if weight == Weight::Sum { 0x99 } else { 0xe4 });
        self.table = Some((of, group));
    }

    fn end_table(&mut self) {
        if let Some((_, group)) = self.table.take() {
            self.tree.push(group);
        }
    }

    /// What stands outside: whose document it is, and which page.
    fn margins(&mut self, surface: &mut Surface<'_>, head: &Head, number: usize, of: usize) {
        surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)));
        let right = Style { right: true, ..SMALL };
        let y = PAGE.1 - 36.0;
        let whose = self.setter.set(&format!("{} · {}", head.title, head.owner.name), SMALL, WIDTH * 0.7);
        self.setter.draw(surface, &whose, SIDE, y);
        let which = self.setter.set(&format!("page {number} of {of}"), right, WIDTH * 0.3);
        self.setter.draw(surface, &which, SIDE + WIDTH * 0.7, y);
        // Nobody is to wonder what it is; whoever has the page read to them hears the character itself.
        if self.setter.lacked {
            let told = self.setter.set(LACKING, SMALL, WIDTH);
            self.setter.draw(surface, &told, SIDE, y + 11.0);
        }
        surface.end_tagged();
    }

    fn shade(&self, surface: &mut Surface<'_>, y: f32, height: f32, grey: u8) {
        let mut path = PathBuilder::new();
        if let Some(rect) = Rect::from_xywh(SIDE, y, WIDTH, height) {
            path.push_rect(rect);
        }
        surface.set_stroke(None);
        surface.set_fill(Some(paint(grey)));
        if let Some(path) = path.finish() {
            surface.draw_path(&path);
        }
    }

    fn rule(&self, surface: &mut Surface<'_>, y: f32, grey: u8) {
        let mut path = PathBuilder::new();
        path.move_to(SIDE, y);
        path.line_to(SIDE + WIDTH, y);
        let Some(path) = path.finish() else { return };
        surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
        surface.set_fill(None);
        surface.set_stroke(Some(Stroke { paint: rgb::Color::new(grey, grey, grey).into(), width: 0.5, ..Stroke::default() }));
        surface.draw_path(&path);
        surface.set_stroke(None);
        surface.end_tagged();
    }
}
