//! The real program, from the outside.
#![expect(clippy::unwrap_used, reason = "what a test cannot do has failed it")]
#![expect(clippy::disallowed_methods, reason = "tests read clocks")]

#[path = "service/comm.rs"]
mod comm;
#[path = "service/copies.rs"]
mod copies;
#[path = "service/harness.rs"]
mod harness;
#[path = "service/losses.rs"]
mod losses;
#[path = "service/mariadb.rs"]
mod mariadb;
#[path = "service/placement.rs"]
mod placement;
#[path = "service/redis.rs"]
mod redis;
#[path = "service/web.rs"]
mod web;
