//! Stands in for voice until it lands.
mod store;
pub use store::{STATEMENTS, Standing, own_active};
