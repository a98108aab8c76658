//! `evenkeel top`: the status of a node, again and again, what it does each second, and a hand on its
//! servers.

mod draw;
mod picture;
mod screen;

use std::io::{IsTerminal as _, stdin, stdout};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use evenkeel_api::{Client, ServerChange, Status, Tick};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use self::picture::Picture;
use self::screen::{Outcome, Screen, Wish};
use crate::cli::{client, out};
use crate::{args, clock};

/// How long a key may wait for what the node said, and the other way round.
const TURN: Duration = Duration::from_millis(100);

/// A node that sends no figures, or no more, is asked for them again so much later.
const AGAIN: Duration = Duration::from_secs(1);

/// Wishes that wait for the node: nobody presses keys faster than it answers.
const MOST_WISHES: usize = 4;

/// What the node said: the picture of now, or why there is none; and what came of a wish.
enum News {
    Status(Box<Status>),
    Silence(String),
    /// What it did in the last second.
    Figures(Box<Tick>),
    Done(String),
}

pub(crate) fn top(args: &args::Top) -> Result<ExitCode> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        bail!("top needs a terminal; `evenkeel status` prints the same once");
    }
    let client = client(&args.target)?;
    let first = client.status()?;
    let (wish, wishes) = sync_channel(MOST_WISHES);
    let (tell, news) = sync_channel(1);
    let (watcher, told) = (crate::cli::client(&args.target)?, tell.clone());
    thread::Builder::new()
        .name("figures".to_owned())
        .spawn(move || watch(&watcher, &told))
        .context("cannot start a thread")?;
    let (every, author) = (Duration::from_secs(args.every.into()), args.author.clone());
    // It ends with the program, or when nobody listens any more.
    thread::Builder::new()
        .name("node".to_owned())
        .spawn(move || talk(&client, &author, every, &wishes, &tell))
        .context("cannot start a thread")?;
    let mut screen = Screen::new(Picture::new(first, clock::instant()), out::stdout_is_coloured());
    screen.filter_by(args.filter.as_deref().unwrap_or_default());
    let mut terminal = ratatui::try_init().context("cannot take over the terminal")?;
    let shown = show(&mut terminal, &mut screen, &wish, &news);
    ratatui::restore();
    shown?;
    Ok(ExitCode::SUCCESS)
}

/// Until somebody has seen enough.
fn show(
    terminal: &mut DefaultTerminal,
    screen: &mut Screen,
    wish: &SyncSender<Wish>,
    news: &Receiver<News>,
) -> Result<()> {
    loop {
        let now = (clock::instant(), clock::now());
        terminal.draw(|frame| draw::draw(frame, screen, now)).context("cannot draw")?;
        // All that was pressed meanwhile is one step.
        let mut wait = TURN;
        while event::poll(wait).context("cannot read the keyboard")? {
            wait = Duration::ZERO;
            let event = event::read().context("cannot read the keyboard")?;
            let Event::Key(key) = event else { continue };
            if key.kind == KeyEventKind::Release {
                continue;
            }
            match screen.key(key) {
                Outcome::Stay => {}
                Outcome::Quit => return Ok(()),
                Outcome::Ask(asked) => {
                    if wish.try_send(asked).is_err() {
                        screen.say("the node has not answered yet: try again".to_owned());
                    }
                }
            }
        }
        loop {
            match news.try_recv() {
                Ok(News::Status(status)) => screen.update(*status, clock::instant()),
                Ok(News::Silence(why)) => screen.miss(why),
                Ok(News::Figures(tick)) => screen.figures(*tick, clock::instant()),
                Ok(News::Done(words)) => screen.say(words),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
    }
}

/// Passes on what the node does, each second. Why it does not say is said by who asks for its status.
fn watch(client: &Client, tell: &SyncSender<News>) {
    let mut is_wanted = true;
    while is_wanted {
        // However it ended: it is asked for again, and not in haste.
        let _ = client.watch(|tick| {
            is_wanted = tell.send(News::Figures(Box::new(tick))).is_ok();
            is_wanted
        });
        thread::sleep(AGAIN);
    }
}

/// Asks the node at each beat, and at once after each wish.
fn talk(
    client: &Client,
    author: &str,
    every: Duration,
    wishes: &Receiver<Wish>,
    tell: &SyncSender<News>,
) {
    loop {
        let done = match wishes.recv_timeout(every) {
            Ok(wish) => Some(fulfil(client, author, &wish)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let status = match client.status() {
            Ok(status) => News::Status(Box::new(status)),
            Err(error) => News::Silence(error.to_string()),
        };
        let news = done.map(News::Done).into_iter().chain([status]);
        if news.into_iter().any(|it| tell.send(it).is_err()) {
            return;
        }
    }
}

/// What came of it, in words.
fn fulfil(client: &Client, author: &str, wish: &Wish) -> String {
    let Wish { pool, server, state, reason } = wish;
    let change = ServerChange {
        state: Some(*state),
        weight: None,
        author: author.to_owned(),
        reason: reason.clone(),
        expires_in_seconds: None,
    };
    match client.set_server(pool, server, &change) {
        Ok(_) => format!("{pool}/{server}: {}", screen::word(*state)),
        Err(error) => format!("{pool}/{server}: {error}"),
    }
}

#[cfg(test)]
mod tests;
