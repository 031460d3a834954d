//! The forms of `REDIS_URL`, each against the real thing.

use std::time::Duration;

use keystead::shared::{Health, Shared};

use super::server::Server;
use super::{budget, clock, connected, news, unique, until};

async fn complaint(url: &str) -> String {
    match Shared::redis(url, clock(), news()).await {
        Ok(_) => panic!("{url} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn an_unusable_url_is_explained_without_its_password() {
    for url in [
        "localhost:6379",
        "http://user:hunter2@localhost",
        "redis://user:hunter2@localhost/notanumber",
        "redis://user:hunter2@",
        "rediss://user:hunter2@localhost/#insecure",
        "redis-cluster://user:hunter2@one,two/3",
        "redis-cluster://",
        "redis-sentinel://user:hunter2@one,two",
        "redis-sentinel://user:hunter2@one,two/main/db",
        "redis-sentinel://user:hunter2@one,two/main?password=hunter2",
    ] {
        let said = complaint(url).await;
        assert!(said.starts_with("REDIS_URL is not usable: "), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// Everything that is sent to Redis, once.
async fn everything_works(one: &Shared, two: &Shared) {
    until("both are subscribed", || one.heard_at().as_micros() > 0 && two.heard_at().as_micros() > 0).await;
    let mut there = two.subscribe();
    for _ in 0..20 {
        let key = unique();
        let three = budget(3, Duration::from_secs(60));
        for left in [2, 1, 0] {
            let decision = [one, two][left % 2].take("topology", key.as_bytes(), three, 1, clock().now()).await;
            assert_eq!(decision.remaining as usize, left);
        }
        one.put(&key, b"value".to_vec(), Duration::from_secs(60)).await;
        assert!(two.get(&key).await.is_some());
        assert!(two.take_value(&key).await.is_some());
        assert!(one.take_value(&key).await.is_none());
        assert!(one.lease(&key, Duration::from_secs(60)).await);
        assert!(!two.lease(&key, Duration::from_secs(60)).await);
        one.publish("sessions", key.clone().into_bytes());
        let heard = tokio::time::timeout(Duration::from_secs(20), there.recv()).await.unwrap().unwrap();
        assert_eq!(heard.payload, key.into_bytes());
    }
    assert_eq!((one.counted_here(), two.counted_here()), (0, 0), "Redis answered every time");
}

#[tokio::test]
async fn a_single_server_with_a_password_and_a_database() {
    let server = Server::start(&["--requirepass", "s3cr/t"]).await;
    let url = format!("redis://:s3cr%2Ft@127.0.0.1:{}/5", server.port);
    everything_works(&connected(&url).await, &connected(&url).await).await;
}

#[tokio::test]
async fn a_wrong_password_is_a_lost_redis() {
    let server = Server::start(&["--requirepass", "right"]).await;
    let shared = Shared::redis(&format!("redis://:wrong@127.0.0.1:{}", server.port), clock(), news()).await.unwrap();
    assert_eq!(shared.health(), Health::Lost);
}

#[tokio::test]
async fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let _server = Server::start(&["--unixsocket", path.to_str().unwrap()]).await;
    let url = format!("redis+unix://{}", path.display());
    everything_works(&connected(&url).await, &connected(&url).await).await;
}

#[tokio::test]
async fn a_cluster_of_three() {
    let on = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
    let nodes = [Server::start(&on).await, Server::start(&on).await, Server::start(&on).await];
    for (node, slots) in nodes.iter().zip([["0", "5460"], ["5461", "10922"], ["10923", "16383"]]) {
        node.ask(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]).await;
        node.ask(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string()]).await;
    }
    // A write to every part, from every node's view, means the cluster is complete.
    for node in &nodes {
        for _ in 0..2000 {
            let redis::Value::BulkString(state) = node.ask(&["CLUSTER", "INFO"]).await else { panic!("a text") };
            let state = String::from_utf8(state).unwrap();
            if state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3") && state.contains("cluster_size:3") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    // The second instance knows other nodes than the first, one of them not there.
    let one = connected(&format!("redis-cluster://127.0.0.1:{}", nodes[0].port)).await;
    let two = connected(&format!("redis-cluster://127.0.0.1:1,127.0.0.1:{}", nodes[1].port)).await;
    everything_works(&one, &two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_named_by_sentinels_and_its_successor() {
    let mut old = Server::start(&[]).await;
    let new = Server::start(&["--replicaof", "127.0.0.1", &old.port.to_string()]).await;
    let sentinel = start_sentinel(old.port).await;
    sentinel_knows_the_replica(&sentinel).await;
    let url = format!("redis-sentinel://127.0.0.1:1,127.0.0.1:{}/main", sentinel.port);
    let (one, two) = (connected(&url).await, connected(&url).await);
    everything_works(&one, &two).await;

    old.kill();
    until("the master is missed", || one.health() == Health::Lost && two.health() == Health::Lost).await;
    until("its successor is found", || one.health() == Health::Connected && two.health() == Health::Connected).await;
    let lost_at = (one.heard_at(), two.heard_at());
    until("both are subscribed to it", || one.heard_at() > lost_at.0 && two.heard_at() > lost_at.1).await;
    assert!(one.take("sentinel", unique().as_bytes(), budget(3, Duration::from_secs(60)), 1, clock().now()).await.allowed);
    let keys = new.ask(&["KEYS", "ks:l:sentinel:*"]).await;
    assert!(matches!(keys, redis::Value::Array(keys) if keys.len() == 1));
}

async fn start_sentinel(master: u16) -> Server {
    let configuration = tempfile::NamedTempFile::new().unwrap();
    let settings = format!(
        "sentinel monitor main 127.0.0.1 {master} 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
    );
    std::fs::write(configuration.path(), settings).unwrap();
    let sentinel = Server::start(&[configuration.path().to_str().unwrap(), "--sentinel"]).await;
    // It rewrites its configuration while it runs.
    let _ = configuration.keep();
    sentinel
}

async fn sentinel_knows_the_replica(sentinel: &Server) {
    for _ in 0..2000 {
        let redis::Value::Array(replicas) = sentinel.ask(&["SENTINEL", "REPLICAS", "main"]).await else { panic!("a list") };
        if !replicas.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the sentinel never found the replica");
}
