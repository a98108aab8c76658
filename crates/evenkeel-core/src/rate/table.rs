//! The keys of a limit, over all workers.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::{Grant, Rate, nanos};
use crate::hash::{Seed, reduce};
use crate::moment::Moment;

/// Locks of a limit. Each is held for the look at one set; two workers on different keys meet once
/// in 64 times.
const SHARDS: usize = 64;
/// Sets of a shard: with the others 65,536 keys, in one mebibyte.
const SETS: usize = 64;
/// Places where a key may stand: four cache lines.
const WAYS: usize = 16;

/// How much of an address is one client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Bits of an IPv4 address; default all.
    pub v4: u8,
    /// Bits of an IPv6 address. Default 64: what one line or one host is given.
    pub v6: u8,
}

impl Default for Shares {
    fn default() -> Self {
        Self { v4: 32, v6: 64 }
    }
}

impl Shares {
    /// The network of `address` that counts as one client, in 17 bytes that no other one has.
    pub fn of(self, address: IpAddr) -> [u8; 17] {
        let (family, whole, bits) = match address.to_canonical() {
            IpAddr::V4(v4) => (4, u128::from(v4.to_bits()) << 96, self.v4),
            IpAddr::V6(v6) => (6, v6.to_bits(), self.v6),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
        let mut key = [family; 17];
        key[1..].copy_from_slice(&(whole & mask).to_be_bytes());
        key
    }
}

/// What the keys of one limit owe. Its memory is bounded: where there is no place, the key that owes
/// least is forgotten.
///
/// That cannot be used to be forgotten: who has reached a limit owes most, and goes only after
/// sixteen others, at a place nobody can foretell, have been made to owe as much.
#[derive(Debug)]
pub struct Limiter {
    seed: Seed,
    shards: Box<[Mutex<Shard>]>,
}

/// Sets of places, each with a key's hash and the moment by which it has paid (see [`Rate::ask`]).
/// A place whose moment is past is free: to forget it loses nothing.
#[derive(Debug)]
struct Shard(Vec<(u64, u64)>);

impl Limiter {
    /// Nobody owes anything. `seed` must not be known outside.
    pub fn new(seed: Seed) -> Self {
        // Zeroed pages come from the system when they are first touched.
        let shard = || Mutex::new(Shard(vec![(0, 0); SETS * WAYS]));
        Self { seed, shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Asks for one request of `key` at `rate`.
    pub fn ask(&self, key: &[u8], rate: &Rate, now: Moment) -> Grant {
        let hash = self.seed.hash(key);
        let shard = &self.shards[reduce(hash, SHARDS)];
        // A number is valid after each step: a panic elsewhere harms nothing.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.ask(hash, rate, nanos(now))
    }
}

impl Shard {
    fn ask(&mut self, hash: u64, rate: &Rate, now: u64) -> Grant {
        // The shard is from the upper half.
        let first = reduce(hash.rotate_left(32), SETS) * WAYS;
        let set = &mut self.0[first..first + WAYS];
        let known = set.iter_mut().position(|(key, paid)| *key == hash && *paid > now);
        // Else the one that owes least: one that owes nothing, if there is one.
        let place = known.or_else(|| (0..WAYS).min_by_key(|&place| set[place].1));
        let (key, paid) = &mut set[place.expect("a set is not empty")];
        if *key != hash {
            (*key, *paid) = (hash, 0);
        }
        rate.ask(paid, now)
    }
}
