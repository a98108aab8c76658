//! What a node of a virtual address needs of the system: its interface and the addresses on it,
//! packets below UDP and TCP, the connections of an address, a clock that goes on while the machine is
//! suspended.
//!
//! Sockets of packets do not block. What waits is [`Alarm::wait`], [`echo`] for its answer, and a
//! question to the kernel for what it says.

mod advert;
mod alarm;
mod ancillary;
mod connections;
mod echo;
mod frame;
mod interface;
mod neighbour;
mod netlink;
mod wiring;

pub use advert::{AdvertSocket, Arrived, MOST_PACKET_BYTES};
pub use alarm::{Alarm, Bell, boot_time, raise_priority};
pub use connections::{OpenConnection, connections};
pub use echo::echo;
pub use frame::{FrameSocket, IPV6};
pub use interface::{Change, Interface, InterfaceAddress, Interfaces, InterfacesWatch, NewAddress};
pub use neighbour::NeighbourSocket;
