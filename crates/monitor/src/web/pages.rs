//! The pages, as functions of what they show.

mod alarms;
mod device;
mod devices;

use std::sync::Arc;

pub(super) use self::alarms::alarms;
pub(super) use self::device::{csv, device, device_missing};
pub(super) use self::devices::devices;
use super::guard::{Visitor, to_root};
use super::html::Markup;
use super::site::Site;

/// What is around every page of somebody who is logged in.
#[derive(Debug)]
pub(super) struct Frame {
    root: String,
    is_alarms: bool,
    user: String,
    csrf: String,
    server: String,
    /// Open alarms that nobody has acknowledged.
    alarms: u64,
}

impl Frame {
    /// The frame of the page at `path`.
    pub(super) async fn new(site: &Arc<Site>, visitor: &Visitor, path: &str) -> Self {
        let mut alarms = 0;
        for shard in site.store.shards().iter().filter(|shard| !shard.is_down()) {
            // A shard that does not answer is told by the page itself.
            alarms += shard.open_alarms().await.map_or(0, |(_, unseen)| unseen);
        }
        Self {
            root: to_root(path),
            is_alarms: path == "/alarms",
            user: visitor.session.user.clone(),
            csrf: visitor.session.csrf.clone(),
            server: site.name.clone(),
            alarms,
        }
    }

    /// A whole page.
    pub(super) fn page(&self, title: &str, content: &Markup) -> Markup {
        let current = |is_here: bool| if is_here { "page" } else { "false" };
        head(&self.root, title)
            .raw("<body><header><a class=\"brand\" href=\"")
            .text(&self.root)
            .raw("\">monitor</a><nav aria-label=\"Pages\"><a href=\"")
            .text(&self.root)
            .raw("\" aria-current=\"")
            .text(current(!self.is_alarms))
            .raw("\">Devices</a><a href=\"")
            .text(&self.root)
            .raw("alarms\" aria-current=\"")
            .text(current(self.is_alarms))
            .raw("\">Alarms")
            .when(self.alarms > 0, |page| {
                page.raw(" <span class=\"badge\">").text(self.alarms).raw("</span>")
            })
            .raw("</a></nav><form class=\"who\" method=\"post\" action=\"")
            .text(&self.root)
            .raw("logout\"><span>")
            .text(&self.user)
            .raw("</span>")
            .with(&hidden(&self.csrf))
            .raw("<button class=\"quiet\">Log out</button></form></header><main>")
            .with(content)
            .raw("</main><footer>answered by ")
            .text(&self.server)
            .raw("</footer></body></html>")
    }
}

fn head(root: &str, title: &str) -> Markup {
    Markup::default()
        .raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>")
        .text(title)
        .raw(" · monitor</title><link rel=\"stylesheet\" href=\"")
        .text(root)
        .raw("style.css\"><link rel=\"icon\" href=\"")
        .text(root)
        .raw("icon.svg\"><script src=\"")
        .text(root)
        .raw("site.js\" defer></script></head>")
}

/// The field by which a form shows whose it is.
fn hidden(csrf: &str) -> Markup {
    Markup::default().raw("<input type=\"hidden\" name=\"csrf\" value=\"").text(csrf).raw("\">")
}

/// What is not shown because a shard does not answer.
fn missing_note(missing: &[String]) -> Markup {
    Markup::default().when(!missing.is_empty(), |page| {
        page.raw("<p class=\"note\" role=\"status\"><strong>")
            .text(missing.join(", "))
            .raw("</strong> does not answer. What is stored there is missing here; ")
            .raw("its devices keep their readings until it is back.</p>")
    })
}

/// A moment, with the words of `site.js` in its place where scripts run.
fn moment(at_ms: u64, now_ms: u64) -> Markup {
    Markup::default()
        .raw("<time data-ms=\"")
        .text(at_ms)
        .raw("\">")
        .text(ago(now_ms.saturating_sub(at_ms) / 1000))
        .raw("</time>")
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// A number as people read it.
fn rounded(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The form to log in.
pub(super) fn login(server: &str, name: &str, csrf: &str, said: &str) -> Markup {
    head("./", "Log in")
        .raw("<body class=\"alone\"><main><h1 class=\"brand\">monitor</h1>")
        .when(!said.is_empty(), |page| {
            page.raw("<p class=\"note\" role=\"alert\">").text(said).raw("</p>")
        })
        .raw("<form class=\"login\" method=\"post\" action=\"login\">")
        .with(&hidden(csrf))
        .raw("<label>Name<input name=\"name\" autocomplete=\"username\" required ")
        .raw("maxlength=\"64\" autocapitalize=\"none\" value=\"")
        .text(name)
        .raw("\"")
        .when(name.is_empty(), |page| page.raw(" autofocus"))
        .raw("></label><label>Password<input name=\"password\" type=\"password\" required ")
        .raw("maxlength=\"256\" autocomplete=\"current-password\"")
        .when(!name.is_empty(), |page| page.raw(" autofocus"))
        .raw("></label>")
        .raw("<button>Log in</button></form></main><footer>answered by ")
        .text(server)
        .raw("</footer></body></html>")
}

/// A few words in a page of their own kind.
pub(super) fn message(title: &str, said: &str) -> Markup {
    Markup::default().raw("<h1>").text(title).raw("</h1><p>").text(said).raw("</p>")
}

/// The same for somebody who may not be logged in. Without links, as it may stand anywhere.
pub(super) fn alone(title: &str, said: &str) -> Markup {
    Markup::default()
        .raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>")
        .text(title)
        .raw("</title></head><body><main>")
        .with(&message(title, said))
        .raw("</main></body></html>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_short() {
        let said: Vec<String> = [0, 59, 60, 3599, 3600, 200_000].map(ago).to_vec();
        assert_eq!(
            said,
            ["0 s ago", "59 s ago", "1 min ago", "59 min ago", "1 h ago", "2 days ago"]
        );
        let said: Vec<String> = [21.5, -0.125, 100.0, 0.0].map(rounded).to_vec();
        assert_eq!(said, ["21.5", "-0.125", "100", "0"]);
    }

    #[test]
    fn what_somebody_typed_comes_back_as_text() {
        let page = login("web", "\"><script>alert(1)</script>", "token", "");
        assert!(!page.as_str().contains("<script>alert"), "{}", page.as_str());
    }
}
