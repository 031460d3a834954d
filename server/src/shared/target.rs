//! Where Redis is: the forms of `REDIS_URL`, and how each is connected to.
//!
//! | form | meaning |
//! |---|---|
//! | `redis://[user[:password]@]host[:6379][/db]` | one server; `rediss://` speaks TLS |
//! | `redis+unix:///path/to/socket[?db=n&user=…&pass=…]` | one server on this machine |
//! | `redis-cluster://[user[:password]@]host1[:6379],host2,…` | Redis Cluster, several of its nodes; `rediss-cluster://` speaks TLS |
//! | `redis-sentinel://[user[:password]@]host1[:26379],host2,…/master-name[/db]` | the master that the sentinels name; `rediss-sentinel://` speaks TLS to all of them; `?sentinel_username=…&sentinel_password=…` when the sentinels want a password |
//!
//! Redis 6.2 or newer. Every connection is asked for anew, so a changed address, a moved node and a
//! new master are found without a restart.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult, TlsMode, Value};

use super::SharedError;

/// Commands that may wait for the socket at once before callers wait for each other.
const COMMANDS_QUEUED: usize = 1024;

/// A parsed `REDIS_URL`.
pub(super) enum Target {
    One(Client),
    Cluster { nodes: Vec<ConnectionInfo> },
    Sentinel { sentinels: Vec<ConnectionInfo>, master: String, node: SentinelNodeConnectionInfo, database: i64 },
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, SharedError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| unusable("it has no scheme such as redis://"))?;
        if url.ends_with("#insecure") {
            return Err(unusable("#insecure (TLS without checking the certificate) is not supported"));
        }
        match scheme {
            "redis" | "rediss" | "valkey" | "valkeys" | "redis+unix" | "valkey+unix" | "unix" => Ok(Self::One(client(url)?)),
            "redis-cluster" | "rediss-cluster" => parse_cluster(plain(scheme), rest),
            "redis-sentinel" | "rediss-sentinel" => parse_sentinel(plain(scheme), rest),
            _ => Err(unusable(
                "the scheme must be redis, rediss, redis+unix, redis-cluster, rediss-cluster, redis-sentinel or rediss-sentinel",
            )),
        }
    }

    /// The numbered database; a cluster has one.
    pub(super) fn database(&self) -> i64 {
        match self {
            Self::One(client) => client.get_connection_info().redis_settings().db(),
            Self::Cluster { .. } => 0,
            Self::Sentinel { database, .. } => *database,
        }
    }

    /// A fresh connection for commands.
    pub(super) async fn connect(&self, within: Duration) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(within))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(COMMANDS_QUEUED);
        match self {
            Self::One(client) => Ok(Connection::One(client.get_multiplexed_async_connection_with_config(&config).await?)),
            Self::Cluster { nodes } => Ok(Connection::Cluster(cluster(nodes, within)?.get_async_connection().await?)),
            Self::Sentinel { .. } => {
                let client = self.master().await?;
                Ok(Connection::One(client.get_multiplexed_async_connection_with_config(&config).await?))
            }
        }
    }

    /// A fresh connection for subscriptions. In a cluster any node will do: it forwards every
    /// published message to all others.
    pub(super) async fn listen(&self) -> RedisResult<PubSub> {
        match self {
            Self::One(client) => client.get_async_pubsub().await,
            Self::Sentinel { .. } => self.master().await?.get_async_pubsub().await,
            Self::Cluster { nodes } => {
                let mut outcome = Err(no_node());
                for node in nodes {
                    outcome = Client::open(node.clone())?.get_async_pubsub().await;
                    if outcome.is_ok() {
                        break;
                    }
                }
                outcome
            }
        }
    }

    async fn master(&self) -> RedisResult<Client> {
        match self {
            Self::Sentinel { sentinels, master, node, .. } => {
                let mut client = SentinelClient::build(sentinels.clone(), master, Some(node.clone()), SentinelServerType::Master)?;
                client.async_get_client().await
            }
            Self::One(client) => Ok(client.clone()),
            Self::Cluster { .. } => Err(no_node()),
        }
    }
}

/// A connection for commands; clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

fn cluster(nodes: &[ConnectionInfo], within: Duration) -> RedisResult<ClusterClient> {
    ClusterClientBuilder::new(nodes.iter().cloned())
        .connection_timeout(within)
        .response_timeout(within)
        .retries(2)
        .tcp_settings(TcpSettings::default().set_nodelay(true))
        .build()
}

fn parse_cluster(scheme: &str, rest: &str) -> Result<Target, SharedError> {
    let parts = Parts::of(rest);
    if !parts.path.trim_matches('/').is_empty() {
        return Err(unusable("a cluster has no numbered databases: leave out what follows the hosts"));
    }
    let nodes: Vec<ConnectionInfo> =
        parts.hosts.iter().map(|host| info(&format!("{scheme}://{}{host}{}", parts.user, parts.query))).collect::<Result<_, _>>()?;
    // Faults that only show over all nodes, such as different passwords.
    cluster(&nodes, Duration::from_secs(1)).map_err(|error| unusable(error.to_string()))?;
    Ok(Target::Cluster { nodes })
}

fn parse_sentinel(scheme: &str, rest: &str) -> Result<Target, SharedError> {
    let parts = Parts::of(rest);
    let mut path = parts.path.trim_matches('/').splitn(2, '/');
    let master = path.next().filter(|name| !name.is_empty());
    let master = master.ok_or_else(|| unusable("the name of the master is missing: redis-sentinel://host1,host2/master-name"))?;
    let server = info(&format!("{scheme}://{}master/{}", parts.user, path.next().unwrap_or_default()))?;
    let mut node = SentinelNodeConnectionInfo::default()
        .set_redis_connection_info(server.redis_settings().clone())
        .set_tcp_settings(server.tcp_settings().clone());
    if scheme == "rediss" {
        node = node.set_tls_mode(TlsMode::Secure);
    }
    let sentinels = parts.hosts.iter().map(|host| sentinel(scheme, host, parts.query)).collect::<Result<_, _>>()?;
    Ok(Target::Sentinel { sentinels, master: master.to_owned(), node, database: server.redis_settings().db() })
}

fn sentinel(scheme: &str, host: &str, query: &str) -> Result<ConnectionInfo, SharedError> {
    let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
    let mut url = url::Url::parse(&format!("{scheme}://{host}{}{query}", if has_port { "" } else { ":26379" }))
        .map_err(|_| unusable("the list of sentinels cannot be read"))?;
    let options: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    url.set_query(None);
    let mut at = info(url.as_str())?;
    for (name, value) in options {
        let settings = at.redis_settings().clone();
        at = match name.as_str() {
            "sentinel_username" => at.set_redis_settings(settings.set_username(value)),
            "sentinel_password" => at.set_redis_settings(settings.set_password(value)),
            _ => return Err(unusable("after the ? only sentinel_username and sentinel_password are understood")),
        };
    }
    Ok(at)
}

/// The pieces of a URL with several hosts, which is not a URL to the standard.
struct Parts<'a> {
    /// With its `@`, or empty.
    user: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
    /// With its `?`, or empty.
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Self {
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (user, rest) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
        let (hosts, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self { user, hosts: hosts.split(',').map(str::trim).collect(), path, query }
    }
}

fn plain(scheme: &str) -> &'static str {
    if scheme.starts_with("rediss") { "rediss" } else { "redis" }
}

fn client(url: &str) -> Result<Client, SharedError> {
    Client::open(info(url)?).map_err(|error| unusable(error.to_string()))
}

/// Small commands wait for nobody: without `TCP_NODELAY` they would wait for each other's acknowledgement.
fn info(url: &str) -> Result<ConnectionInfo, SharedError> {
    let info = url.into_connection_info().map_err(|error| unusable(error.to_string()))?;
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn no_node() -> redis::RedisError {
    (redis::ErrorKind::InvalidClientConfig, "no node of the cluster can be reached").into()
}

fn unusable(why: impl Into<String>) -> SharedError {
    SharedError::Url(why.into())
}
