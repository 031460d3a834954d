//! What stands in the tables, for tests that look behind the answers.

use keystead::db::{Row, Sql, Value};
use uuid::Uuid;

use super::server::Instance;

/// One row of the audit trail.
#[derive(Clone, Debug)]
pub struct Event {
    /// The event.
    pub id: Uuid,
    /// The act.
    pub action: String,
    /// Kind of actor.
    pub actor_type: String,
    /// Who acted.
    pub actor: Option<Uuid>,
    /// Kind of target.
    pub target_type: String,
    /// What was acted on.
    pub target: Option<Uuid>,
    /// `success` or `denied`.
    pub outcome: String,
    /// Whose key sealed the origin.
    pub sealed_for: Option<Uuid>,
    /// The sealed origin.
    pub origin: Option<Vec<u8>>,
    /// The request it happened in.
    pub request_id: Option<String>,
    /// The details as JSON.
    pub details: String,
}

impl Instance {
    /// The rows of a statement that reads the same on both engines.
    pub async fn rows(&self, sql: &'static str, args: Vec<Value>) -> Vec<Row> {
        let sql = Sql { sqlite: sql, postgres: sql };
        self.running.app.ground.db.query(sql, args).await.unwrap_or_else(|error| panic!("{}: {error}", sql.sqlite))
    }

    /// The number that `SELECT count(*) …` answers.
    pub async fn count(&self, sql: &'static str, args: Vec<Value>) -> i64 {
        self.rows(sql, args).await.first().expect("a count").get(0).expect("a number")
    }

    /// Changes a table behind the server's back; how many rows.
    pub async fn change(&self, sql: &'static str, args: Vec<Value>) -> u64 {
        let sql = Sql { sqlite: sql, postgres: sql };
        self.running.app.ground.db.write_one(sql, args).await.unwrap_or_else(|error| panic!("{}: {error}", sql.sqlite)).1
    }

    /// The audit trail, oldest first.
    pub async fn events(&self) -> Vec<Event> {
        let sql = "SELECT id, action, actor_type, actor_id, target_type, target_id, outcome, sealed_for, origin, request_id, details
            FROM audit_events ORDER BY at, id";
        let read = |row: &Row| {
            Ok::<_, keystead::db::DbError>(Event {
                id: row.get(0)?,
                action: row.get(1)?,
                actor_type: row.get(2)?,
                actor: row.get(3)?,
                target_type: row.get(4)?,
                target: row.get(5)?,
                outcome: row.get(6)?,
                sealed_for: row.get(7)?,
                origin: row.get(8)?,
                request_id: row.get(9)?,
                details: row.get(10)?,
            })
        };
        self.rows(sql, Vec::new()).await.iter().map(|row| read(row).expect("an event")).collect()
    }

    /// Passwords hashed and verified by this instance so far, pretended ones included.
    pub fn hashed(&self) -> u64 {
        self.running.app.ground.password_pool.stats().hashed
    }

    /// The sum of a counter's lines in the metrics that contain all of `labels`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.ops().get("/metrics").await.expect(200).text;
        let lines = text.lines().filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}
