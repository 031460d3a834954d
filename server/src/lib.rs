//! Keystead: the production-ready home for an application's accounts, sessions and keys.
//!
//! Start reading in [`app`]: it is the table of contents. The floor (`config`, `db`, `secret`,
//! `shared`, `http`, `jobs`, `mail`, `telemetry`, `time`, `error`, bundled in [`ground`]) knows no
//! feature; the slices (`sessions`, `accounts`, `passwords`, …) each hold their routes, their
//! decisions and their SQL.

pub mod access;
pub mod accounts;
pub mod admin;
pub mod app;
pub mod audit;
pub mod cli;
pub mod codes;
pub mod config;
pub mod db;
pub mod dev;
pub mod error;
pub mod exports;
pub mod flags;
pub mod ground;
pub mod http;
pub mod idempotency;
pub mod jobs;
pub mod mail;
pub mod oauth;
pub mod passwords;
pub mod presence;
pub mod privacy;
pub mod quotas;
pub mod roles;
pub mod secret;
pub mod sessions;
pub mod shared;
pub mod spreadsheet;
pub mod telemetry;
pub mod time;
pub mod tokens;
pub mod transactions;
pub mod transcripts;
pub mod voice;
