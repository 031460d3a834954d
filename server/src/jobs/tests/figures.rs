use std::time::Duration;

use keystead::jobs::JobError;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio_util::sync::CancellationToken;

use super::ground::{Engine, Ground, eventually};
use super::{NOTE, Seen, enqueue, noting};

#[test]
fn depth_age_outcomes_and_durations_are_reported() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let figures = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The recorder counts for this thread alone, so everything runs on it.
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let ground = Ground::new(Engine::Sqlite).await;
            let (jobs, seen) = (ground.jobs(), Seen::default());
            enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
            jobs.run_due(&noting(&seen, || Ok(()))).await.unwrap();
            enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
            jobs.run_due(&noting(&seen, || Err(JobError::Dead("no".into())))).await.unwrap();
            enqueue(&ground, &jobs, NOTE, ground.clock.now().plus(Duration::from_secs(60))).await;

            let stop = CancellationToken::new();
            let worker = jobs.run(noting(&seen, || Ok(())), 1, Duration::ZERO, stop.clone());
            let shown = eventually("the gauges", async || Some(figures.render()).filter(|text| text.contains("age_seconds{"))).await;
            for line in [
                "keystead_jobs_queued{kind=\"test.note\"} 1\n",
                "keystead_jobs_dead{kind=\"test.note\"} 1\n",
                "keystead_jobs_oldest_due_age_seconds{kind=\"test.note\"} 0\n",
                "keystead_jobs_finished_total{kind=\"test.note\",outcome=\"done\"} 1\n",
                "keystead_jobs_finished_total{kind=\"test.note\",outcome=\"dead\"} 1\n",
                "keystead_job_seconds_count{kind=\"test.note\"} 2\n",
            ] {
                assert!(shown.contains(line), "{line} is not in\n{shown}");
            }
            stop.cancel();
            worker.await.unwrap();
        });
    });
}
