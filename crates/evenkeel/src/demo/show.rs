//! The whole demo: everybody started, watched, ordered about and ended.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::process::Child;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio::try_join;
use tokio_rustls::TlsConnector;

use super::cast::Cast;
use super::databases::{self, Databases};
use super::home::Home;
use super::load::{LASTS, Target, burden};
use super::redis::Redis;
use super::relay::{Relay, listen};
use super::scene::{Actor, BALANCERS, CLONE, DEVICES, Ground, SERVERS, SHARDS, Word};
use super::service::{Service, last_words};
use super::stage::Stage;
use super::stores::Stores;
use super::view::{self, CacheNode, Shared, View};
use super::{board, program, wire};

/// Everything is up long before, once stores are; and the devices have ended.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const USER: &str = "demo";
/// The settings of the service.
const SETTINGS: &str = "monitor.toml";
/// The file with names and keys of the devices.
const DEVICES_FILE: &str = "devices.txt";
/// What they have done, once they have ended.
pub(super) const DEVICES_REPORT: &str = "devices.json";

/// Where the machine's browsers find things: listening before the stage is entered.
#[derive(Debug)]
pub(super) struct Doors {
    site: TcpListener,
    front: TcpListener,
    pages: Vec<TcpListener>,
}

impl Doors {
    /// At the ports that people expect, as far as they are free.
    pub(super) fn open() -> Result<Self> {
        let at = |port| listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let pages = (0..BALANCERS).map(|number| at(7070 + u16::from(number)));
        Ok(Self { site: at(8443)?, front: at(9443)?, pages: pages.collect::<Result<_>>()? })
    }
}

/// The programs of everybody but the balancers.
#[derive(Debug)]
pub(super) struct Programs {
    monitor: PathBuf,
    mariadb: Option<databases::Programs>,
    redis: Option<PathBuf>,
}

impl Programs {
    /// Finds those that `stores` want, then the service.
    pub(super) fn find(stores: Stores) -> Result<Self> {
        let mariadb = stores.in_mariadb.then(databases::Programs::find).transpose()?;
        let redis = stores.in_redis.then(Redis::find).transpose()?;
        Ok(Self { monitor: program::monitor()?, mariadb, redis })
    }

    fn stores(&self) -> Stores {
        Stores { in_mariadb: self.mariadb.is_some(), in_redis: self.redis.is_some() }
    }
}

/// What people need to know.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) site: String,
    /// The same, where TLS ends at the balancer.
    pub(super) front: String,
    pub(super) pages: Vec<String>,
    pub(super) user: String,
    pub(super) password: String,
}

pub(super) struct Show {
    pub(super) home: Home,
    pub(super) stage: Rc<Stage>,
    pub(super) service: Service,
    pub(super) cast: Cast,
    pub(super) stores: Stores,
    databases: Option<Databases>,
    redis: Option<Redis>,
    pub(super) view: Shared,
    pub(super) access: Access,
    pub(super) tls: TlsConnector,
    devices: Child,
    /// Relays, looks and loads: gone with this value.
    tasks: JoinSet<()>,
}

impl Show {
    /// Starts everybody and returns once everything is up. `say_each` is how often the devices say
    /// how far they are.
    pub(super) async fn start(
        home: Home,
        programs: Programs,
        stage: Stage,
        doors: Doors,
        say_each: Duration,
    ) -> Result<Self> {
        let stage = Rc::new(stage);
        let stores = programs.stores();
        let service = Service { program: programs.monitor, folder: home.path().to_owned() };
        let secret = databases::secret()?;
        settle_in(&service, &home, stage.ground, stores.settings(stage.ground, &secret)).await?;
        let mut cast = Cast::default();
        let mut databases = match programs.mariadb {
            Some(found) => {
                let place = (home.path(), secret.as_str());
                Some(Databases::start(found, place, &mut cast, &stage).await?)
            }
            None => None,
        };
        let redis = programs.redis.map(|program| Redis::new(program, home.path()));
        let following = async {
            match &mut databases {
                Some(databases) => databases.follow_all().await,
                None => Ok(()),
            }
        };
        let caching = async {
            for actor in stores.caches() {
                if let Some(redis) = &redis {
                    redis.start(&mut cast, &stage, actor).await?;
                }
            }
            Ok(())
        };
        // None of these needs another.
        let ((), (), password) = try_join!(following, caching, enrol(&service, &home))?;
        let tls = wire::trusting(&home.file("site.pem"))?;
        let mut tasks = JoinSet::new();
        let access = open(doors, &stage, password, &mut tasks)?;
        for actor in Actor::ensemble().filter(|it| !it.is_store()) {
            cast.start(actor, &home, &stage, &service)?;
        }
        let view: Shared = Rc::new(RefCell::new(View::default()));
        let devices = devices(&service, stage.ground, say_each, &view, &mut tasks)?;
        watch(&view, &stage, &service, &mut tasks);
        let mut show = Self {
            home,
            stage,
            service,
            cast,
            stores,
            databases,
            redis,
            view,
            access,
            tls,
            devices,
            tasks,
        };
        show.await_all().await?;
        show.note_keepers();
        Ok(show)
    }

    async fn await_all(&mut self) -> Result<()> {
        let all_up = async {
            loop {
                let fallen = self.cast.fallen(&self.home);
                if let Some((_, first)) = fallen.into_iter().next() {
                    return Err(anyhow!(first));
                }
                if self.missing().is_none() {
                    return Ok(());
                }
                sleep(LOOK_EVERY).await;
            }
        };
        match timeout(PATIENCE, all_up).await {
            Ok(done) => done,
            Err(_late) => {
                let missing = self.missing().unwrap_or_default();
                bail!("the demo did not come up within {} s: {missing}", PATIENCE.as_secs())
            }
        }
    }

    /// What is not up yet.
    fn missing(&self) -> Option<String> {
        let view = self.view.borrow();
        if view.owner().is_none() {
            return Some("no balancer serves".to_owned());
        }
        let servers = Actor::ensemble().filter(|actor| actor.pool().is_some());
        let absent: Vec<String> =
            servers.filter(|it| !view.uses(*it)).map(|it| it.to_string()).collect();
        if !absent.is_empty() {
            let first = &absent[0];
            let words = last_words(self.home.path(), first);
            return Some(format!("{} not in use: {words}", absent.join(", ")));
        }
        let quiet = view.devices.acknowledged == 0 || view.shards.is_empty();
        quiet.then(|| "nothing is stored".to_owned())
    }

    /// Everybody who can be given orders.
    fn names(&self) -> Vec<Actor> {
        let clone = self.cast.runs(CLONE).then_some(CLONE);
        self.stores.ensemble().chain(clone).collect()
    }

    /// Does what a line from another terminal says.
    pub(super) async fn obey(&mut self, line: &str) -> Result<String, String> {
        let (word, actor) = Word::parse(line, &self.names())?;
        self.order(word, actor).await.map_err(|error| format!("{error:#}"))
    }

    /// Does something to somebody, and says what is done.
    pub(super) async fn order(&mut self, word: Word, actor: Actor) -> Result<String> {
        match (actor, &mut self.databases) {
            (Actor::Shard(_) | Actor::Replica(_), Some(databases)) => {
                return databases.order((&mut self.cast, &*self.stage), word, actor).await;
            }
            (Actor::Shard(number), None) => return self.order_shard(word, number),
            _ => {}
        }
        match word {
            Word::Kill => self.cast.kill(actor).await?,
            Word::Stop => self.cast.stop(actor).await?,
            Word::Start if self.cast.runs(actor) => bail!("{actor} runs already"),
            Word::Start => match &self.redis {
                Some(redis) if actor.is_store() => {
                    redis.start(&mut self.cast, &self.stage, actor).await?;
                }
                _ => self.cast.start(actor, &self.home, &self.stage, &self.service)?,
            },
            Word::Load => self.load(actor, LASTS)?,
        }
        Ok(match word {
            Word::Kill => format!("{actor} is killed; `demo start {actor}` brings it back"),
            Word::Stop => format!("{actor} has stopped; `demo start {actor}` brings it back"),
            Word::Start => format!("{actor} is started"),
            Word::Load => format!("{actor} gets as much work as it takes, for {LASTS:?}"),
        })
    }

    /// A shard in a file is off as long as there is another file.
    fn order_shard(&self, word: Word, number: u8) -> Result<String> {
        let actor = Actor::Shard(number);
        let off = self.home.file(&format!("shard{number}.db.offline"));
        let is_off = off.exists();
        match (word, is_off) {
            (Word::Kill | Word::Stop, false) => {
                self.home.write(&format!("shard{number}.db.offline"), "")?;
                Ok(format!("{actor} is off; `demo start {actor}` brings it back"))
            }
            (Word::Start, true) => {
                std::fs::remove_file(&off).context("cannot switch it on")?;
                Ok(format!("{actor} is on"))
            }
            (Word::Kill | Word::Stop, true) => bail!("{actor} is off already"),
            (Word::Start, false) => bail!("{actor} is on already"),
            (Word::Load, _) => bail!("{actor} has no load of its own: load a server, such as cs0"),
        }
    }

    /// Starts to give somebody more work than there is.
    pub(super) fn load(&mut self, actor: Actor, lasts: Duration) -> Result<()> {
        if !self.cast.runs(actor) {
            bail!("{actor} does not run");
        }
        let ground = self.stage.ground;
        let target = match actor {
            Actor::Comm(_) => Target::Comm(ground.work(actor)),
            Actor::Web(_) => Target::Site(ground.work(actor)),
            Actor::Balancer(_) => Target::Site(ground.site()),
            _ => bail!("{actor} has no load of its own: load a server, such as cs0"),
        };
        let tls = self.tls.clone();
        self.tasks.spawn_local(burden(target, tls, lasts));
        Ok(())
    }

    /// What has become of those who ended by themselves, a line each.
    pub(super) async fn fallen(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for (actor, how) in self.cast.fallen(&self.home) {
            lines.push(how);
            let (Actor::Shard(_) | Actor::Replica(_), Some(databases)) =
                (actor, &mut self.databases)
            else {
                continue;
            };
            let follows = databases.lost(&self.cast, actor).await;
            lines.push(follows.unwrap_or_else(|error| format!("{error:#}")));
        }
        lines
    }

    /// Notes who keeps what, for those who look.
    pub(super) fn note_keepers(&self) {
        let mut view = self.view.borrow_mut();
        view.shard_words = match &self.databases {
            Some(databases) => (0..SHARDS).map(|it| databases.words(&self.cast, it)).collect(),
            None => Vec::new(),
        };
        let nodes = self.stores.caches().filter_map(|actor| match actor {
            Actor::Cache(number) => Some((actor, Actor::CacheReplica(number))),
            _ => None,
        });
        view.caches = nodes
            .map(|(actor, replica)| CacheNode {
                actor,
                is_up: self.cast.runs(actor),
                replica,
                replica_is_up: self.cast.runs(replica),
            })
            .collect();
    }

    /// Asks the devices to end when all they have is acknowledged, and waits until they have.
    pub(super) async fn end_devices(&mut self) -> Result<()> {
        super::cast::tell(&self.devices, rustix::process::Signal::INT);
        let Ok(ended) = timeout(PATIENCE, self.devices.wait()).await else {
            let (seconds, left) = (PATIENCE.as_secs(), self.view.borrow().devices.pending());
            bail!("the devices have not ended after {seconds} s, with {left} readings left");
        };
        ended.map(drop).context("cannot wait for the devices")
    }

    /// Ends everybody.
    pub(super) async fn end(mut self) {
        self.tasks.abort_all();
        // One that has ended already is what is wanted.
        let _ = self.devices.kill().await;
        self.cast.end().await;
    }
}

/// Settings and certificate.
async fn settle_in(
    service: &Service,
    home: &Home,
    ground: Ground,
    settings: Option<String>,
) -> Result<()> {
    if let Some(text) = settings {
        home.write(SETTINGS, &text)?;
    }
    let webs = (0..SERVERS).map(|number| ground.work(Actor::Web(number)));
    let hosts = webs.chain([ground.site()]).map(|at| at.ip().to_string());
    let hosts: Vec<String> = hosts.flat_map(|host| ["--host".to_owned(), host]).collect();
    let mut init = vec!["init"];
    init.extend(hosts.iter().map(String::as_str));
    service.ask(&init).await.map(drop)
}

/// Devices and a user, whose password it gives.
async fn enrol(service: &Service, home: &Home) -> Result<String> {
    let devices = service.ask(&["register", "--count", &DEVICES.to_string()]).await?;
    home.write(DEVICES_FILE, &devices)?;
    let password = service.ask(&["user", "set", USER, "--generate"]).await?;
    Ok(password.trim().to_owned())
}

/// Has connections to the doors passed on.
fn open(
    doors: Doors,
    stage: &Rc<Stage>,
    password: String,
    tasks: &mut JoinSet<()>,
) -> Result<Access> {
    let Doors { site, front, pages } = doors;
    let ground = stage.ground;
    let access = Access {
        site: format!("https://{}/", site.local_addr()?),
        front: format!("https://{}/", front.local_addr()?),
        pages: pages
            .iter()
            .map(|page| Ok(format!("http://{}/", page.local_addr()?)))
            .collect::<Result<_>>()?,
        user: USER.to_owned(),
        password,
    };
    let mut relays = Vec::new();
    for (number, listener) in (0..).zip(pages) {
        let (from, targets) = (Actor::Balancer(number), vec![Ground::admin(number)]);
        relays.push(Relay { listener, from, targets });
    }
    let from = Actor::Web(0);
    for (listener, entrance) in [(site, ground.site()), (front, ground.front())] {
        relays.push(Relay { listener, from, targets: ground.fronts(entrance.port()) });
    }
    if ground == Ground::Loopback {
        // In place of the virtual address.
        for entrance in [ground.comm(), ground.site(), ground.front()] {
            let listener = TcpListener::bind(entrance)
                .with_context(|| format!("cannot listen on {entrance}"))?;
            relays.push(Relay { listener, from, targets: ground.fronts(entrance.port()) });
        }
    }
    for relay in relays {
        let stage = Rc::clone(stage);
        // It ends only where its listener cannot be used, which was tried by binding it.
        tasks.spawn_local(async move { drop(relay.run(stage).await) });
    }
    Ok(access)
}

/// Starts the devices, who are heard.
fn devices(
    service: &Service,
    ground: Ground,
    say_each: Duration,
    view: &Shared,
    tasks: &mut JoinSet<()>,
) -> Result<Child> {
    let (to, each) = (ground.comm().to_string(), format!("{}ms", say_each.as_millis()));
    let arguments = ["device", "--to", &to, "--devices", DEVICES_FILE, "--progress", &each];
    let mut command = service.command("devices", &arguments)?;
    command.args(["--report", DEVICES_REPORT]).stdout(Stdio::piped());
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().context("cannot start the devices")?;
    let words = child.stdout.take().context("the devices have no stdout")?;
    let view = Rc::clone(view);
    // Once they cannot be heard any more their figures stand still.
    tasks.spawn_local(async move { drop(view::hear_devices(view, words).await) });
    Ok(child)
}

/// Starts to look at everybody.
fn watch(view: &Shared, stage: &Rc<Stage>, service: &Service, tasks: &mut JoinSet<()>) {
    for number in 0..BALANCERS {
        tasks.spawn_local(view::look_at_balancer(Rc::clone(view), Rc::clone(stage), number));
    }
    for actor in Actor::ensemble().filter(|actor| actor.pool().is_some()) {
        tasks.spawn_local(view::look_at_server(Rc::clone(view), Rc::clone(stage), actor));
    }
    let service = service.clone();
    let count = move || {
        let service = service.clone();
        async move { service.shards().await }
    };
    tasks.spawn_local(view::look_at_shards(Rc::clone(view), count));
}

/// The news of a show, as `board` tells them.
#[derive(Debug, Default)]
pub(super) struct News {
    states: std::collections::BTreeMap<String, board::State>,
}

impl News {
    /// What has changed since it was last asked.
    pub(super) fn since(&mut self, view: &View) -> Vec<String> {
        let now = board::states(view);
        let news = board::changes(&self.states, &now);
        self.states.extend(now);
        news
    }
}
