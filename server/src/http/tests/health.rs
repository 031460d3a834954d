use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keystead::http::health::{ops_routes, public_routes};
use keystead::http::{CheckResult, Health, Readiness, Status};

use super::{Bench, json};

fn health(readiness: &Readiness, database: CheckResult, mail: CheckResult) -> Health {
    Health::builder(readiness.clone())
        .check("database", true, move || std::future::ready(database.clone()))
        .check("mail", false, move || std::future::ready(mail.clone()))
        .build()
}

#[tokio::test]
async fn ready_follows_the_life_of_the_instance() {
    let readiness = Readiness::starting();
    let bench = Bench::new(public_routes(health(&readiness, CheckResult::up(), CheckResult::up())));
    assert_eq!(bench.get("/health/ready").await.status(), 503);
    assert_eq!(bench.get("/health/live").await.status(), 200);
    readiness.ready();
    assert_eq!(bench.get("/health/ready").await.status(), 200);
    readiness.drain();
    readiness.ready();
    assert_eq!(bench.get("/health/ready").await.status(), 503, "there is no way back from draining");
    assert_eq!(bench.get("/health/live").await.status(), 200, "a draining instance must not be killed");
}

#[tokio::test]
async fn only_required_parts_decide() {
    let readiness = Readiness::starting();
    readiness.ready();
    let cases = [
        (CheckResult::up(), CheckResult::up(), Status::Up, 200),
        (CheckResult::up(), CheckResult::down("refused"), Status::Degraded, 200),
        (CheckResult::degraded("replica lost"), CheckResult::up(), Status::Degraded, 200),
        (CheckResult::down("refused"), CheckResult::up(), Status::Down, 503),
    ];
    for (database, mail, expected, status) in cases {
        let health = health(&readiness, database, mail);
        assert_eq!(health.report().await.status, expected);
        assert_eq!(health.is_ready().await, expected != Status::Down);
        assert_eq!(Bench::new(public_routes(health)).get("/health").await.status(), status);
    }
}

#[tokio::test]
async fn the_public_learns_nothing_but_the_status() {
    let readiness = Readiness::starting();
    readiness.ready();
    let health = health(&readiness, CheckResult::up().detail("sqlite"), CheckResult::degraded("queue is long"));
    let public = json(Bench::new(public_routes(health.clone())).get("/health").await).await;
    assert_eq!(public, serde_json::json!({"status": "degraded"}));
    let detail = json(Bench::new(ops_routes(health)).get("/health").await).await;
    assert_eq!(detail["checks"]["database"]["detail"], "sqlite");
    assert_eq!(detail["checks"]["mail"]["status"], "degraded");
    assert!(detail["checks"]["mail"]["latencyMs"].is_number());
    assert_eq!(detail["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn a_flood_of_probes_asks_once() {
    let readiness = Readiness::starting();
    readiness.ready();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let probe = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(CheckResult::up())
    };
    let health = Health::builder(readiness).check("database", true, probe).build();
    for _ in 0..100 {
        assert!(health.is_ready().await);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
