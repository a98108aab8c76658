//! The access log: rotated, sampled, sent to a syslog, and what becomes of lines nobody takes.

use std::fs;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use evenkeel_sim::balancer::file_with;
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{Process, bound, find, run};
use evenkeel_sim::scratch::Scratch;

/// Requests of a rotation: each comes to two lines of the queue's many.
const REQUESTS: usize = 200;

fn config(listen: SocketAddr, server: &Origin, log: &str) -> String {
    let format = "[access_log]\nformat = \"{method} {path} {status}\"\n";
    http(listen, &[server]) + format + log
}

/// What the node counts of its log.
fn counted(lb: &Balancer, what: &str) -> u64 {
    let count = lb.metric(&format!("evenkeel_access_log_{what}_total"), "");
    format!("{count:.0}").parse().expect("a whole number")
}

#[test]
fn a_log_that_is_moved_away_under_load_loses_no_line_and_doubles_none() {
    let server = origin("0");
    let listen = free_address();
    let mut lb = balancer(&config(listen, &server, "path = \"access.log\"\n"));
    let mut kept = client(listen);
    let moved = |number: usize| format!("access.log.{number}");
    let mut rotations = 0;
    for number in 0..REQUESTS {
        assert_eq!(kept.get(&format!("/{number}")).status, 200);
        if number % 50 == 25 {
            fs::rename(lb.file("access.log"), lb.file(&moved(rotations))).expect("it is there");
            lb.process().signal(Signal::USR1);
            wait_until("another file has its name", PATIENCE, || lb.file("access.log").exists());
            rotations += 1;
        }
    }
    drop(kept);
    let mut found = Vec::new();
    wait_until("every line is written", PATIENCE, || {
        let names = (0..rotations).map(moved).chain(["access.log".to_owned()]);
        let texts = names.map(|name| fs::read_to_string(lb.file(&name)).expect("it is there"));
        let text: String = texts.collect();
        found = text.lines().map(str::to_owned).collect();
        found.len() >= REQUESTS
    });
    let expected: Vec<String> = (0..REQUESTS).map(|number| format!("GET /{number} 200")).collect();
    assert_eq!(found, expected, "each once, in their order");
    assert_eq!(rotations, 4);
    assert_eq!(counted(&lb, "dropped"), 0);
}

#[test]
fn a_sampled_log_has_what_failed_and_what_was_slow() {
    let server = origin("0");
    let listen = free_address();
    let log = "path = \"access.log\"\nsample = \"0%\"\n[history]\nslow = \"300ms\"\n";
    let lb = balancer(&config(listen, &server, log));
    for target in ["/1", "/2?status=404", "/3?status=500", "/4", "/5?wait=400"] {
        get(listen, target);
    }
    let lines = file_with(&lb.file("access.log"), 2);
    assert_eq!(lines, ["GET /3?status=500 500", "GET /5?wait=400 200"]);
    assert_eq!(counted(&lb, "left_out"), 3);
    // All of it, without a restart.
    lb.reload(&config(listen, &server, "path = \"other.log\"\n"));
    get(listen, "/6");
    assert_eq!(file_with(&lb.file("other.log"), 1), ["GET /6 200"]);
}

#[test]
fn a_full_disk_and_a_pipe_nobody_reads_slow_nobody_down() {
    let server = origin("0");
    let listen = free_address();
    let lb = balancer(&config(listen, &server, "path = \"/dev/full\"\n"));
    let report = Load::start(Plan::rush(listen, 4, 500)).finish();
    assert!(report.is_clean(), "{report}");
    wait_until("each line is counted as lost", PATIENCE, || counted(&lb, "dropped") >= 500);
    let before = counted(&lb, "dropped");

    run(Command::new("mkfifo").arg(lb.file("pipe")));
    // A line of 16 KiB: the queue and the pipe are full long before the last one.
    let format = "{path} ".repeat(4);
    let text = config(listen, &server, "path = \"pipe\"\n");
    lb.reload(&text.replace("{method} {path} {status}", &format));
    let target = format!("/{}", "x".repeat(4_000));
    let mut kept = client(listen);
    for _ in 0..250 {
        assert_eq!(kept.get(&target).status, 200);
    }
    wait_until("what had no room is counted", PATIENCE, || counted(&lb, "dropped") > before);
    // Somebody reads again: lines come, and they are whole.
    let mut pipe = fs::File::open(lb.file("pipe")).expect("it is there");
    let mut line = vec![0; 4 * (target.len() + 1) + 1];
    pipe.read_exact(&mut line).expect("lines");
    assert_eq!(line, format!("{}\n", format!("{target} ").repeat(4)).into_bytes());
}

#[test]
fn a_stdout_nobody_reads_slows_nobody_down() {
    let server = origin("0");
    let listen = free_address();
    // The end that is read is held here, and nobody reads from it.
    let (_reader, writer) = std::io::pipe().expect("descriptors left");
    let text =
        config(listen, &server, "").replace("{method} {path} {status}", "{path}{path}{path}");
    let start = Start::with(&text).stdout(Stdio::from(writer));
    let lb = start.start();
    let target = format!("/{}", "x".repeat(4_000));
    let mut kept = client(listen);
    for _ in 0..250 {
        assert_eq!(kept.get(&target).status, 200);
    }
    wait_until("lines are counted as lost", PATIENCE, || counted(&lb, "dropped") > 0);
}

/// A message without its priority, version and time, which is checked.
#[track_caller]
fn message(text: &str) -> &str {
    let rest = text.strip_prefix("<134>1 ").unwrap_or_else(|| panic!("a header: {text}"));
    let (time, rest) = rest.split_once(' ').expect("a time");
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    rest
}

fn expected(lb: &mut Balancer, line: &str) -> String {
    format!("lb0 evenkeel {} access - {line}", lb.process().pid())
}

#[test]
fn lines_are_messages_of_syslog_to_a_socket_and_a_receiver_is_found_again() {
    let scratch = Scratch::new("syslog");
    let socket = scratch.file("log");
    let server = origin("0");
    let listen = free_address();
    let to = socket.display();
    let log = format!("syslog = {{ to = \"{to}\", rfc = 5424 }}\n[node]\nname = \"lb0\"\n");
    // Nobody is there yet.
    let mut lb = balancer(&config(listen, &server, &log));
    get(listen, "/lost");
    wait_until("it is counted as lost", PATIENCE, || counted(&lb, "dropped") >= 1);
    for round in 0..2 {
        let receiver = UnixDatagram::bind(&socket).expect("the name is free");
        receiver.set_read_timeout(Some(PATIENCE)).expect("more than zero");
        let target = format!("/{round}");
        get(listen, &target);
        let mut bytes = [0; 1024];
        let length = receiver.recv(&mut bytes).expect("a message");
        let text = String::from_utf8_lossy(&bytes[..length]);
        assert_eq!(message(&text), expected(&mut lb, &format!("GET {target} 200")));
        drop(receiver);
        fs::remove_file(&socket).expect("it is there");
    }
}

#[test]
fn lines_are_messages_of_syslog_over_udp() {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    receiver.set_read_timeout(Some(PATIENCE)).expect("more than zero");
    let at = receiver.local_addr().expect("bound");
    let server = origin("0");
    let listen = free_address();
    let log = format!("syslog = \"udp:{at}\"\n[node]\nname = \"lb0\"\n");
    let mut lb = balancer(&config(listen, &server, &log));
    get(listen, "/");
    let mut bytes = [0; 1024];
    let length = receiver.recv(&mut bytes).expect("a message");
    let text = String::from_utf8_lossy(&bytes[..length]);
    assert_eq!(message(&text), expected(&mut lb, "GET / 200"));
}

/// A message after its length (RFC 6587 §3.4.1).
#[track_caller]
fn framed(stream: &mut TcpStream) -> String {
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a length");
        match byte[0] {
            b' ' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).expect("a message");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn lines_are_messages_of_syslog_over_tcp_and_a_receiver_is_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("bound");
    let server = origin("0");
    let listen = free_address();
    let log = format!("syslog = {{ to = \"tcp:{at}\" }}\n[node]\nname = \"lb0\"\n");
    let mut lb = balancer(&config(listen, &server, &log));
    for round in 0..3 {
        let target = format!("/{round}");
        get(listen, &target);
        let (mut stream, _) = listener.accept().expect("it connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("more than zero");
        let text = framed(&mut stream);
        assert_eq!(message(&text), expected(&mut lb, &format!("GET {target} 200")));
        // It goes, and the next line finds another one.
        drop(stream);
    }
    assert_eq!(counted(&lb, "dropped"), 0);
}

/// A syslog receiver that is not ours, and the file it writes; it ends with this value.
struct Rsyslog {
    _process: Process,
    scratch: Scratch,
}

impl Rsyslog {
    fn start(program: &Path, udp: SocketAddr, tcp: SocketAddr) -> Self {
        let scratch = Scratch::new("rsyslog");
        let folder = scratch.path().display().to_string();
        scratch.write(
            "rsyslog.conf",
            format!(
                "global(workDirectory=\"{folder}\")\n\
                 module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
                 module(load=\"imudp\")\nmodule(load=\"imtcp\")\n\
                 input(type=\"imuxsock\" Socket=\"{folder}/log\")\n\
                 input(type=\"imuxsock\" Socket=\"{folder}/log.5424\" UseSpecialParser=\"off\" \
                 ParseHostname=\"on\")\n\
                 input(type=\"imudp\" address=\"{}\" port=\"{}\")\n\
                 input(type=\"imtcp\" address=\"{}\" port=\"{}\")\n\
                 template(name=\"parts\" type=\"string\" string=\"%syslogfacility-text% \
                 %syslogseverity-text% %protocol-version% %hostname% %app-name% %msgid%|%msg%\\n\")\n\
                 action(type=\"omfile\" file=\"{folder}/out\" template=\"parts\")\n",
                udp.ip(),
                udp.port(),
                tcp.ip(),
                tcp.port()
            ),
        );
        let mut command = bound(&program.to_path_buf());
        command.arg("-n").arg("-f").arg(scratch.file("rsyslog.conf"));
        command.arg("-i").arg(scratch.file("pid"));
        Self { _process: Process::start("rsyslogd", command), scratch }
    }
}

#[test]
fn rsyslog_takes_lines_on_all_ways() {
    let program = skip_unless!(find("rsyslogd"), "rsyslogd (rsyslog) is not installed");
    let [udp, tcp] = [free_address(), free_address()];
    let rsyslog = Rsyslog::start(&program, udp, tcp);
    let socket = rsyslog.scratch.file("log");
    wait_until("rsyslogd listens", PATIENCE, || socket.exists() && TcpStream::connect(tcp).is_ok());
    let server = origin("0");
    let listen = free_address();
    let text = |to: &str, rfc: &str| {
        let log = format!(
            "syslog = {{ to = \"{to}\", facility = \"local3\", tag = \"front\"{rfc} }}\n\
             [node]\nname = \"lb0\"\n"
        );
        config(listen, &server, &log)
    };
    // At a socket it expects what the C library writes, with nothing said of the machine, unless
    // its configuration says otherwise.
    let whole = "local3 info 1 lb0 front access|";
    let ways = [
        (socket.display().to_string(), "", ("local3 info 0 ", " front -| ")),
        (format!("{}.5424", socket.display()), ", rfc = 5424", (whole, "")),
        (format!("udp:{udp}"), "", (whole, "")),
        (format!("tcp:{tcp}"), "", (whole, "")),
        (format!("tcp:{tcp}"), ", rfc = 3164", ("local3 info 0 lb0 front -| ", "")),
    ];
    let lb = balancer(&text(&ways[0].0, ""));
    for (number, (way, rfc, (start, middle))) in ways.iter().enumerate() {
        lb.reload(&text(way, rfc));
        get(listen, &format!("/{number}"));
        let lines = file_with(&rsyslog.scratch.file("out"), number + 1);
        let line = &lines[number];
        let end = format!("{middle}GET /{number} 200");
        assert!(line.starts_with(start) && line.ends_with(&end), "{way}{rfc}: {line}");
    }
}
