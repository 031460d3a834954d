//! Everything that is held about a person: the list of [`crate::app::holdings`], walked.

use serde::Deserialize;
use serde_json::Value as Json;

use super::source::{Commission, Content, Format, Head, Kind, Needs, NextPieces, Opening, Owner, Piece, Row, Source, filter};
use crate::app::{App, holdings};
use crate::error::{Code, Problem};
use crate::privacy::{Asked, Holding, Records};

/// Everything that is held about a person.
pub const ACCOUNT: Kind = Kind { name: "account", formats: &[Format::Json, Format::Pdf], needs: Needs::Person, check, open };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn check(given: &Json) -> Result<(), Problem> {
    filter::<Nothing>(given).map(|Nothing {}| ())
}

fn open<'a>(app: &'a App, commission: &'a Commission) -> Opening<'a> {
    Box::pin(async move {
        let holdings = holdings();
        let head = Head {
            title: "Your personal data".to_owned(),
            owner: owner(app, commission).await?,
            created_at: commission.now,
            period: None,
            narrowed: Vec::new(),
            contents: holdings.iter().map(|holding| content(app, holding)).collect(),
        };
        let asked = Asked { person: commission.person, key: commission.key.clone(), after: None, now: commission.now };
        Ok(Box::new(Account { app: app.clone(), head, holdings, at: 0, begun: false, asked }) as Box<dyn Source>)
    })
}

/// Whose an export is.
///
/// # Errors
/// They were erased meanwhile.
pub async fn owner(app: &App, commission: &Commission) -> Result<Owner, Problem> {
    let person = app.people.view(commission.person).await?.ok_or(Code::Gone)?;
    Ok(Owner { id: commission.person, name: person.name.clone(), email: person.email.clone() })
}

fn content(app: &App, holding: &Holding) -> Content {
    let kept = holding.kept.in_words(&app.ground.settings.privacy.retention);
    let withheld = match holding.records {
        Records::Exported(_) => None,
        Records::Withheld(why) => Some(why.to_owned()),
    };
    let about = format!("{} Kept {kept}.", holding.about);
    Content { name: holding.name.to_owned(), title: holding.title.to_owned(), about, withheld }
}

struct Account {
    app: App,
    head: Head,
    holdings: Vec<Holding>,
    at: usize,
    begun: bool,
    asked: Asked,
}

impl Account {
    async fn page(&mut self) -> Result<Option<Vec<Piece>>, Problem> {
        while let Some(holding) = self.holdings.get(self.at) {
            let Records::Exported(reader) = holding.records else {
                self.at += 1;
                continue;
            };
            let page = reader(&self.app, &self.asked).await?;
            let begins = (!self.begun).then_some(Piece::Part { content: self.at, columns: &[] });
            let rows = page.records.into_iter().map(|record| Piece::Row(Row { record, cells: Vec::new(), money: None }));
            let pieces = begins.into_iter().chain(rows).collect();
            self.begun = page.next.is_some();
            self.at += usize::from(page.next.is_none());
            self.asked.after = page.next;
            return Ok(Some(pieces));
        }
        Ok(None)
    }
}

impl Source for Account {
    fn head(&self) -> &Head {
        &self.head
    }

    fn expected(&self) -> Option<u64> {
        None
    }

    fn next(&mut self) -> NextPieces<'_> {
        Box::pin(self.page())
    }
}
