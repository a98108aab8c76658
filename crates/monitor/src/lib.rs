//! A small monitoring service: devices send readings over TCP, which are checked and stored in a
//! sharded database; people look at them over HTTPS. It knows nothing of what balances it.
//!
//! What is decided without a socket stands in modules of its own: [`protocol`] and
//! [`conversation`] (what a device may say), [`reading`] (what a record holds), [`placement`]
//! (which shard a device gets), [`rate`],
//! [`alarm`], [`attempts`] (who may try a password), [`ring`] (which node has a session).
#![forbid(unsafe_code)]

pub mod alarm;
pub mod attempts;
mod cache;
pub mod cli;
mod clock;
mod comm;
pub mod conversation;
mod descriptors;
mod device;
mod health;
mod http;
mod key;
mod listen;
mod metrics;
mod password;
pub mod placement;
pub mod protocol;
pub mod rate;
pub mod reading;
pub mod ring;
mod settings;
mod store;
mod tasks;
mod web;
