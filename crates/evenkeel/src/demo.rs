//! `evenkeel demo`: a whole service on this machine, with everything that keeps it up.
//!
//! One thread does it all. It leaves the machine's network before anything else runs, so whatever
//! it starts is born into the network where it belongs; only the doors for browsers stay outside.

mod board;
mod cast;
mod databases;
mod drill;
mod home;
mod load;
mod orders;
mod program;
mod redis;
mod relay;
mod scene;
mod service;
mod show;
mod stage;
mod stores;
mod terminal;
mod view;
mod visitor;
mod wire;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::interval;

use self::home::Home;
use self::orders::Order;
use self::scene::{Ground, Word};
use self::show::{Access, Doors, News, Programs, Show};
pub(crate) use self::stage::NETWORK_VERB;
use self::stage::Stage;
use self::stores::Stores;
use self::terminal::Terminal;
use crate::args::{self, DemoDb, DemoOrder};
use crate::cli::out;
use crate::clock;

/// Between two looks of the board.
const DRAW_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn demo(args: &args::Demo) -> Result<ExitCode> {
    let (word, who) = match &args.order {
        None => return perform(args),
        Some(DemoOrder::Kill(who)) => (Word::Kill, who),
        Some(DemoOrder::Stop(who)) => (Word::Stop, who),
        Some(DemoOrder::Start(who)) => (Word::Start, who),
        Some(DemoOrder::Load(who)) => (Word::Load, who),
    };
    orders::give(word, &who.name)
}

fn perform(args: &args::Demo) -> Result<ExitCode> {
    let files = drill::Files { json: args.json.as_deref(), html: args.html.as_deref() };
    let stores = Stores { in_mariadb: args.db == DemoDb::Mariadb, in_redis: args.redis };
    let home = Home::make()?;
    let programs = Programs::find(stores)?;
    let doors = Doors::open()?;
    let stage = stage(args)?;
    // After the stage: its threads are to be there too.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = LocalSet::new().block_on(&runtime, async {
        let mut end = End::catch().context("cannot catch signals")?;
        let words = stores.words();
        out::complain(&format!("starting two balancers, four servers, 60 devices, {words}"));
        let say_each = if args.drill { drill::SAY_EACH } else { DRAW_EVERY };
        let began = clock::instant();
        let show = tokio::select! {
            show = Show::start(home, programs, stage, doors, say_each) => show?,
            () = end.asked() => return Ok(ExitCode::SUCCESS),
        };
        let took = began.elapsed();
        if !args.drill {
            return play(show, &mut end, took).await;
        }
        for line in intro(&show.access, show.stage.ground) {
            out::complain(&line);
        }
        drill::run(show, &mut end, files).await
    });
    runtime.shutdown_background();
    done
}

/// Networks of its own, or what there is.
fn stage(args: &args::Demo) -> Result<Stage> {
    if args.loopback {
        return Ok(Stage::loopback());
    }
    match Stage::obstacle() {
        None => Stage::link(),
        Some(why) => {
            out::complain(&format!(
                "this machine does not let you make networks ({why}): the demo goes on with \
                 loopback addresses and without a virtual address"
            ));
            Ok(Stage::loopback())
        }
    }
}

/// Shows what happens and does what it is told until it is asked to end.
async fn play(mut show: Show, end: &mut End, took: Duration) -> Result<ExitCode> {
    let (send, mut orders) = mpsc::channel(orders::MOST_WAITING);
    let path = show.home.orders();
    let mut post = tokio::task::spawn_local(async move { orders::take(&path, send).await });
    let intro = intro(&show.access, show.stage.ground);
    let began = clock::instant();
    let mut board = Board::open(intro, &show, took);
    let mut draw = interval(DRAW_EVERY);
    loop {
        tokio::select! {
            () = end.asked() => break,
            Some(Order { line, answer }) = orders.recv() => {
                let outcome = show.obey(&line).await;
                if let Ok(done) = &outcome {
                    board.tell(began.elapsed(), done);
                }
                // Who asked may have gone.
                let _ = answer.send(outcome);
            }
            failed = &mut post => return failed.context("cannot take orders")?.map(|()| ExitCode::FAILURE),
            _ = draw.tick() => {
                for fallen in show.fallen().await {
                    board.tell(began.elapsed(), &fallen);
                }
                show.note_keepers();
                board.show(&show, began.elapsed());
            }
        }
    }
    drop(board);
    post.abort();
    let devices = show.view.borrow().devices;
    show.end().await;
    out::complain(&format!(
        "the demo has ended, and nothing of it is left: {} readings were sent, {} acknowledged",
        board::grouped(devices.sent),
        board::grouped(devices.acknowledged)
    ));
    Ok(ExitCode::SUCCESS)
}

/// Where what happens is shown.
#[derive(Debug)]
struct Board {
    intro: Vec<String>,
    terminal: Option<Terminal>,
    news: News,
    told: Vec<String>,
}

impl Board {
    fn open(intro: Vec<String>, show: &Show, took: Duration) -> Self {
        let terminal = Terminal::take();
        if terminal.is_none() {
            for line in &intro {
                out::say(line);
            }
            out::say(&format!("up after {:.1} s", took.as_secs_f64()));
        }
        let mut news = News::default();
        // How it begins is no news.
        news.since(&show.view.borrow());
        Self { intro, terminal, news, told: Vec::new() }
    }

    fn tell(&mut self, at: Duration, what: &str) {
        let line = format!("{:>7}  {what}", board::elapsed(at));
        if self.terminal.is_none() {
            out::say(&line);
            return;
        }
        self.told.extend(line.lines().map(str::to_owned));
        let most = self.told.len().saturating_sub(board::MOST_NEWS);
        self.told.drain(..most);
    }

    fn show(&mut self, show: &Show, running: Duration) {
        let view = show.view.borrow();
        for line in self.news.since(&view) {
            self.tell(running, &line);
        }
        let Some(terminal) = &self.terminal else { return };
        let at = (running, terminal.size());
        let coloured = terminal::is_coloured();
        terminal.draw(&board::board(&self.intro, &view, &self.told, at, coloured));
    }
}

/// What people need to know, in a few lines.
fn intro(access: &Access, ground: Ground) -> Vec<String> {
    let Access { site, front, pages, user, password } = access;
    let pages: Vec<String> =
        pages.iter().zip(0..).map(|(page, number)| format!("{page} (lb{number})")).collect();
    let what = match ground {
        Ground::Link => format!("two balancers share {}", ground.vip()),
        Ground::Loopback => "two balancers, without a virtual address".to_owned(),
    };
    let own = own_name();
    vec![
        format!("Evenkeel demo: {what}; Ctrl-C ends it"),
        format!("  site      {site}   user {user}, password {password}"),
        format!("  front     {front}   the same servers; TLS ends at the balancer, with HTTP/2"),
        format!("  balancer  {}", pages.join("  ")),
        format!("  break it  {own} demo kill cs0   (or stop, start, load)"),
    ]
}

/// How this program is called from here.
fn own_name() -> String {
    let own = std::env::current_exe().unwrap_or_default();
    let here = std::env::current_dir().unwrap_or_default();
    let in_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|it| Some(&*it) == own.parent()));
    if in_path {
        return "evenkeel".to_owned();
    }
    match own.strip_prefix(here) {
        Ok(below) => format!("./{}", below.display()),
        Err(_elsewhere) => own.display().to_string(),
    }
}

/// Whoever asks for the end: Ctrl-C, `kill`, a terminal that is closed.
#[derive(Debug)]
struct End([Signal; 3]);

impl End {
    fn catch() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self([interrupt, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn asked(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}
