//! `[pool.NAME.retry]`

use evenkeel_core::config::{Backoff, Retry, RetryBudget, RetryOn};

use super::table::{Reader, Wrong, wrong};
use super::value::{Choice, boolean, duration, integer, percent, text};
use crate::document::Value;

pub(super) fn retry(pool: &mut Reader<'_>) -> Retry {
    let mut retry = Retry::default();
    let Some(mut reader) = pool.table("retry") else { return retry };
    let attempts = reader.read("attempts", integer(0..=Retry::MOST_ATTEMPTS));
    retry.attempts = attempts.unwrap_or(retry.attempts);
    if let Some(outcomes) = reader.list("on", outcome) {
        retry.on = all(outcomes.into_iter().map(|(_, outcome)| outcome));
    }
    retry.unsafe_methods = reader.read("unsafe_methods", boolean).unwrap_or(retry.unsafe_methods);
    retry.per_try = reader.read("per_try", duration);
    retry.budget = budget(&mut reader);
    retry.backoff = backoff(&mut reader);
    reader.finish();
    retry
}

/// `budget = "20%"`, and `budget_floor = 10` tries a second.
fn budget(retry: &mut Reader<'_>) -> RetryBudget {
    let default = RetryBudget::default();
    RetryBudget {
        percent: retry.read("budget", percent(0..=100)).unwrap_or(default.percent),
        floor: retry.read("budget_floor", integer(0..=u16::MAX)).unwrap_or(default.floor),
    }
}

/// `{ base = "25ms", most = "250ms" }`
fn backoff(retry: &mut Reader<'_>) -> Backoff {
    let mut backoff = Backoff::default();
    let Some(mut reader) = retry.table("backoff") else { return backoff };
    backoff.base = reader.read("base", duration).unwrap_or(backoff.base);
    backoff.most = reader.read("most", duration).unwrap_or(backoff.most).max(backoff.base);
    reader.finish();
    backoff
}

/// What may be tried again.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Connect,
    Reset,
    Timeout,
    Status(u16),
}

fn all(outcomes: impl Iterator<Item = Outcome>) -> RetryOn {
    let mut on =
        RetryOn { connect: false, reset_before_answer: false, timeout: false, statuses: vec![] };
    for outcome in outcomes {
        match outcome {
            Outcome::Connect => on.connect = true,
            Outcome::Reset => on.reset_before_answer = true,
            Outcome::Timeout => on.timeout = true,
            Outcome::Status(status) => on.statuses.push(status),
        }
    }
    on.statuses.sort_unstable();
    on.statuses.dedup();
    on
}

fn outcome(value: &Value) -> Result<Outcome, Wrong> {
    let written = text(value)?;
    if let Ok(status) = written.parse::<u16>() {
        return if (500..=599).contains(&status) {
            Ok(Outcome::Status(status))
        } else {
            Err(wrong(format!("an answer with {status} is not tried again"))
                .help("statuses from \"500\" to \"599\""))
        };
    }
    let outcomes = Choice {
        words: &[
            ("connect", Outcome::Connect),
            ("reset-before-answer", Outcome::Reset),
            ("timeout", Outcome::Timeout),
        ],
        later: &[],
    };
    outcomes.read(value)
}
