//! `evenkeel why`

mod sentences;

use std::process::ExitCode;

use anyhow::{Result, bail};
use evenkeel_api::{Client, Recorded, Remembered};

use self::sentences::{Case, of_exchanges, of_server};
use super::table::{Screen, folded};
use super::{client, out, say_json};
use crate::args;
use crate::clock;

pub(crate) fn why(args: &args::AskWhy) -> Result<ExitCode> {
    let client = client(&args.target)?;
    let last = args.last;
    match (args.what.as_str(), args.which.as_deref()) {
        ("slow", None) => {
            let wanted = Remembered { slow: true, ..Remembered::of_last(last) };
            tell(args, &client, &wanted, Case::Slow)?;
        }
        ("server", Some(which)) => {
            let Some((pool, name)) = which.split_once('/') else {
                bail!("write POOL/SERVER, such as app/10.0.0.1:80")
            };
            let wanted =
                Remembered { pool: Some(pool), server: Some(name), ..Remembered::of_last(last) };
            let recorded = client.exchanges(&wanted)?;
            if args.json {
                say_json(&recorded)?;
            } else {
                let server = client.server(pool, name)?;
                say(&of_server(pool, &server, &recorded, (last, clock::now())));
            }
        }
        (code, None) if code.len() == 2 => {
            let wanted = Remembered { code: Some(code), ..Remembered::of_last(last) };
            tell(args, &client, &wanted, Case::Code(code))?;
        }
        (number, None) if number.parse::<u16>().is_ok() => {
            let status = number.parse()?;
            let wanted = Remembered { status: Some(status), ..Remembered::of_last(last) };
            tell(args, &client, &wanted, Case::Status(status))?;
        }
        _ => {
            bail!("write a status (503), a termination code (SC), `slow`, or `server POOL/SERVER`")
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(
    args: &args::AskWhy,
    client: &Client,
    wanted: &Remembered<'_>,
    case: Case<'_>,
) -> Result<()> {
    let recorded: Recorded = client.exchanges(wanted)?;
    if args.json {
        return say_json(&recorded);
    }
    say(&of_exchanges(case, &recorded, args.last));
    Ok(())
}

/// What proves a sentence begins with two spaces, a time, and two spaces.
const PROOF_INDENT: usize = 12;

fn say(text: &str) {
    out::say(&folded(text, PROOF_INDENT, Screen::of_stdout()));
}
