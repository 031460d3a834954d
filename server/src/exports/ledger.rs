//! Transactions as a table, oldest first, with what was spent below zero, so that a column adds up.

use serde::Deserialize;
use serde_json::Value as Json;

use super::account::owner;
use super::source::{
    Column, Commission, Content, Counting, Format, Head, Kind, Money, Needs, NextPieces, Opening, Piece, Row, Source, filter, period,
};
use crate::access::scope::OwnTransactionsRead;
use crate::app::App;
use crate::error::Problem;
use crate::http::guard::Scope;
use crate::privacy::holdings::record;
use crate::spreadsheet::Cell;
use crate::transactions::{Currency, Order, Reader, Selection, TransactionView, Typed};

/// Transactions of one's own.
pub const TRANSACTIONS: Kind = Kind {
    name: "transactions",
    formats: &[Format::Csv, Format::Json, Format::Pdf],
    needs: Needs::Own(OwnTransactionsRead::NAME),
    check,
    open,
};

const fn column(name: &'static str, title: &'static str, share: f32, right: bool) -> Column {
    Column { name, title, share, right }
}

const COLUMNS: &[Column] = &[
    column("id", "", 0.0, false),
    column("occurredAt", "Date", 0.17, false),
    column("description", "Description", 0.4, false),
    column("category", "Category", 0.17, false),
    column("kind", "", 0.0, false),
    column("currency", "Currency", 0.1, false),
    column("amount", "Amount", 0.16, true),
    column("metadata", "", 0.0, false),
    column("version", "", 0.0, false),
    column("createdAt", "", 0.0, false),
    column("updatedAt", "", 0.0, false),
    column("deletedAt", "", 0.0, false),
];

/// As the list takes it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    from: Option<String>,
    to: Option<String>,
    kind: Option<String>,
    category: Option<String>,
    currency: Option<String>,
    query: Option<String>,
    #[serde(default)]
    include_deleted: bool,
}

impl Wanted {
    fn selection(self) -> Result<Selection, Problem> {
        let Self { from, to, kind, category, currency, query, include_deleted } = self;
        let sort = Some(Order::OccurredAt.as_str().to_owned());
        Selection::check(&Typed { from, to, kind, category, currency, query, include_deleted, sort })
    }

    fn in_words(&self) -> Vec<String> {
        let word = |name: &str, word: &Option<String>| word.as_ref().map(|word| format!("{name} {word}"));
        let category = match self.category.as_deref() {
            Some("") => Some("Without category".to_owned()),
            _ => word("Category", &self.category),
        };
        let deleted = self.include_deleted.then(|| "Deleted ones as well".to_owned());
        let all = [word("Kind", &self.kind), category, word("Currency", &self.currency), word("Words", &self.query), deleted];
        all.into_iter().flatten().collect()
    }
}

fn check(given: &Json) -> Result<(), Problem> {
    filter::<Wanted>(given)?.selection().map(drop)
}

fn open<'a>(app: &'a App, commission: &'a Commission) -> Opening<'a> {
    Box::pin(async move {
        let wanted: Wanted = filter(&commission.filter)?;
        let content = Content {
            name: "transactions".to_owned(),
            title: "Transactions".to_owned(),
            about: "Income and expenses, oldest first; dates and months are those of UTC. In a table the amount of an expense has a minus."
                .to_owned(),
            withheld: None,
        };
        let head = Head {
            title: "Transactions".to_owned(),
            owner: owner(app, commission).await?,
            created_at: commission.now,
            period: period(wanted.from.as_deref(), wanted.to.as_deref()),
            narrowed: wanted.in_words(),
            contents: vec![content],
        };
        let reader = Reader::open(&app.ground, commission.person, wanted.selection()?).await?;
        let expected = reader.expected().await?;
        Ok(Box::new(Ledger { head, reader, expected, begun: false }) as Box<dyn Source>)
    })
}

struct Ledger {
    head: Head,
    reader: Reader,
    expected: Option<u64>,
    begun: bool,
}

impl Ledger {
    async fn page(&mut self) -> Result<Option<Vec<Piece>>, Problem> {
        if !self.begun {
            self.begun = true;
            return Ok(Some(vec![Piece::Part { content: 0, columns: COLUMNS }]));
        }
        match self.reader.next().await? {
            Some(rows) => rows.into_iter().map(|view| row(view).map(Piece::Row)).collect::<Result<_, _>>().map(Some),
            None => Ok(None),
        }
    }
}

fn row(view: TransactionView) -> Result<Row, Problem> {
    let record = record(&view)?;
    let occurred_at = view.occurred_at.to_rfc3339();
    let spent = view.kind == crate::transactions::Kind::Expense;
    let amount = if spent { format!("-{}", view.amount) } else { view.amount };
    let money = Money {
        month: occurred_at.get(..7).unwrap_or_default().to_owned(),
        category: view.category.clone(),
        currency: view.currency.clone(),
        decimals: Currency::parse(&view.currency).and_then(|currency| u8::try_from(currency.digits()).ok()).unwrap_or(0),
        minor: amount.replace('.', "").parse().map_err(Problem::internal)?,
    };
    let cells = vec![
        Cell::Text(view.id.to_string()),
        Cell::Text(occurred_at),
        Cell::Text(view.description),
        Cell::text(view.category),
        Cell::Text(view.kind.as_str().to_owned()),
        Cell::Text(view.currency),
        Cell::Number(amount),
        Cell::text(view.metadata.map(|metadata| Json::Object(metadata).to_string())),
        Cell::Number(view.version.to_string()),
        Cell::Text(view.created_at.to_rfc3339()),
        Cell::Text(view.updated_at.to_rfc3339()),
        Cell::text(view.deleted_at.map(|at| at.to_rfc3339())),
    ];
    // What was deleted is shown where it is asked for, and adds to nothing.
    let money = view.deleted_at.is_none().then_some(money);
    Ok(Row { record, cells, money })
}

impl Source for Ledger {
    fn head(&self) -> &Head {
        &self.head
    }

    fn expected(&self) -> Option<u64> {
        self.expected
    }

    fn count(&mut self, most: u64) -> Counting<'_> {
        Box::pin(async move {
            if self.expected.is_none() {
                self.expected = Some(self.reader.count(most).await?);
            }
            Ok(())
        })
    }

    fn next(&mut self) -> NextPieces<'_> {
        Box::pin(self.page())
    }
}
