use super::*;

#[test]
fn an_own_answer_is_whole() {
    let mut out = Vec::new();
    write_own(&mut out, 404, None, true, false, &[("Date", "now")]);
    let wanted = "HTTP/1.1 404 Not Found\r\nDate: now\r\nContent-Type: text/plain; charset=utf-8\r\n\
                  Content-Length: 14\r\nConnection: keep-alive\r\n\r\n404 Not Found\n";
    assert_eq!(String::from_utf8(out).unwrap(), wanted);

    let page =
        ErrorPage { status: 502, content_type: "text/html".into(), body: b"<p>".as_slice().into() };
    let mut out = Vec::new();
    write_own(&mut out, 502, Some(&page), false, true, &[]);
    let wanted = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\
                  Connection: close\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
}
