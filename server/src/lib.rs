//! Keystead: the production-ready home for an application's accounts, sessions and keys.
//!
//! Start reading in [`app`]: it is the table of contents. The floor (`config`, `db`, `secret`,
//! `shared`, `http`, `jobs`, `mail`, `telemetry`, `time`, `error`) knows no feature; the slices
//! (`sessions`, `accounts`, `passwords`, …) each hold their routes, their decisions and their SQL.

pub mod cli;
pub mod config;
pub mod db;
pub mod error;
pub mod http;
pub mod jobs;
pub mod mail;
pub mod secret;
pub mod shared;
pub mod telemetry;
pub mod time;
