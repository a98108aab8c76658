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
