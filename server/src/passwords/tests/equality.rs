//! A4: the same work whether or not an account exists.
//!
//! Times are not measured here; a busy machine would decide. They follow from the work, so that is compared:
//! how many passwords are hashed, and how many rows of which tables are written before the answer. What takes
//! different time for those who exist (whom to mail, what) happens in a job after the answer; the one look-up
//! that may or may not be answered from memory (a person's key at sign-in) runs beside the hash.

use keystead::db::Sql;
use serde_json::json;

use super::{FORGOT, LOGIN, OTHER, RESEND, SIGNUP};
use crate::support::{Instance, Store, both_stores, eventually};

/// What a request did: hashes, and rows of the tables that requests write.
#[derive(Debug, PartialEq, Eq)]
struct Work {
    hashed: u64,
    events: i64,
    codes: i64,
    failures: i64,
    keys: usize,
}

async fn work(instance: &Instance) -> Work {
    let ground = &instance.running.app.ground;
    Work {
        hashed: instance.hashed(),
        events: instance.count("SELECT count(*) FROM audit_events", vec![]).await,
        codes: instance.count("SELECT count(*) FROM codes", vec![]).await,
        failures: instance.count("SELECT cast(coalesce(sum(failures), 0) AS bigint) FROM login_failures", vec![]).await,
        keys: ground.keyring.orphans(keystead::time::Timestamp::from_micros(i64::MAX), None, 1000).await.unwrap().len(),
    }
}

/// The work of one request, without what jobs do afterwards: nobody works on jobs here.
async fn done(instance: &Instance, path: &str, body: serde_json::Value) -> (Work, Vec<String>) {
    let kinds = async || -> Vec<String> {
        let rows = instance.rows("SELECT kind FROM jobs ORDER BY id", vec![]).await;
        rows.iter().map(|row| row.get(0).unwrap()).collect()
    };
    let (before, jobs) = (work(instance).await, kinds().await.len());
    instance.post(path, body).await;
    let after = work(instance).await;
    let work = Work {
        hashed: after.hashed - before.hashed,
        events: after.events - before.events,
        codes: after.codes - before.codes,
        failures: after.failures - before.failures,
        keys: after.keys - before.keys,
    };
    (work, kinds().await.split_off(jobs))
}

/// From now on jobs wait for ever.
async fn park_jobs(instance: &Instance) {
    eventually("all jobs to end", async || (instance.count("SELECT count(*) FROM jobs", vec![]).await == 0).then_some(())).await;
    let park: &[Sql] = &[
        Sql {
            sqlite: "SELECT 1",
            postgres: "CREATE FUNCTION park() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.run_at = 9000000000000000000; RETURN NEW; END'",
        },
        Sql {
            sqlite: "CREATE TRIGGER park AFTER INSERT ON jobs BEGIN UPDATE jobs SET run_at = 9000000000000000000 WHERE id = NEW.id; END",
            postgres: "CREATE TRIGGER park BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION park()",
        },
    ];
    for sql in park {
        instance.running.app.ground.db.write_one(*sql, Vec::new()).await.unwrap();
    }
}

async fn requests_do_the_same_work_for_everybody(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("active@example.com").await;
    instance.registered("pending@example.com").await;
    park_jobs(&instance).await;
    let everybody = ["active@example.com", "pending@example.com", "nobody@example.com"];

    let login = |email: &str| json!({ "email": email, "password": OTHER });
    for round in 1..=6 {
        let [active, pending, nobody] = [
            done(&instance, LOGIN, login(everybody[0])).await,
            done(&instance, LOGIN, login(everybody[1])).await,
            done(&instance, LOGIN, login(everybody[2])).await,
        ];
        assert_eq!((&active, &pending), (&nobody, &nobody), "sign-in {round}");
        let expected = match round {
            1..=4 => (1, 1, Vec::new()),
            5 => (1, 2, vec!["passwords.address_locked".to_owned()]),
            _ => (0, 0, Vec::new()),
        };
        assert_eq!((nobody.0.hashed, nobody.0.events, nobody.1), expected, "sign-in {round}");
    }
    for path in [FORGOT, RESEND] {
        let mut seen = Vec::new();
        for email in everybody {
            seen.push(done(&instance, path, json!({ "email": email })).await);
        }
        assert!(seen.iter().all(|work| *work == seen[0]), "{path}: {seen:?}");
        assert_eq!((seen[0].0.hashed, seen[0].0.events, seen[0].1.len()), (0, 0, 1), "{path}");
    }
    let accepted = json!([{ "policy": "privacy", "version": "1" }]);
    let mut seen = Vec::new();
    for email in everybody {
        let body = json!({ "email": email, "name": "Ada", "password": OTHER, "acceptedPolicies": accepted });
        let (work, jobs) = done(&instance, SIGNUP, body).await;
        assert_eq!((work.hashed, work.events, work.codes, work.keys, jobs.len()), (1, 1, 1, 1, 1), "{email}");
        seen.push(work);
    }
    assert!(seen.iter().all(|work| *work == seen[0]), "{seen:?}");
}

both_stores!(requests_do_the_same_work_for_everybody);
