//! What is under way on addresses that are about to leave this node on purpose.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::Vip;
use evenkeel_core::vrrp::parting::{Parting, Verdict};
use evenkeel_sys::link::connections;

use crate::clock;

/// Between two looks: a request that ends holds the address up no longer than this, and the kernel
/// goes through a table of all connections for each.
const LOOK: Duration = Duration::from_millis(50);

/// Addresses that are about to leave.
#[derive(Debug)]
pub(crate) struct Leaving {
    vips: Vec<Arc<Vip>>,
    /// Of listeners: other programs of this machine have connections, too.
    ports: BTreeSet<u16>,
}

impl Leaving {
    pub(crate) fn new(vips: Vec<Arc<Vip>>, ports: BTreeSet<u16>) -> Self {
        Self { vips, ports }
    }

    /// Their names.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.vips.iter().map(|vip| &*vip.name).collect();
        names.join(", ")
    }

    /// How long what is under way may go on.
    pub(crate) fn drain(&self) -> Duration {
        self.vips.iter().map(|vip| vip.drain).max().unwrap_or_default()
    }

    /// Returns once the connections there are now have ended, or after `most`; how many have not.
    pub(crate) async fn finish(self, most: Duration) -> io::Result<usize> {
        let this = Arc::new(self);
        let mut parting = Parting::new(clock::since_boot() + most);
        loop {
            let looking = Arc::clone(&this);
            let open = tokio::task::spawn_blocking(move || looking.open()).await;
            let open = open.map_err(io::Error::other)??;
            match parting.look(open, clock::since_boot()) {
                Verdict::Wait => tokio::time::sleep(LOOK).await,
                Verdict::Go { cut } => return Ok(cut),
            }
        }
    }

    /// Connections of clients that have come to one of the addresses.
    fn open(&self) -> io::Result<BTreeSet<u64>> {
        let mut open = BTreeSet::new();
        for address in self.addresses() {
            let here = connections(address)?.into_iter();
            open.extend(here.filter(|it| self.ports.contains(&it.port)).map(|it| it.id));
        }
        Ok(open)
    }

    /// `None`: whatever the network has made of the address on the way here.
    fn addresses(&self) -> impl Iterator<Item = Option<IpAddr>> {
        self.vips.iter().flat_map(|vip| {
            let own: &[IpAddr] = if vip.command.is_some() { &[] } else { &vip.policy.addresses };
            let any = vip.command.as_ref().map(|_| None);
            own.iter().copied().map(Some).chain(any)
        })
    }
}
