//! Who a client has to be.

use std::net::SocketAddr;

use evenkeel_sim::prelude::*;

/// `ada:secret` by libcrypt, `bob:secret` by the argon2 of its authors.
const USERS: &str = "# staff
ada:$2b$04$nojVitY6RxaY0tQcGy9kwuhI3w72p5LVPFEnJrjR6C8sAxlbw1WNK
bob:$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$TnDEl2tJgYtaYZt0/5f59Jf56vkIG4EtQACv6SLO2cI
";

/// `ada:secret`, `bob:secret`, `ada:wrong`.
const ADA: &str = "YWRhOnNlY3JldA==";
const BOB: &str = "Ym9iOnNlY3JldA==";
const WRONG: &str = "YWRhOndyb25n";

struct Site {
    listen: SocketAddr,
    app: Origin,
    sso: Origin,
    _lb: Balancer,
}

/// One route to `app` with these settings; a pool `sso` that nobody checks.
fn site(route: &str) -> Site {
    let (app, sso, listen) = (origin("app"), origin("sso"), free_address());
    let config = format!(
        "[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"http\"\n\
         [[listener.front.route]]\npath = \"/moved\"\nredirect = {{ to = \"/new\" }}\n{route}\n\
         [[listener.front.route]]\npool = \"app\"\n{route}\n\
         [[listener.front.route]]\npath = \"/users\"\nstatic = {{ root = \".\" }}\n{route}\n\
         [[listener.front.route]]\npath = \"/open\"\npool = \"sso\"\n\
         [pool.sso]\nservers = [\"{}\"]\ncheck = false\ntimeouts = {{ first_byte = \"1s\" }}\n\
         [pool.app]\nservers = [\"{}\"]\n{QUICK_CHECK}",
        sso.address(),
        app.address(),
    );
    let lb = Start::with(&config).file("users", USERS).start();
    Site { listen, app, sso, _lb: lb }
}

impl Site {
    fn ask(&self, target: &str, fields: &str) -> Answer {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
        client(self.listen).send(head).answer()
    }

    fn basic(&self, target: &str, word: &str) -> Answer {
        self.ask(
            target,
            &format!("Authorization: Basic {word}\r\nX-User: root\r\nX-User: mallory\r\n"),
        )
    }
}

#[test]
fn passwords_open_a_route_and_the_server_learns_the_user() {
    let site = site(
        "basic_auth = { realm = \"staff only\", users_file = \"users\", user_header = \"x-user\" }",
    );
    let asked = site.ask("/", "X-User: root\r\n");
    assert_eq!(asked.status, 401);
    assert_eq!(
        asked.header("www-authenticate"),
        Some("Basic realm=\"staff only\", charset=\"UTF-8\"")
    );
    assert_eq!(site.basic("/", WRONG).status, 401);
    for elsewhere in ["/moved", "/users", "/users/missing"] {
        assert_eq!(site.basic(elsewhere, WRONG).status, 401, "{elsewhere}");
    }
    assert_eq!(site.app.served(), 0);
    for (word, user) in [(ADA, "ada"), (BOB, "bob"), (ADA, "ada")] {
        assert_eq!(site.basic("/", word).status, 200, "{user}");
        let head = site.app.seen().last().expect("it came").head.clone();
        assert_eq!(head.all("x-user").collect::<Vec<_>>(), [user]);
        assert_eq!(head.header("authorization"), None);
    }
    assert_eq!(site.basic("/moved", ADA).status, 302);
    assert_eq!(site.basic("/users", ADA).text(), USERS, "a file");
    // A body passes behind the head that was added to.
    let mut client = client(site.listen);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {ADA}\r\nContent-Length: 5\r\n\r\nhello"
    ));
    assert_eq!(client.answer_to("POST").status, 200);
    assert_eq!(site.app.seen().last().expect("it came").body, b"hello");
}

#[test]
fn another_server_decides_who_passes() {
    let site = site(
        "forward_auth = { pool = \"sso\", path = \"/verify\", request_headers = [\"cookie\"], \
         response_headers = [\"x-user\"] }",
    );
    let yes = b"HTTP/1.1 200 OK\r\nX-User: ada\r\nX-Other: 1\r\nContent-Length: 2\r\n\r\nok";
    site.sso.set(Mode::Raw(yes.to_vec(), Then::Keep));
    let fields = "Cookie: sid=1\r\nX-Secret: s\r\nX-User: root\r\nContent-Length: 5\r\n\r\nhello";
    let mut client = client(site.listen);
    for _ in 0..2 {
        client.send(format!("PUT /a/../b?c HTTP/1.1\r\nHost: a.example\r\n{fields}"));
        assert_eq!(client.answer_to("PUT").status, 200);
    }
    let asked = site.sso.seen()[0].clone();
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str(), asked.body_size),
        ("GET", "/verify", 0)
    );
    for (name, value) in [
        ("x-forwarded-method", Some("PUT")),
        ("x-forwarded-uri", Some("/b?c")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("host", Some("a.example")),
        ("cookie", Some("sid=1")),
        ("x-secret", None),
        ("content-length", None),
    ] {
        assert_eq!(asked.head.header(name), value, "{name}");
    }
    assert_eq!(client.get("/users").text(), USERS, "a file");
    assert_eq!(site.sso.connections(), 1, "kept");
    let served = site.app.seen()[0].clone();
    assert_eq!(served.head.all("x-user").collect::<Vec<_>>(), ["ada"]);
    assert_eq!(served.head.header("x-secret"), Some("s"));
    assert_eq!((served.head.header("x-other"), served.body.as_slice()), (None, &b"hello"[..]));
}

#[test]
fn what_another_server_says_instead_is_the_clients() {
    let site = site("forward_auth = { pool = \"sso\" }");
    let no =
        b"HTTP/1.1 302 Found\r\nLocation: https://sso.example/\r\nContent-Length: 4\r\n\r\ngo!\n";
    site.sso.set(Mode::Raw(no.to_vec(), Then::Keep));
    let mut client = client(site.listen);
    for target in ["/", "/moved", "/users"] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.text().as_str()), (302, "go!\n"));
        assert_eq!(answer.header("location"), Some("https://sso.example/"));
    }
    // Its body would be the next request.
    let answer = client.post("/", b"GET /open HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.status == 302 && !answer.keeps);
    assert_eq!(site.app.served(), 0);
}

#[test]
fn nobody_passes_when_nobody_answers() {
    let site = site("forward_auth = { pool = \"sso\" }");
    site.sso.set(Mode::Hang);
    assert_eq!(site.ask("/", "").status, 504);
    site.sso.set(Mode::ResetBeforeAnswer);
    assert_eq!(site.ask("/", "").status, 502);
    site.sso.kill();
    assert_eq!(site.ask("/", "").status, 503);
    assert_eq!(site.app.served(), 0);
}

#[test]
fn who_is_denied_with_head_gets_no_content() {
    let site = site("forward_auth = { pool = \"sso\" }");
    for no in [
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 302 Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
    ] {
        site.sso.set(Mode::Raw(no.into(), Then::Keep));
        let mut client = client(site.listen);
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /open HTTP/1.1\r\nHost: a\r\n\r\n");
        let denied = client.answer_to("HEAD");
        let next = client.answer();
        assert_eq!((denied.status, next.text().as_str()), (next.status, "no"), "{no}");
    }
    assert_eq!(site.app.served(), 0);
}

#[test]
fn what_is_said_about_a_client_is_not_said_to_it() {
    let site = site(
        "forward_auth = { pool = \"sso\", response_headers = [\"x-user\"] }\n\
         response_headers = { set = { x-user = \"hidden\" } }",
    );
    let yes = "HTTP/1.1 103 Early Hints\r\nSet-Cookie: a=b\r\n\r\n\
               HTTP/1.1 200 OK\r\nX-User: ada\r\nContent-Length: 0\r\n\r\n";
    site.sso.set(Mode::Raw(yes.into(), Then::Keep));
    let conditions = "If-None-Match: \"a\"\r\nIF-MODIFIED-SINCE: Sun, 22 Nov 2026 08:00:00 GMT\r\n\
                      Range: bytes=5-\r\nIf-Range: \"a\"\r\n";
    let answer = site.ask("/", conditions);
    assert_eq!((answer.status, answer.interim.len()), (200, 0));
    assert_eq!(answer.header("x-user"), Some("hidden"));
    let (asked, served) = (site.sso.seen()[0].head.clone(), site.app.seen()[0].head.clone());
    assert_eq!(served.all("x-user").collect::<Vec<_>>(), ["ada"]);
    for name in ["if-none-match", "if-modified-since", "range", "if-range"] {
        assert_eq!(asked.header(name), None, "{name}");
        assert!(served.header(name).is_some(), "{name}");
    }
}

/// Closing on unread bytes would reset the connection (RFC 9112 §9.6).
#[test]
fn who_is_denied_while_it_sends_is_listened_to() {
    let site = site("forward_auth = { pool = \"sso\" }");
    let no = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    site.sso.set(Mode::Raw(no.into(), Then::Keep));
    let mut client = client(site.listen);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 800000\r\n\r\n");
    let answer = client.answer_to("POST");
    assert_eq!((answer.status, answer.text().as_str(), answer.keeps), (403, "no", false));
    for piece in 0..8 {
        client.try_send(vec![b'x'; 100_000]).unwrap_or_else(|broken| panic!("{piece}: {broken}"));
    }
    client.finish();
    client.expect_closed();
}

#[test]
fn a_password_is_not_shown_to_who_is_asked_besides() {
    const BOTH: &str = "basic_auth = { users_file = \"users\" }";
    for (sees, shown) in [
        ("", false),
        (", request_headers = [\"cookie\"]", false),
        (", request_headers = [\"authorization\"]", true),
    ] {
        let site = site(&format!("{BOTH}\nforward_auth = {{ pool = \"sso\"{sees} }}"));
        let name = "X-Authenticated-User: root";
        assert_eq!(site.ask("/", &format!("Authorization: Basic {ADA}\r\n{name}\r\n")).status, 200);
        let asked = site.sso.seen()[0].head.clone();
        assert_eq!(asked.header("authorization").is_some(), shown, "{sees}");
        assert_eq!(asked.header("x-authenticated-user"), None);
        let served = site.app.seen()[0].head.clone();
        assert_eq!(served.header("authorization"), None);
        assert_eq!(served.all("x-authenticated-user").collect::<Vec<_>>(), ["ada"]);
    }
}

#[test]
fn nobody_names_itself_behind_its_body() {
    let site = site(
        "basic_auth = { users_file = \"users\" }\n\
         forward_auth = { pool = \"sso\", response_headers = [\"x-user\"] }\n\
         request_headers = { remove = [\"x-secret\"] }\nresponse_headers = { remove = [\"x-inner\"] }",
    );
    site.app.set(Mode::Raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Inner: 1\r\nX-Sum: 2\r\n\r\n"
            .to_vec(),
        Then::Keep,
    ));
    let answer = client(site.listen)
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {ADA}\r\nConnection: x-hop\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\nX-User: root\r\nX-Authenticated-User: root\r\n\
             X-Secret: s\r\nX-Hop: 1\r\nX-Sum: 3\r\n\r\n"
        ))
        .answer_to("POST");
    assert_eq!(answer.body.trailers, [("X-Sum".to_owned(), "2".to_owned())]);
    assert_eq!(site.app.seen()[0].trailers, [("X-Sum".to_owned(), "3".to_owned())]);
}
