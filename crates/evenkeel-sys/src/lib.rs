//! The edge to the operating system: the only crate that may hold `unsafe`.

mod files;
mod limits;
pub mod link;
mod listen;
mod memory;
mod network;
mod option;
mod pipe;
mod stream;

pub use files::{Folder, Found, OpenFile};
pub use limits::{cpu_time, file_limit, is_exhausted, raise_file_limit, thread_cpu_time};
pub use listen::{Listening, defer_accept, listen, outlive_address};
pub use memory::return_memory;
pub use network::{Network, ends_with_parent, leave_network, try_network};
pub use pipe::{PIPE_BYTES, Pipe, Spliced};
pub use stream::{Peeked, peek, reset_on_close, send_more, unacknowledged};
