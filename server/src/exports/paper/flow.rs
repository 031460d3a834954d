//! Which item stands on which page, and how far down: worked out before anything is drawn, because each page says how many there are.

use super::text::{Setter, Style};
use super::{Columned, Item, Unmade, Unwanted, Weight};

/// A4, in points.
pub(super) const PAGE: (f32, f32) = (595.28, 841.89);
/// White on the left and the right.
pub(super) const SIDE: f32 = 42.0;
/// Where items begin and end.
pub(super) const TOP: f32 = 54.0;
const BOTTOM: f32 = 841.89 - 54.0;
/// The width of what stands between the sides.
pub(super) const WIDTH: f32 = 595.28 - 2.0 * SIDE;
/// White around the text of a cell.
pub(super) const PAD: f32 = 4.0;
/// Where the values of pairs begin.
pub(super) const NAME_WIDTH: f32 = 130.0;
/// A table does not begin at the bottom of a page: so much must fit below its header.
const WITH_HEADER: f32 = 60.0;
/// A heading is not left alone there either: so much must fit below it, the header of a table and what that wants.
const WITH_HEADING: f32 = WITH_HEADER + 40.0;

/// An item on its page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// Which item.
    pub item: usize,
    /// Its upper edge.
    pub y: f32,
    /// Its height, white included.
    pub height: f32,
}

/// A page.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    /// The table whose header is repeated at its top.
    pub header: Option<usize>,
    pub items: Vec<Placed>,
}

/// How the text of an item looks: that of headings by their level, and so on.
pub(super) const fn heading(level: u16) -> Style {
    Style { size: if level == 1 { 20.0 } else { 12.5 }, bold: true, grey: 0x1a, right: false }
}
pub(super) const NOTE: Style = Style { size: 8.5, bold: false, grey: 0x55, right: false };
pub(super) const NAME: Style = Style { size: 8.5, bold: false, grey: 0x66, right: false };
pub(super) const VALUE: Style = Style { size: 8.5, bold: false, grey: 0x1a, right: false };
pub(super) const SMALL: Style = Style { size: 7.5, bold: false, grey: 0x66, right: false };

pub(super) const fn cell(column: &Columned, weight: Weight) -> Style {
    Style { size: 8.0, bold: matches!(weight, Weight::Sum), grey: 0x1a, right: column.right }
}

pub(super) const fn title(column: &Columned) -> Style {
    Style { size: 8.0, bold: true, grey: 0x33, right: column.right }
}

/// Left edge and width of each column.
pub(super) fn columns(columns: &[Columned]) -> Vec<(f32, f32)> {
    let all: f32 = columns.iter().map(|column| column.share).sum();
    let mut x = SIDE;
    let mut placed = Vec::with_capacity(columns.len());
    for column in columns {
        let width = WIDTH * column.share / all.max(f32::EPSILON);
        placed.push((x, width));
        x += width;
    }
    placed
}

/// White above an item.
pub(super) const fn above(item: &Item) -> f32 {
    match item {
        Item::Heading(1, _) => 0.0,
        Item::Heading(..) => 16.0,
        Item::Note(_) | Item::Pair(_, _, false) => 2.0,
        Item::Table(_) | Item::Pair(_, _, true) => 8.0,
        Item::Row(..) => 0.0,
        Item::TableEnd => 4.0,
    }
}

/// The height of a row of `cells`, or of a header.
fn row_height(setter: &mut Setter, table: &[Columned], cells: &[String], style: impl Fn(&Columned) -> Style) -> f32 {
    let placed = columns(table);
    let each = table.iter().zip(cells).zip(placed).map(|((column, text), (_, width))| {
        if text.is_empty() { 0.0 } else { setter.set(text, style(column), width - 2.0 * PAD).height() }
    });
    each.fold(8.0 * 1.35, f32::max) + 2.0 * PAD
}

/// The height of a table's header.
pub(super) fn header_height(setter: &mut Setter, table: &[Columned]) -> f32 {
    let titles: Vec<String> = table.iter().map(|column| column.title.clone()).collect();
    row_height(setter, table, &titles, title)
}

/// Where everything stands.
///
/// # Errors
/// It is `unwanted` meanwhile.
pub(super) fn flow(setter: &mut Setter, items: &[Item], unwanted: Unwanted<'_>) -> Result<Vec<Leaf>, Unmade> {
    let mut pages = vec![Leaf::default()];
    let mut y = TOP;
    let mut table: Option<(usize, f32)> = None;
    for (index, item) in items.iter().enumerate() {
        if unwanted() {
            return Err(Unmade::Unwanted);
        }
        let height = above(item)
            + match item {
                Item::Heading(level, text) => setter.set(text, heading(*level), WIDTH).height(),
                Item::Note(text) => setter.set(text, NOTE, WIDTH).height(),
                Item::Table(table) => header_height(setter, table),
                Item::Row(cells, weight) => match table.and_then(|(of, _)| items.get(of)) {
                    Some(Item::Table(table)) => row_height(setter, table, cells, |column| cell(column, *weight)),
                    _ => 0.0,
                },
                Item::TableEnd => 0.0,
                Item::Pair(name, value, _) => {
                    let name = setter.set(name, NAME, NAME_WIDTH - PAD).height();
                    name.max(setter.set(value, VALUE, WIDTH - NAME_WIDTH).height())
                }
            };
        let needs = match item {
            Item::Heading(..) => height + WITH_HEADING,
            Item::Table(_) => height + WITH_HEADER,
            _ => height,
        };
        if y + needs > BOTTOM && y > TOP {
            pages.push(Leaf { header: table.map(|(of, _)| of), items: Vec::new() });
            y = TOP + table.map_or(0.0, |(_, header)| header);
        }
        if let Some(page) = pages.last_mut() {
            page.items.push(Placed { item: index, y, height });
        }
        y += height;
        match item {
            Item::Table(_) => table = Some((index, height - above(item))),
            Item::TableEnd => table = None,
            _ => {}
        }
    }
    Ok(pages)
}
