//! `/api/v1/explain`

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, Uri};
use evenkeel_api as api;
use evenkeel_core::pick;
use evenkeel_engine::{Asked, Choosing, ExplainError, Explanation, Outcome, Standing};

use super::answer::{Json, Refusal};
use crate::describe;
use crate::node::Node;

/// Headers of a request that is asked about; more is a slip.
const MOST_HEADERS: usize = 64;

/// What a request would come to.
pub(super) async fn explain(
    State(node): State<Arc<Node>>,
    RawQuery(query): RawQuery,
) -> Result<Json<api::Explanation>, Refusal> {
    let (url, asked) = understand(query.as_deref().unwrap_or_default())
        .map_err(|detail| Refusal::new(StatusCode::BAD_REQUEST, detail))?;
    let explained = node.explain(&asked).map_err(|error| {
        let status = match &error {
            ExplainError::NoSuchListener { .. } | ExplainError::NoListener { .. } => {
                StatusCode::NOT_FOUND
            }
            ExplainError::Several { .. } => StatusCode::CONFLICT,
        };
        Refusal::new(status, error.to_string())
    })?;
    Ok(Json(document(url, asked, explained)))
}

/// `method`, `url`, `from`, `listener`, and any number of `header`.
fn understand(query: &str) -> Result<(String, Asked), String> {
    let (mut method, mut url, mut from, mut listener) = ("GET".to_owned(), None, None, None);
    let mut headers = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = unescaped(value).ok_or_else(|| format!("`{key}` is not UTF-8 in %-escapes"))?;
        if value.contains(|c: char| c.is_ascii_control()) {
            return Err(format!("`{key}` has a control character in it"));
        }
        match key {
            "method" => method = value,
            "url" => url = Some(value),
            "from" => {
                let wrong = |_| format!("`from` is `{value}`, which is no address");
                from = Some(value.parse::<IpAddr>().map_err(wrong)?);
            }
            "listener" => listener = Some(value),
            "header" => {
                let (name, content) = value
                    .split_once(':')
                    .ok_or_else(|| format!("`header` is `{value}`: write `Name: value`"))?;
                headers.push((name.to_owned(), content.trim().to_owned()));
            }
            other => {
                return Err(format!(
                    "there is no `{other}`; there are method, url, from, listener, header"
                ));
            }
        }
    }
    if headers.len() > MOST_HEADERS {
        return Err(format!("more than {MOST_HEADERS} headers"));
    }
    let url = url.ok_or("say which `url`, such as https://shop.example/x")?;
    let parsed: Uri = url.parse().map_err(|error| format!("`url` is `{url}`: {error}"))?;
    let (scheme, authority) = parsed.scheme_str().zip(parsed.authority()).ok_or_else(|| {
        format!("`url` is `{url}`: write scheme and host, such as https://shop.example/x")
    })?;
    let usual = if scheme == "https" { 443 } else { 80 };
    let target = parsed.path_and_query().map_or("/", |target| target.as_str());
    let asked = Asked {
        listener,
        scheme: scheme.to_owned(),
        authority: authority.as_str().to_owned(),
        host: authority.host().to_owned(),
        port: authority.port_u16().unwrap_or(usual),
        method,
        target: target.to_owned(),
        headers,
        from: from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    Ok((url, asked))
}

/// What `%` and two digits stand for (RFC 3986 §2.1), and `+` for a space as forms write it.
fn unescaped(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn document(url: String, asked: Asked, explained: Explanation) -> api::Explanation {
    let names = |names: Vec<Arc<str>>| names.iter().map(ToString::to_string).collect();
    let passed_over = explained.passed_over.into_iter();
    api::Explanation {
        method: asked.method,
        url,
        from: asked.from.to_string(),
        listener: explained.listener.to_string(),
        protocol: explained.protocol.to_owned(),
        on_port: explained.on_port,
        certificate: explained.certificate.map(|it| api::ExplainedCertificate {
            file: it.file.display().to_string(),
            names: names(it.names),
        }),
        route: explained.route.map(|route| route.to_string()),
        passed_over: passed_over
            .map(|(route, why)| api::PassedOver { route: route.to_string(), why })
            .collect(),
        passes: explained.passes,
        outcome: match explained.outcome {
            Outcome::Refused { status, why } => api::ExplainedOutcome::Refused { status, why },
            Outcome::Answered { status, why } => api::ExplainedOutcome::Answer { status, why },
            Outcome::Redirected { status, location } => {
                api::ExplainedOutcome::Redirect { status, location }
            }
            Outcome::File { status, folder, path } => {
                let folder = folder.display().to_string();
                api::ExplainedOutcome::File { status, folder, path }
            }
            Outcome::Pool(choosing) => api::ExplainedOutcome::Pool(Box::new(pool(*choosing))),
        },
    }
}

fn pool(choosing: Choosing) -> api::ExplainedPool {
    let is_first = |it: &&Standing| it.candidate.standing == pick::Standing::Tried(0);
    let chosen = choosing.servers.iter().find(is_first).map(|it| it.name.to_string());
    let (before, path) = choosing.path;
    let tries = choosing.tries;
    api::ExplainedPool {
        pool: choosing.pool.to_string(),
        by_split: choosing.by_split,
        balance: choosing.balance.to_owned(),
        mode: describe::pool_mode(choosing.mode),
        path_before: (before != path).then_some(before),
        path,
        key: choosing.key,
        keeps_home: choosing.keeps_home,
        by_chance: choosing.by_chance && !choosing.keeps_home,
        chosen,
        servers: choosing.servers.iter().map(|it| server(it, tries.most)).collect(),
        retry: api::ExplainedRetry {
            attempts: tries.most,
            on: tries.on,
            repeatable: tries.repeatable,
            budget_percent: tries.budget_percent,
            budget_floor: tries.budget_floor,
            connect_seconds: tries.connect.as_secs_f64(),
            first_byte_seconds: tries.first_byte.as_secs_f64(),
        },
    }
}

fn server(it: &Standing, further: u8) -> api::ExplainedServer {
    use pick::Standing::{
        Backup, Drain, Full, LaterTier, Maint, NoWeight, Refused, Spare, Tried, Unfit,
    };
    let try_number = match it.candidate.standing {
        Tried(place) if place <= usize::from(further) => Some(place + 1),
        _ => None,
    };
    let verdict = match it.candidate.standing {
        Tried(0) => "chosen".to_owned(),
        Tried(place) if try_number.is_some() => {
            format!("would be tried next, as number {}", place + 1)
        }
        Tried(_) | Spare => "could take it, but there are no more tries".to_owned(),
        Full => "full: as many under way as it may have".to_owned(),
        Refused => "its breaker lets no more in".to_owned(),
        Maint => "in maintenance".to_owned(),
        Drain => "draining: only those who stick to it".to_owned(),
        NoWeight => "its weight is 0".to_owned(),
        Unfit => format!("down: {}", it.reason),
        Backup => "a backup, and others are there".to_owned(),
        LaterTier => "of a later tier, and an earlier one carries the load".to_owned(),
    };
    api::ExplainedServer {
        server: it.name.to_string(),
        address: it.address.clone(),
        weight: f64::from(it.weight) * f64::from(it.ramp_percent) / 100.0,
        in_flight: it.in_flight,
        score: it.candidate.score,
        try_number,
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_about_is_understood() {
        let query = "method=POST&url=https%3A%2F%2Fshop.example:8443%2Fx%3Fy%3D1\
                     &header=Cookie:%20a%3Db&header=X-Beta:1&from=192.0.2.7";
        let (url, asked) = understand(query).unwrap();
        assert_eq!(url, "https://shop.example:8443/x?y=1");
        assert_eq!((&*asked.scheme, &*asked.host, asked.port), ("https", "shop.example", 8443));
        assert_eq!((&*asked.authority, &*asked.target), ("shop.example:8443", "/x?y=1"));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(asked.headers, [header("Cookie", "a=b"), header("X-Beta", "1")]);
        assert_eq!(asked.from.to_string(), "192.0.2.7");
    }

    #[test]
    fn what_cannot_be_asked_about_is_said() {
        for (query, part) in [
            ("", "say which `url`"),
            ("url=/x", "write scheme and host"),
            ("url=http://h/&header=x", "write `Name: value`"),
            ("url=http://h/&header=x:%0d%0ay:z", "control character"),
            ("url=http://h/&from=me", "no address"),
            ("url=http://h/&%zz=1", "there is no"),
            ("url=%zz", "is not UTF-8"),
        ] {
            let said = understand(query).expect_err(part);
            assert!(said.contains(part), "{query}: {said}");
        }
    }
}
