//! Which connections the kernel holds (`sock_diag(7)`): also what is written, closed and not yet with
//! the client, which the program that wrote it cannot see any more.

use std::io;
use std::net::IpAddr;

use rustix::net::netlink;

use super::interface::family;
use super::netlink::{ALL, Message, Netlink, Request};

/// `SOCK_DIAG_BY_FAMILY`
const BY_FAMILY: u16 = 20;
/// `INET_DIAG_REQ_BYTECODE`: which sockets are wanted.
const CONDITION: u16 = 1;
/// `INET_DIAG_BC_S_COND`: the address and port of this side are these.
const LOCAL_IS: u8 = 7;
/// `struct inet_diag_bc_op`
const OPERATION_BYTES: u8 = 4;
const TCP: u8 = 6;

/// Established, FIN-WAIT-1, CLOSE-WAIT, LAST-ACK and CLOSING: bytes may still be on their way to the
/// client. In the other states there are none yet, or the client has all of them.
const STATES: u32 = 1 << 1 | 1 << 4 | 1 << 8 | 1 << 9 | 1 << 11;

/// A TCP connection that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenConnection {
    /// No other connection of this machine has it, or will have it.
    pub id: u64,
    /// Of this side.
    pub port: u16,
}

/// The connections of this machine's own `address`, whosever they are; `None`: of all of them.
pub fn connections(address: Option<IpAddr>) -> io::Result<Vec<OpenConnection>> {
    let mut kernel = Netlink::open_on(Some(netlink::SOCK_DIAG), 0)?;
    let mut found = Vec::new();
    let families = match address {
        Some(address) => vec![family(address)],
        None => vec![family([0; 4].into()), family([0; 16].into())],
    };
    for family in families {
        // struct inet_diag_req_v2: family, protocol, states, and a socket, which is not looked at.
        let mut body = vec![family, TCP, 0, 0];
        body.extend(STATES.to_ne_bytes());
        body.resize(body.len() + 48, 0);
        let mut request = Request::new(BY_FAMILY, ALL, &body);
        if let Some(address) = address {
            request = request.with(CONDITION, &local_is(address));
        }
        kernel.ask(request, |message| found.extend(connection(&message)))?;
    }
    Ok(found)
}

/// A program of one operation: go on behind it if the address is this, else beyond the end.
fn local_is(address: IpAddr) -> Vec<u8> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let bytes = u8::try_from(octets.len()).expect("4 or 16");
    // struct inet_diag_hostcond: family, bits of the prefix, port (-1 is any), address.
    let mut condition = vec![family(address), 8 * bytes, 0, 0];
    condition.extend((-1_i32).to_ne_bytes());
    condition.extend(octets);
    let then = OPERATION_BYTES + 8 + bytes;
    let otherwise = u16::from(then) + u16::from(OPERATION_BYTES);
    let mut program = vec![LOCAL_IS, then];
    program.extend(otherwise.to_ne_bytes());
    program.extend(condition);
    program
}

/// `struct inet_diag_msg`
fn connection(message: &Message<'_>) -> Option<OpenConnection> {
    let (fixed, _) = message.parts::<72>()?;
    let port = u16::from_be_bytes(*fixed.get(4..)?.first_chunk()?);
    let id = u64::from_ne_bytes(*fixed.get(44..)?.first_chunk()?);
    Some(OpenConnection { id, port })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// The connections of the listener's port, and the far ends of none.
    fn of(listener: &TcpListener, address: Option<&str>) -> Vec<u64> {
        let port = listener.local_addr().unwrap().port();
        let address = address.map(|address| address.parse().unwrap());
        let all = connections(address).unwrap().into_iter();
        all.filter(|it| it.port == port).map(|it| it.id).collect()
    }

    #[test]
    fn a_connection_is_seen_as_long_as_the_client_has_not_got_everything() {
        for address in ["127.0.0.7", "::1"] {
            let Ok(listener) = TcpListener::bind((address, 0)) else {
                eprintln!("SKIPPED: this machine has no {address}");
                continue;
            };
            assert_eq!(of(&listener, Some(address)), []);
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            let seen = of(&listener, Some(address));
            assert_eq!((seen.len(), &of(&listener, None)), (1, &seen));
            assert_eq!(of(&listener, Some("127.0.0.8")), []);
            // More than its window takes.
            server.set_nonblocking(true).unwrap();
            let many = vec![0; 65_536];
            while server.write(&many).is_ok() {}
            drop(server);
            assert_eq!(of(&listener, Some(address)), seen, "closed here, and not yet there");
            drop(client);
        }
    }
}
