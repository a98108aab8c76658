//! What every test uses.

pub use crate::address::free_address;
pub use crate::balancer::{Balancer, QUICK_CHECK, Start, balancer, http, tcp, two_workers};
pub use crate::client::{Answer, Client, client, get};
pub use crate::clock::{PATIENCE, wait_until};
pub use crate::http1::Broken;
pub use crate::load::{Load, Plan};
pub use crate::origin::{Mode, Origin, Then, origin, origins, remote_origin, servers};
pub use crate::process::Signal;
pub use crate::skip_unless;
pub use crate::stream::stream_origin;

/// The value of an `Option`; where there is none the test says why and returns.
#[macro_export]
macro_rules! skip_unless {
    ($option:expr, $why:expr) => {
        match $option {
            Some(value) => value,
            None => {
                eprintln!("SKIPPED: {}", $why);
                return;
            }
        }
    };
}
