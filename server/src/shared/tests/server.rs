//! A Redis of the test's own, to be killed, stopped and started again.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::until;

/// A throwaway server in a throwaway folder; killed when dropped.
pub struct Server {
    pub port: u16,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self { port: free_port(), folder, arguments, child: None };
        server.again().await;
        server
    }

    /// Starts on the same port, empty.
    pub async fn again(&mut self) {
        let child = Command::new("redis-server")
            .args(&self.arguments)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is in the PATH");
        self.child = Some(child);
        until("redis-server listens", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()).await;
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL: no farewell, nothing saved.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server was running");
            child.wait().expect("the server has ended");
        }
    }

    /// It keeps its port and its connections and says nothing any more.
    pub fn hang(&self) {
        self.signal("STOP");
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("the server is running").id();
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {id}")]).status().expect("sh runs");
        assert!(sent.success());
    }

    /// Asks the server something over a connection of the test's own, until it answers without an error.
    pub async fn ask(&self, command: &[&str]) -> redis::Value {
        let client = redis::Client::open(self.url()).unwrap();
        for _ in 0..1000 {
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
                let mut ask = redis::cmd(command[0]);
                ask.arg(&command[1..]);
                if let Ok(answer) = ask.query_async(&mut connection).await {
                    return answer;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("Redis never answered {command:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    // Below 55536, because a cluster node also takes the port 10000 above.
    loop {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        if port < 55_000 {
            return port;
        }
    }
}
