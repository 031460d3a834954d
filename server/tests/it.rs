<<<<<<< HEAD
<<<<<<< HEAD
<<<<<<< HEAD
//! All tests of the crate, in one binary outside of it. A feature's tests stand in its folder and are compiled here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../src/jobs/tests.rs"]
mod jobs;
#[path = "../src/mail/tests.rs"]
mod mail;
=======
//! The one integration-test binary of Keystead.
//!
//! The tests of a part stand beside its code, in `src/<part>/tests.rs`, and use nothing but the public API of the
//! crate and the harness in `support/`. They are compiled here, outside the crate: after an edit of a test only
//! this binary is built again, and the `#[path]` lines below are the table of contents of what is tested.
//! How to run and write tests: `docs/testing.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod house;
>>>>>>> 997937c
=======
#[path = "../src/secret/tests.rs"]
mod secret;
>>>>>>> part-secret
=======
#[path = "../src/shared/tests.rs"]
mod shared;
>>>>>>> part-shared
