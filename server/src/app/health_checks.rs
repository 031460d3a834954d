//! What readiness and the health detail look at.

use super::App;
use crate::http::health::{CheckResult, Health, Readiness};
use crate::shared;

/// The checks of one instance. Only the database decides about readiness: everything else has a way on
/// without it.
pub(super) fn of(app: &App, readiness: Readiness) -> Health {
    let (database, cache, queue, mail, tokens) = (app.clone(), app.clone(), app.clone(), app.clone(), app.clone());
    Health::builder(readiness)
        .check("database", true, move || {
            let app = database.clone();
            async move {
                match tokio::try_join!(app.ground.db.ping(), app.ground.vault.ping()) {
                    Ok(_) => CheckResult::up().detail(app.ground.db.engine()),
                    Err(error) => CheckResult::down(error.to_string()),
                }
            }
        })
        .check("cache", false, move || {
            let app = cache.clone();
            async move {
                match app.ground.shared.health() {
                    shared::Health::InProcess => CheckResult::up().detail("in this process"),
                    shared::Health::Connected => CheckResult::up().detail("redis"),
                    shared::Health::Lost => CheckResult::degraded("Redis does not answer; limits are counted locally"),
                }
            }
        })
        .check("queue", false, move || {
            let app = queue.clone();
            async move {
                match app.ground.jobs.depth().await {
                    Ok(depth) if depth.dead > 0 => CheckResult::degraded(format!("{} jobs failed for good", depth.dead)),
                    Ok(depth) => CheckResult::up().detail(format!("{} queued, {} running", depth.queued, depth.running)),
                    Err(error) => CheckResult::down(error.to_string()),
                }
            }
        })
        .check("mail", false, move || {
            let app = mail.clone();
            async move {
                let mail = app.mailer.healthy();
                if mail.healthy {
                    CheckResult::up().detail(mail.transport)
                } else {
                    CheckResult::degraded("the last delivery did not reach the mail server")
                }
            }
        })
        .check("revocation", false, move || {
            let app = tokens.clone();
            async move {
                if app.sessions.revocations().is_fresh() {
                    CheckResult::up()
                } else {
                    CheckResult::down("neither pushes nor polls have told of ended sessions lately")
                }
            }
        })
        .build()
}
