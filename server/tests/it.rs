
#[path = "../src/http/tests.rs"]
mod http_floor;
#[path = "../src/telemetry/tests.rs"]
mod telemetry;
#[path = "../src/shared/tests.rs"]
mod shared;
