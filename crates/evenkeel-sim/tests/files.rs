//! Files served from a folder: which are, which never are, and what of them.

use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use evenkeel_sim::clock::comes_true;
use evenkeel_sim::nginx::{NO_NGINX, nginx_files};
use evenkeel_sim::prelude::*;
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::tls::{Certificate, NO_OPENSSL};

/// Beside the root: whatever leads here has left it.
const SECRET: &str = "nobody may read this";

/// A node that serves `www` of a folder of its own.
struct Site {
    listen: SocketAddr,
    scratch: Scratch,
    lb: Balancer,
}

/// With these keys of `static` besides the root.
fn site(keys: &str) -> Site {
    let (listen, scratch) = (free_address(), Scratch::new("www"));
    fs::create_dir_all(scratch.file("www/sub")).expect("a folder of its own");
    scratch.write("secret", SECRET);
    scratch.write("www/index.html", "<p>home</p>");
    scratch.write("www/a.txt", "hello, world");
    scratch.write("www/empty.txt", "");
    scratch.write("www/sub/index.html", "<p>sub</p>");
    scratch.write("www/sub/b c.css", "b{}");
    scratch.write("www/big.bin", bytes(3_000_000));
    let config = config(listen, &scratch.file("www"), keys);
    Site { listen, scratch, lb: balancer(&config) }
}

fn config(listen: SocketAddr, root: &Path, keys: &str) -> String {
    let root = root.display();
    format!(
        r#"
[listener.front]
bind = ["{listen}"]
protocol = "http"
h2c = true
static = {{ root = "{root}", {keys} }}
[[listener.front.route]]
path = "/files/"
static = {{ root = "{root}" }}
rewrite = {{ strip_prefix = "/files" }}
response_headers = {{ set = {{ "x-from" = "files" }} }}
"#
    )
}

/// Bytes in which a place is told from those a power of two away.
fn bytes(count: usize) -> Vec<u8> {
    (0..251).cycle().take(count).collect()
}

impl Site {
    fn www(&self, name: &str) -> std::path::PathBuf {
        self.scratch.file("www").join(name)
    }

    fn ask(&self, method: &str, target: &str, fields: &str) -> Answer {
        ask(self.listen, method, target, fields)
    }
}

fn ask(address: SocketAddr, method: &str, target: &str, fields: &str) -> Answer {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n");
    client(address).send(head).answer_to(method)
}

#[test]
fn files_are_served_with_what_caches_and_browsers_need() {
    let site = site(r#"expires = { "css,js" = "72h", "html" = "no-cache" }"#);
    let file = get(site.listen, "/a.txt");
    assert_eq!((file.status, &*file.text()), (200, "hello, world"));
    assert_eq!(file.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(file.header("accept-ranges"), Some("bytes"));
    assert_eq!(file.header("cache-control"), None);
    assert!(file.header("etag").is_some_and(|tag| tag.ends_with("-c\"")), "{file:?}");
    assert!(file.header("last-modified").is_some() && file.header("date").is_some(), "{file:?}");

    assert_eq!(get(site.listen, "/").text(), "<p>home</p>");
    assert_eq!(get(site.listen, "/").header("cache-control"), Some("no-cache"));
    let css = get(site.listen, "/sub/b%20c.css");
    assert_eq!((css.status, &*css.text()), (200, "b{}"));
    assert_eq!(css.header("cache-control"), Some("max-age=259200"));
    assert!(css.header("expires").is_some());

    let folder = get(site.listen, "/sub?x=1");
    assert_eq!((folder.status, folder.header("location")), (301, Some("/sub/?x=1")));
    assert_eq!(get(site.listen, "/sub/").text(), "<p>sub</p>");

    let behind = get(site.listen, "/files/sub/");
    assert_eq!((&*behind.text(), behind.header("x-from")), ("<p>sub</p>", Some("files")));
    assert_eq!(get(site.listen, "/files/sub").header("location"), Some("/files/sub/"));
    assert_eq!(get(site.listen, "/empty.txt").header("content-length"), Some("0"));
}

#[test]
fn methods_other_than_get_and_head_are_405() {
    let site = site("");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
        let answer = site.ask(method, "/a.txt", "");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    assert_eq!(site.ask("OPTIONS", "*", "").status, 405);
    let head = site.ask("HEAD", "/a.txt", "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("12")));
    // A body nobody reads ends the connection, and is never the next request.
    let mut client = client(site.listen);
    let answer = client.post("/a.txt", b"GET /a.txt HTTP/1.1\r\n\r\n");
    assert_eq!((answer.status, answer.keeps), (405, false));
    client.expect_closed();
}

/// Puts links, devices and hidden files below the root.
fn set_snares(site: &Site) -> std::io::Result<()> {
    let secret = site.scratch.file("secret");
    symlink("../secret", site.www("out"))?;
    symlink("..", site.www("up"))?;
    symlink("/", site.www("slash"))?;
    symlink(&secret, site.www("absolute"))?;
    symlink("absolute", site.www("chain"))?;
    symlink("circle", site.www("circle"))?;
    symlink("/proc/self/root", site.www("magic"))?;
    symlink("sub/../a.txt", site.www("in"))?;
    symlink("sub", site.www("folder"))?;
    site.scratch.write("www/.htpasswd", SECRET);
    fs::create_dir(site.www(".git"))?;
    site.scratch.write("www/.git/config", SECRET);
    site.scratch.write("www/locked", SECRET);
    fs::set_permissions(site.www("locked"), fs::Permissions::from_mode(0o0))?;
    let made = Command::new("mkfifo").arg(site.www("fifo")).status()?;
    assert!(made.success(), "mkfifo");
    Ok(())
}

/// Ways out of the root, and into what is hidden or no file.
#[rustfmt::skip]
const OUTSIDE: &[&str] = &[
    "/../secret", "/%2e%2e/secret", "/.%2e/secret", "/sub/../../secret", "/..%2fsecret",
    "/..%2Fsecret", "/sub/..%2f..%2fsecret", "/%2e%2e%2fsecret", "/..%5csecret", "/..\\secret",
    "/..%c0%afsecret", "/%c0%ae%c0%ae/secret", "/%252e%252e/secret", "/..;/secret", "/....//secret",
    "/a.txt%00", "/a.txt%00.html", "/%00", "/..%00/secret", "/a.txt/", "/a.txt/..", "/a.txt/x",
    "/out", "/up/secret", "/up/", "/slash/etc/passwd", "/absolute", "/chain", "/circle",
    "/magic/etc/passwd", "/fifo", "/.htpasswd", "/.git/config", "/%2ehtpasswd", "/sub%2findex.html",
    "/./.git/config", "//../secret", "/files/../../secret", "/files/..%2fsecret",
    "/files%2f../secret", "/filessecret", "/files../secret", "/dev/null", "/none", "/none/",
    "/a.txt.br", "/sub/none",
];

#[test]
fn nothing_outside_of_the_root_is_ever_served() {
    let site = site("");
    set_snares(&site).unwrap();
    let inside = [("/in", "hello, world"), ("/folder/", "<p>sub</p>")];
    for (target, text) in inside {
        assert_eq!(get(site.listen, target).text(), text, "{target}");
    }
    let (long, deep) = (format!("/{}", "x".repeat(300)), format!("/{}", "a/".repeat(3_000)));
    let whole = site.scratch.file("secret").display().to_string();
    let more = [&*whole, &*format!("/{whole}"), &*format!("/%2f{whole}"), &*long, &*deep];
    for &target in OUTSIDE.iter().chain(&more) {
        let answer = get(site.listen, target);
        let refused = matches!(answer.status, 400 | 403 | 404 | 301);
        // `/a.txt/..` is the root's own page.
        assert!(refused || target == "/a.txt/..", "{target}: {answer:?}");
        assert!(!answer.text().contains(SECRET), "{target}: {answer:?}");
        assert!(!answer.text().contains("root:"), "{target}: {answer:?}");
    }
    // Who runs as root may read everything.
    let locked = get(site.listen, "/locked");
    assert!(matches!(locked.status, 403 | 200), "{locked:?}");
}

#[test]
fn links_and_hidden_names_as_the_file_says() {
    let site = site("symlinks = \"never\", hidden = true, index = [\"none\", \"a.txt\"]");
    symlink("a.txt", site.www("in")).unwrap();
    symlink("sub", site.www("folder")).unwrap();
    site.scratch.write("www/.shown", "shown");
    assert_eq!(get(site.listen, "/in").status, 404);
    assert_eq!(get(site.listen, "/folder/index.html").status, 404);
    assert_eq!(get(site.listen, "/.shown").text(), "shown");
    assert_eq!(get(site.listen, "/").text(), "hello, world");
    assert_eq!(get(site.listen, "/sub/").status, 404);
}

/// Fields of requests about a file of 3,000,000 bytes; `TAG` and `DATE` are its own.
const QUESTIONS: [&str; 28] = [
    "",
    "Range: bytes=0-0\r\n",
    "Range: bytes=0-99\r\n",
    "Range: bytes=100-\r\n",
    "Range: bytes=-1\r\n",
    "Range: bytes=-5000000\r\n",
    "Range: bytes=2999999-9999999\r\n",
    "Range: bytes=3000000-\r\n",
    "Range: bytes=-0\r\n",
    "Range: bytes=16380-16390\r\n",
    "Range: bytes=1000-2500000\r\n",
    "Range: bytes=0-9,20-29,3000000-\r\n",
    "Range: bytes=0-9,100000-200000,-7\r\n",
    "Range: bytes=5-6,0-1\r\n",
    "Range: lines=0-1\r\n",
    "If-None-Match: TAG\r\n",
    "If-None-Match: W/TAG\r\n",
    "If-None-Match: \"x\", TAG\r\n",
    "If-None-Match: \"x\"\r\n",
    "If-None-Match: *\r\n",
    "If-None-Match: \"x\"\r\nIf-Modified-Since: DATE\r\n",
    "If-Modified-Since: DATE\r\n",
    "If-Match: TAG\r\n",
    "If-Match: \"x\"\r\n",
    "If-Unmodified-Since: DATE\r\n",
    "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n",
    "If-Range: TAG\r\nRange: bytes=0-4\r\n",
    "If-Range: \"x\"\r\nRange: bytes=0-4\r\n",
];

#[test]
fn ranges_and_conditions_are_answered_as_nginx_answers_them() {
    let site = site("");
    let nginx = skip_unless!(nginx_files(&site.scratch.file("www")), NO_NGINX);
    let plain = site.ask("HEAD", "/big.bin", "");
    let (tag, date) = (plain.header("etag").unwrap(), plain.header("last-modified").unwrap());
    for fields in QUESTIONS {
        let fields = fields.replace("TAG", tag).replace("DATE", date);
        let ours = site.ask("GET", "/big.bin", &fields);
        let theirs = ask(nginx.address(), "GET", "/big.bin", &fields);
        assert_eq!(ours.status, theirs.status, "{fields}");
        for name in ["etag", "last-modified", "content-range"] {
            // An answer about no file needs no tag.
            if ours.status < 400 || name == "content-range" {
                assert_eq!(ours.header(name), theirs.header(name), "{name}: {fields}");
            }
        }
        if ours.status < 400 {
            assert_eq!(without_boundary(&ours), without_boundary(&theirs), "{fields}");
            assert_eq!(ours.body.size, theirs.body.size, "{fields}");
        }
        assert!(ours.keeps, "{fields}");
    }
}

/// The body with the boundary of its parts made the same.
fn without_boundary(answer: &Answer) -> String {
    let kind = answer.header("content-type").unwrap_or_default();
    let Some(boundary) = kind.strip_prefix("multipart/byteranges; boundary=") else {
        return answer.body.hash.clone();
    };
    let body: String = answer.body.bytes.iter().map(|&byte| char::from(byte)).collect();
    assert_eq!(body.matches(boundary).count(), body.matches("Content-Range").count() + 1);
    body.replace(boundary, "BOUNDARY")
}

#[test]
fn a_large_file_arrives_whole_while_others_are_served() {
    let site = site("");
    let wanted = bytes(3_000_000);
    let mut slow = client(site.listen);
    slow.send("GET /big.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    // It has not read a byte, and the node is not waiting for it.
    assert_eq!(get(site.listen, "/a.txt").text(), "hello, world");
    let head = slow.try_head().unwrap();
    assert_eq!(head.header("content-length"), Some("3000000"));
    let (body, broken) = slow.rest();
    assert!(broken.is_none() && body == wanted, "{} bytes, {broken:?}", body.len());
    // Pipelined answers stay apart.
    let mut client = client(site.listen);
    let one = "GET /big.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=1000-\r\n\r\n";
    let other = "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(format!("{one}{other}{one}{other}"));
    for _ in 0..2 {
        assert_eq!(client.answer().body.size, 2_999_000);
        assert_eq!(client.answer().text(), "hello, world");
    }
}

#[test]
fn files_go_out_in_frames_and_through_tls_too() {
    let certificate = skip_unless!(Certificate::new("site.example"), NO_OPENSSL);
    let site = site("");
    let secure = free_address();
    let config = config(site.listen, &site.scratch.file("www"), "");
    site.lb.reload(&format!(
        "{config}\n[listener.secure]\nbind = [\"{secure}\"]\nprotocol = \"https\"\n\
         static = {{ root = {root:?} }}\ncertificates = [{{ chain = {:?}, key = {:?} }}]\n",
        certificate.chain(),
        certificate.key(),
        root = site.scratch.file("www"),
    ));
    let (plain, tls) = (format!("http://{}", site.listen), format!("https://{secure}"));
    for (version, url) in
        [("--http2-prior-knowledge", &plain), ("--http2", &tls), ("--http1.1", &tls)]
    {
        let curl = |path: &str, arguments: &[&str]| {
            let mut command = Command::new("curl");
            command.args(["--silent", "--insecure", version, "--max-time", "10"]).args(arguments);
            command.arg(format!("{url}{path}")).output().ok()
        };
        let whole = skip_unless!(curl("/big.bin", &[]), "curl is not installed");
        assert!(whole.stdout == bytes(3_000_000), "{version} {url}: {}", whole.stdout.len());
        for (path, arguments, wanted) in [
            ("/a.txt", &[][..], "hello, world"),
            ("/a.txt", &["--range", "7-"], "world"),
            ("/none", &["--write-out", "%{http_code}", "--output", "/dev/null"], "404"),
            ("/a.txt", &["--head", "--write-out", "%{http_code}", "--output", "/dev/null"], "200"),
            ("/sub%2findex.html", &["--write-out", "%{http_code}", "--output", "/dev/null"], "404"),
        ] {
            let output = curl(path, arguments).unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert_eq!(printed, wanted, "{version} {url}{path} {arguments:?}");
        }
    }
}

#[test]
fn a_file_that_became_shorter_is_seen_to_be_cut() {
    let site = site("");
    let mut client = client(site.listen);
    // More than all buffers hold, so that the rest is not read before it is gone.
    let file = fs::File::create(site.www("sparse")).unwrap();
    file.set_len(1 << 30).unwrap();
    client.send("GET /sparse HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.try_head().unwrap();
    assert_eq!(head.header("content-length"), Some("1073741824"));
    file.set_len(20_000).unwrap();
    let (stream, ahead) = client.into_parts();
    let mut rest = Vec::new();
    // A FIN or a reset: both come before the length that was told.
    let _ = (&stream).read_to_end(&mut rest);
    assert!((ahead.len() + rest.len()) < 1 << 30);
    wait_until("it is counted", PATIENCE, || {
        site.lb.metric("evenkeel_listener_refusals_total", "file-cut") > 0.0
    });
}

#[test]
fn compressed_forms_lie_beside_their_file() {
    let site = site("precompressed = true");
    site.scratch.write("www/a.txt.br", "as brotli");
    site.scratch.write("www/a.txt.gz", "as gzip");
    site.scratch.write("www/sub/index.html.zst", "as zstd");
    let mut tags = Vec::new();
    for (target, accepted, text, coding) in [
        ("/a.txt", "", "hello, world", None),
        ("/a.txt", "identity", "hello, world", None),
        ("/a.txt", "zstd", "hello, world", None),
        ("/a.txt", "gzip, br, zstd", "as brotli", Some("br")),
        ("/a.txt", "gzip, br;q=0.5", "as gzip", Some("gzip")),
        ("/a.txt", "br;q=0, *", "as gzip", Some("gzip")),
        ("/sub/", "gzip, br, zstd", "as zstd", Some("zstd")),
        ("/empty.txt", "gzip", "", None),
    ] {
        let answer = site.ask("GET", target, &format!("Accept-Encoding: {accepted}\r\n"));
        let shown = format!("{target} {accepted}");
        assert_eq!((answer.status, &*answer.text()), (200, text), "{shown}");
        assert_eq!(answer.header("content-encoding"), coding, "{shown}");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{shown}");
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/"), "{shown}: {kind}");
        tags.push((coding, answer.header("etag").map(str::to_owned)));
    }
    let tag = tags[3].1.as_deref().unwrap();
    let again = format!("Accept-Encoding: br\r\nIf-None-Match: {tag}\r\n");
    assert_eq!(site.ask("GET", "/a.txt", &again).status, 304);
    let plain = format!("If-None-Match: {tag}\r\n");
    assert_eq!(site.ask("GET", "/a.txt", &plain).status, 200, "another form");
}

#[test]
fn a_root_that_is_a_link_may_be_switched_and_one_that_is_gone_is_an_error() {
    let (listen, scratch) = (free_address(), Scratch::new("releases"));
    for release in ["one", "two"] {
        fs::create_dir(scratch.file(release)).unwrap();
        scratch.write(&format!("{release}/index.html"), release);
    }
    symlink("one", scratch.file("current")).unwrap();
    let lb = balancer(&config(listen, &scratch.file("current"), ""));
    assert_eq!(get(listen, "/").text(), "one");
    symlink("two", scratch.file("next")).unwrap();
    fs::rename(scratch.file("next"), scratch.file("current")).unwrap();
    assert!(comes_true(PATIENCE, || get(listen, "/").text() == "two"));
    fs::remove_file(scratch.file("current")).unwrap();
    assert!(comes_true(PATIENCE, || get(listen, "/").status == 500));
    wait_until("it is said", PATIENCE, || lb.log().contains("cannot open the folder"));
}

#[test]
fn an_exchange_with_a_file_is_counted_and_logged() {
    let (listen, scratch) = (free_address(), Scratch::new("logged"));
    scratch.write("a.txt", "hello");
    let lb = balancer(&format!(
        "{}\n[access_log]\npath = \"access.log\"\nformat = \"{{path}} {{status}} {{bytes}} {{pool}} {{termination}}\"\n",
        config(listen, scratch.path(), "")
    ));
    // One connection, and so one worker: the lines are in order.
    let mut client = client(listen);
    assert_eq!(client.get("/a.txt").text(), "hello");
    assert_eq!(client.get("/none").status, 404);
    let lines = evenkeel_sim::balancer::file_with(&lb.file("access.log"), 2);
    assert_eq!(lines, ["/a.txt 200 5 - --", "/none 404 14 - --"]);
    assert!(lb.metric("evenkeel_listener_requests_total", "front") >= 2.0);
}
