use super::*;

#[track_caller]
fn check(path: &str) -> Result<String, Reason> {
    let mut scratch = String::new();
    let once = normalise(path, &mut scratch)?;
    let mut scratch = String::new();
    assert_eq!(normalise(once.path, &mut scratch), Ok(once), "{path}: twice is not once");
    let others = readings(once.path).expect("what hides a dot segment has been refused");
    assert_eq!(others.is_empty(), !once.is_ambiguous, "{path}: {others:?}");
    Ok(once.path.to_owned())
}

#[test]
fn one_form_for_all_spellings() {
    for (path, normal) in [
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("*", "*"),
        ("//", "/"),
        ("//admin", "/admin"),
        ("/a//b///c", "/a/b/c"),
        ("/a//", "/a/"),
        ("/.", "/"),
        ("/./", "/"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/../admin", "/admin"),
        ("/a/b/..", "/a/"),
        ("/a/b/../../c", "/c"),
        ("/a//../b", "/b"),
        ("/%2e/a", "/a"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/%61dmin", "/admin"),
        ("/%41%5a%30%2d%5f%7E", "/AZ0-_~"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a%5Cb"),
        ("/%e3%81%82", "/%E3%81%82"),
        ("/%ff%fe", "/%FF%FE"),
        ("/a%20b%22", "/a%20b%22"),
        ("/%252e%252e/", "/%252e%252e/"),
        ("/admin;x", "/admin;x"),
        ("/a;b=..", "/a;b=.."),
        ("/.well-known/x", "/.well-known/x"),
        ("/..a/...", "/..a/..."),
        ("/a..b", "/a..b"),
        ("/ADMIN", "/ADMIN"),
        ("/a:b@c!$&'()*+,=|[]{}^`<>\"", "/a:b@c!$&'()*+,=|[]{}^`<>\""),
    ] {
        assert_eq!(check(path).as_deref(), Ok(normal), "{path}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    use Reason::*;
    for (path, reason) in [
        ("/..", PathAboveRoot),
        ("/../a", PathAboveRoot),
        ("/a/../../b", PathAboveRoot),
        ("/%2e%2e/", PathAboveRoot),
        ("//..", PathAboveRoot),
        ("/a/..%2fadmin", PathHiddenDots),
        ("/a/%2e%2e%2Fadmin", PathHiddenDots),
        ("/a/..%5cadmin", PathHiddenDots),
        ("/a%2f..", PathHiddenDots),
        ("/a%2f..%2fb", PathHiddenDots),
        ("/a/..;/admin", PathHiddenDots),
        ("/a/..;x=y/admin", PathHiddenDots),
        ("/a/..%3bx/admin", PathHiddenDots),
        ("/a/.;/admin", PathHiddenDots),
        ("/a/%2e;", PathHiddenDots),
        ("/a/.%2f", PathHiddenDots),
        ("/admin%00", PathControl),
        ("/a%0d%0aX:b", PathControl),
        ("/a%7f", PathControl),
        ("/%", PathEscape),
        ("/%4", PathEscape),
        ("/%4g", PathEscape),
        ("/%+1", PathEscape),
        ("/%%34%31", PathEscape),
        ("/%c0%ae%c0%ae/", PathOverlong),
        ("/%C1%9c", PathOverlong),
        ("/%e0%80%ae", PathOverlong),
        ("/%f0%80%80%ae", PathOverlong),
        ("/a\\b", PathByte),
        ("/\\..\\admin", PathByte),
        ("/a#b", PathByte),
        ("/a b", PathByte),
        ("/ä", PathByte),
        ("/a\u{0}", PathByte),
    ] {
        assert_eq!(check(path), Err(reason), "{path}");
    }
}

#[test]
fn what_a_server_may_find_in_a_path() {
    for (path, others) in [
        ("/a%2fb", &["/a/b"][..]),
        ("//a%2Fb", &["/a/b"]),
        ("/%2fa/b", &["/a/b"]),
        ("/a%5cb", &["/a/b"]),
        ("/a%5C%2f%2Fb/", &["/a/b/"]),
        ("/a;x/b", &["/a/b"]),
        ("/;/a", &["/a"]),
        ("/a;", &["/a"]),
        ("/a%3bx/b", &["/a;x/b", "/a/b"]),
        ("/a;x%2Fb/c", &["/a;x/b/c", "/a/c", "/a/b/c"]),
        ("/a%2Fb;x", &["/a/b;x", "/a%2Fb", "/a/b"]),
        ("/%40a%21%2b", &["/@a!+"]),
        ("/a%252fb;", &["/a%252fb"]),
        ("/a%25%32%46b%2f", &["/a%252Fb/"]),
        ("/a%20b%22%5B%25", &[]),
        ("/a%252Fb", &[]),
        ("/%E3%81%82", &[]),
        ("/a:b@c!", &[]),
    ] {
        let mut scratch = String::new();
        let normal = normalise(path, &mut scratch).unwrap();
        assert_eq!(readings(normal.path).unwrap(), others, "{path}");
        assert_eq!(normal.is_ambiguous, !others.is_empty(), "{path}");
    }
}
