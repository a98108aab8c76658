//! Answers this node makes itself.

use std::io::Write as _;

use crate::config::ErrorPage;

/// Appends a whole answer. Its body is the error page, else one line of plain text with the status;
/// with `head_only` the body is left out. `extra` fields, such as `Location` and `Date`, are written
/// as they are: their values hold no line end.
pub fn write_own(
    out: &mut Vec<u8>,
    status: u16,
    page: Option<&ErrorPage>,
    keep_alive: bool,
    head_only: bool,
    extra: &[(&str, &str)],
) {
    let phrase = phrase(status);
    let plain;
    let (content_type, body) = if let Some(page) = page {
        (&*page.content_type, &*page.body)
    } else {
        plain = format!("{status} {phrase}\n");
        ("text/plain; charset=utf-8", plain.as_bytes())
    };
    let connection = if keep_alive { "keep-alive" } else { "close" };
    // Writing to memory does not fail.
    let _ = write!(out, "HTTP/1.1 {status} {phrase}\r\n");
    for (name, value) in extra {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    let _ = write!(
        out,
        "Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
        body.len()
    );
    if !head_only {
        out.extend_from_slice(body);
    }
}

/// Appends the answer that a gRPC client takes for a failed call: a head that says so, and nothing
/// else ("Trailers-Only" in gRPC over HTTP2). `code` is the [`grpc-status`](crate::grpc::code).
pub fn write_grpc(out: &mut Vec<u8>, status: u16, code: u8, extra: &[(&str, &str)]) {
    // Writing to memory does not fail.
    let _ = write!(out, "HTTP/1.1 200 OK\r\n");
    for (name, value) in extra {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    let _ = write!(
        out,
        "Content-Type: application/grpc\r\nContent-Length: 0\r\ngrpc-status: {code}\r\n\
         grpc-message: {status} {}\r\n\r\n",
        phrase(status)
    );
}

/// The standard's words for a status (RFC 9110 §15); empty where it has none.
pub const fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
