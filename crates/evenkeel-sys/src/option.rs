//! Options of sockets that have no function of their own.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::ptr;

/// Sets one (setsockopt(2)), of the type that the kernel reads for it.
pub(crate) fn set<T: Copy>(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).expect("options are small");
    // SAFETY: the descriptor is open while `socket` is borrowed; pointer and length name one
    // initialised T, which the kernel only reads during the call.
    let result = unsafe {
        let descriptor = socket.as_fd().as_raw_fd();
        libc::setsockopt(descriptor, level, name, ptr::from_ref(value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
