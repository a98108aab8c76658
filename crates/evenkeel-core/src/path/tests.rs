use super::*;

#[track_caller]
fn check(path: &str) -> Result<String, Reason> {
    let mut scratch = String::new();
    let once = normalise(path, &mut scratch)?.to_owned();
    let mut scratch = String::new();
    assert_eq!(normalise(&once, &mut scratch), Ok(&*once), "{path}: twice is not once");
    Ok(once)
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
