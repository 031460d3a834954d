//! LiveKit's own verifier reads the join tokens, and a real coturn takes the credentials.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::{reachable, run};
use crate::oauth::{admin, service};
use crate::support::{Instance, Store, both_stores, eventually};
use crate::voice::{API_KEY, API_SECRET, SESSIONS, TURN_SECRET, opened, with_livekit};

async fn sdk_of_livekit(store: Store) {
    let livekit = [("URL", "wss://livekit.example.com"), ("API_KEY", API_KEY), ("API_SECRET", API_SECRET)];
    let with = |builder: crate::support::Builder| {
        livekit.iter().fold(builder, |builder, (name, value)| builder.set(&format!("KEYSTEAD_VOICE__LIVEKIT_{name}"), value))
    };
    let instance = with(reachable(store)).start().await;
    let other = with(Instance::builder(store).second(&instance)).set("KEYSTEAD_PUBLIC_URL", instance.base()).start().await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let service = service(&root.api, &["voice:redeem"]).await.token(&instance).await;
    let given = json!({"issuer": instance.base(), "other": other.base(), "person": ada.access_token, "userId": ada.id(),
        "service": service, "apiKey": API_KEY, "apiSecret": API_SECRET});
    run("voice.mjs", given).await;
}

both_stores!(sdk_of_livekit);

const PORT: u16 = 34_780;

/// A coturn that shares a secret with us, at an address of its own. Ended when dropped.
struct Coturn(Child);

impl Coturn {
    async fn start(host: &str, folder: &std::path::Path) -> Self {
        let log = File::create(folder.join("coturn.log")).unwrap();
        let mut command = Command::new("turnserver");
        command.args(["-n", "--use-auth-secret", "--realm=keystead", "--no-tls", "--no-dtls", "--no-cli", "--allow-loopback-peers"]);
        command.args(["--log-file=stdout", "--simple-log"]).arg(format!("--static-auth-secret={TURN_SECRET}"));
        command.arg(format!("--listening-ip={host}")).arg(format!("--relay-ip={host}")).arg(format!("--listening-port={PORT}"));
        command.arg(format!("--pidfile={}", folder.join("coturn.pid").display())).current_dir(folder);
        let spawned = command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn();
        let coturn = Self(spawned.unwrap_or_else(|error| panic!("turnserver: {error}; `make test-deps` installs coturn")));
        // A binding request (RFC 8489 section 5) is answered as soon as it listens.
        let socket = UdpSocket::bind((host, 0)).await.unwrap();
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        eventually("coturn to listen", async || {
            socket.send_to(&request, (host, PORT)).await.ok()?;
            let mut answer = [0; 256];
            tokio::time::timeout(Duration::from_millis(100), socket.recv(&mut answer)).await.ok()?.ok()
        })
        .await;
        coturn
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Allocates a relay with these credentials and sends something through it; what the client said, when it could not.
async fn relays(host: &str, username: &str, credential: &str) -> Result<(), String> {
    let port = PORT.to_string();
    let arguments = ["-y", "-c", "-n", "1", "-m", "1", "-p", &port, "-u", username, "-w", credential, host].map(str::to_owned);
    let client = move || Command::new("turnutils_uclient").args(arguments).stdin(Stdio::null()).output();
    let output = tokio::task::spawn_blocking(client).await.unwrap().expect("`make test-deps` installs coturn");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() && said.contains("Total lost packets 0") { Ok(()) } else { Err(said) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_turn_server_takes_the_credentials() {
    let (instance, pid) = (with_livekit(Store::Sqlite), std::process::id());
    let host = format!("127.{}.{}.{}", 32 + (pid >> 16) % 32, (pid >> 8) & 255, pid & 255);
    let instance = instance
        .set("KEYSTEAD_VOICE__TURN_URLS", format!("turn:{host}:{PORT}?transport=udp"))
        .set("KEYSTEAD_VOICE__TURN_SECRET", TURN_SECRET)
        .start()
        .await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let made = ada.api.post(&format!("{SESSIONS}/{id}/token"), json!({})).await.expect(201);
    let server: &Value = &made.body["iceServers"][0];
    let (username, credential) = (server["username"].as_str().unwrap(), server["credential"].as_str().unwrap());

    let _coturn = Coturn::start(&host, instance.ground.data_dir()).await;
    relays(&host, username, credential).await.unwrap_or_else(|said| panic!("coturn refused good credentials:\n{said}"));
    // A wrong password, and a good one for a longer time, are refused.
    let (until, participant) = username.split_once(':').unwrap();
    let longer = format!("{}:{participant}", until.parse::<i64>().unwrap() + 60);
    for (name, word) in [(username, "d3Jvbmc="), (longer.as_str(), credential)] {
        let said = relays(&host, name, word).await.expect_err("coturn took a wrong credential");
        assert!(said.contains("Cannot complete Allocation"), "{said}");
    }
}
