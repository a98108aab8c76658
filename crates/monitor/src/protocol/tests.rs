use super::*;

#[test]
fn a_line_is_found_when_it_is_whole() {
    assert_eq!(frame(b""), Framing::Partial);
    assert_eq!(frame(b"ping"), Framing::Partial);
    assert_eq!(frame(b"ping\nbye\n"), Framing::Line(5));
    let long = vec![b'x'; LONGEST_LINE - 1];
    assert_eq!(frame(&long), Framing::Partial);
    assert_eq!(frame(&[long.as_slice(), b"\n"].concat()), Framing::Line(LONGEST_LINE));
    assert_eq!(frame(&[long.as_slice(), b"x\n"].concat()), Framing::TooLong);
}

#[test]
fn the_four_lines_are_understood() {
    let hello = Request::Hello { device: "pump-7", key: "s3cret" };
    let put = Request::Put { sequence: 42, time_ms: 1_763_726_400_123, body: b"{\"a\": 1}" };
    for (line, request) in [
        ("hello 1 pump-7 s3cret\n", hello),
        ("hello 1 pump-7 s3cret\r\n", hello),
        ("put 42 1763726400123 {\"a\": 1}\n", put),
        ("ping", Request::Ping),
        ("bye\n", Request::Bye),
    ] {
        assert_eq!(Request::parse(line.as_bytes()), Ok(request), "{line:?}");
    }
}

#[test]
fn what_is_no_line_is_told_why() {
    use BadLine::{Hello, Put, UnknownWord, Version};
    for (line, fault) in [
        ("", UnknownWord),
        ("GET / HTTP/1.1", UnknownWord),
        ("\u{16}\u{3}\u{1}", UnknownWord),
        ("PUT 1 2 {}", UnknownWord),
        ("ping ping", UnknownWord),
        ("hello 2 pump-7 key", Version),
        ("hello", Version),
        ("hello 1 pump-7", Hello),
        ("hello 1 pump-7 ", Hello),
        ("hello 1 pump-7 two words", Hello),
        ("hello 1 pump/7 key", Hello),
        ("hello 1 ' OR 1=1;-- key", Hello),
        ("hello 1 pümp key", Hello),
        ("put", Put),
        ("put 1", Put),
        ("put 0 1 {}", Put),
        ("put -1 1 {}", Put),
        ("put +1 1 {}", Put),
        ("put 1 1.5 {}", Put),
        ("put 9007199254740993 1 {}", Put),
        ("put 99999999999999999999 1 {}", Put),
        ("put 1  {}", Put),
    ] {
        assert_eq!(Request::parse(line.as_bytes()), Err(fault), "{line:?}");
    }
    assert_eq!(Request::parse(b"hello 1 \xff key"), Err(Hello));
}

#[test]
fn a_device_reads_what_comm_writes() {
    let mut answers = vec![Answer::Welcome { highest: 0 }, Answer::Ack(42), Answer::Pong];
    answers.extend(Refusal::ALL.iter().map(|why| Answer::Refused(7, *why)));
    answers.extend(Delay::ALL.iter().map(|why| Answer::Retry(7, 250, *why)));
    answers.extend(Closing::ALL.iter().map(|why| Answer::Closing(*why, 1000)));
    for answer in answers {
        let line = answer.to_string();
        assert!(line.ends_with('\n') && line.len() < 64, "{line:?}");
        assert_eq!(Answer::parse(&line), Some(answer), "{line:?}");
    }
    for line in ["", "ack", "ack x", "refused 1 nothing", "closing bye", "ack 1 2", "pong 1"] {
        assert_eq!(Answer::parse(line), None, "{line:?}");
    }
}
