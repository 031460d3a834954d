//! People go to another system, or to another installation of this one: the lines that an import reads, a page at a time.

use uuid::Uuid;

use super::entry::ImportLine;
use crate::accounts::store;
use crate::accounts::view::PersonView;
use crate::audit::{self, Event, Target};
use crate::error::Problem;
use crate::ground::Ground;

/// People in memory at a time.
const PAGE: usize = 500;

/// An export under way, newest account first; deleted ones are not in it.
pub struct Export {
    ground: Ground,
    passwords: bool,
    before: Option<Uuid>,
    done: bool,
}

/// The event that tells of an export.
pub fn exported(ground: &Ground, passwords: bool) -> Event {
    Event::new(ground, audit::USERS_EXPORTED, ground.clock.now()).target(Target::none("users")).detail("passwords", passwords)
}

impl Export {
    /// Puts `event` on record, and stands before the first line.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn open(ground: &Ground, passwords: bool, event: Event) -> Result<Self, Problem> {
        ground.db.write(async move |tx| audit::record(tx, &event).await).await?;
        Ok(Self { ground: ground.clone(), passwords, before: None, done: false })
    }

    /// The next lines; nothing when all are written.
    ///
    /// # Errors
    /// The store or the keyring does not answer.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        if self.done {
            return Ok(None);
        }
        let page = store::list(&self.ground.db, self.before, None, false, i64::try_from(PAGE).unwrap_or(i64::MAX)).await?;
        self.done = page.len() < PAGE;
        self.before = page.last().map(|row| row.id).or(self.before);
        let ids: Vec<Uuid> = page.iter().map(|row| row.id).collect();
        let keys = self.ground.keyring.read_many(&ids).await?;
        let mut out = Vec::new();
        for row in &page {
            // Without a key: being erased at this moment.
            let Some(key) = keys.get(&row.id) else { continue };
            let person = PersonView::open(row, key)?.body();
            serde_json::to_writer(&mut out, &ImportLine::of(row, person, self.passwords)).map_err(Problem::internal)?;
            out.push(b'\n');
        }
        Ok(Some(out))
    }
}
