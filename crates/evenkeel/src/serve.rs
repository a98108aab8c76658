//! `evenkeel serve`: a node without a file. It writes the file one would have written and goes the
//! same way.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use evenkeel_control::origin::Origin;

use crate::args::{self, Mode};
use crate::run::{IfTaken, start};

pub(crate) fn serve(args: &args::Serve) -> Result<ExitCode> {
    let if_taken = if args.node.admin_bind.is_some() { IfTaken::Refuse } else { IfTaken::AnyPort };
    let text = configuration(args);
    start(Origin::Text { name: "command line".to_owned(), text }, &args.node, if_taken)
}

/// The file that says the same.
fn configuration(args: &args::Serve) -> String {
    let (protocol, more) = match args.mode {
        Mode::Http => ("http", "h2c = true\n"),
        Mode::Tcp => ("tcp", ""),
        Mode::Tls => ("tls", ""),
    };
    let listen = &args.listen;
    let bind =
        if listen.parse::<u16>().is_ok() { format!("0.0.0.0:{listen}") } else { listen.clone() };
    let servers: Vec<String> = args.to.iter().map(|server| quoted(server.trim())).collect();
    format!(
        "[listener.serve]\n\
         bind = [{}]\n\
         protocol = \"{protocol}\"\n\
         {more}\
         pool = \"servers\"\n\
         \n\
         [pool.servers]\n\
         servers = [{}]\n",
        quoted(&bind),
        servers.join(", ")
    )
}

/// A TOML string that means `text` and nothing else.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => write!(quoted, "\\u{:04X}", u32::from(c)).expect("strings grow"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_its_quotes() {
        assert_eq!(quoted("a:80"), "\"a:80\"");
        assert_eq!(quoted("\"\n\\"), "\"\\\"\\u000A\\\\\"");
    }
}
