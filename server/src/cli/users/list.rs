//! `keystead users list`.

use serde::Serialize;
use uuid::Uuid;

use super::List;
use crate::accounts::directory::{self, Filter};
use crate::accounts::{PersonView, Status};
use crate::app::App;
use crate::cli::output::{moment, moment_or_never};
use crate::cli::{Failure, Output};
use crate::db::DbError;
use crate::error::Problem;

/// `users list --json`, in the form of every list of the API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    items: Vec<PersonView>,
    next_cursor: Option<Uuid>,
}

impl List {
    pub(super) async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let status = self.status.as_deref().map(Status::parse).transpose().map_err(|error: DbError| Problem::from(error))?;
        let filter = Filter { query: self.query.clone(), status, deleted: self.include_deleted };
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let page = directory::list(&app.ground, &filter, self.cursor, limit).await.map_err(Problem::from)?;
        if self.json {
            output.json(&Listing { items: page.people.into_iter().map(|entry| entry.view).collect(), next_cursor: page.next });
            return Ok(());
        }
        let rows: Vec<_> = page.people.iter().map(|entry| row(&entry.view)).collect();
        output.table(&["ID", "E-MAIL", "NAME", "STATUS", "ROLES", "CREATED", "LAST ACTIVE"], &rows);
        if let Some(next) = page.next {
            output.line(format!("\nThere may be more: --cursor {next}"));
        }
        Ok(())
    }
}

fn row(person: &PersonView) -> Vec<String> {
    let user = person.body();
    vec![
        user.id.to_string(),
        user.email,
        user.name,
        user.status.as_str().to_owned(),
        user.roles.join(","),
        moment(user.created_at),
        moment_or_never(user.last_active_at),
    ]
}
