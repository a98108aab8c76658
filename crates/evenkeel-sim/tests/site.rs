//! The monitoring service's site in a browser, through a balancer that passes TLS on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use evenkeel_sim::balancer::binary;
use evenkeel_sim::browser::{Browser, NO_BROWSER};
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{Process, bound, run};
use evenkeel_sim::scratch::Scratch;

const PASSWORD: &str = "correct horse";

/// The service in a folder of its own.
struct Service {
    monitor: PathBuf,
    scratch: Scratch,
}

impl Service {
    /// With a certificate, a user and three devices. `None` where it is not built.
    fn new() -> Option<Self> {
        let monitor = Some(binary().with_file_name("monitor")).filter(|file| file.is_file())?;
        let service = Self { monitor, scratch: Scratch::new("site") };
        run(service.command(Command::new(&service.monitor)).arg("init"));
        let mut set = service.command(Command::new(&service.monitor));
        set.args(["user", "set", "ann"]).stdin(Stdio::piped());
        let mut set = Process::start("monitor user", set);
        set.tell(PASSWORD);
        assert!(set.wait(PATIENCE).success(), "{}", set.stderr.text());
        let mut register = service.command(Command::new(&service.monitor));
        let devices = run(register.args(["register", "--count", "3"]));
        service.scratch.write("devices.txt", devices);
        Some(service)
    }

    fn command(&self, mut command: Command) -> Command {
        command.current_dir(self.scratch.path());
        command
    }

    fn start(&self, name: &str, arguments: &[&str]) -> Process {
        let mut command = self.command(bound(&self.monitor));
        command.args(arguments);
        Process::start(name, command)
    }

    /// A server, with its name for `web`.
    fn server(&self, part: &str, at: SocketAddr, more: &[&str]) -> Process {
        let (at, admin) = (at.to_string(), free_address().to_string());
        self.start(part, &[&[part, "--bind", &at, "--admin", &admin], more].concat())
    }
}

#[test]
fn who_is_logged_in_stays_so_when_the_web_server_dies() {
    let mut browser = skip_unless!(Browser::start(), NO_BROWSER);
    let service = skip_unless!(Service::new(), "monitor is not built beside evenkeel");
    let [comm_at, ws0_at, ws1_at, listen] = std::array::from_fn(|_| free_address());
    let _comm = service.server("comm", comm_at, &[]);
    let mut webs = [("ws0", ws0_at), ("ws1", ws1_at)]
        .map(|(name, at)| (name, service.server("web", at, &["--name", name])));
    let to = comm_at.to_string();
    let devices = ["device", "--to", &to, "--devices", "devices.txt", "--interval", "100ms"];
    let _devices = service.start("devices", &devices);
    let lb = balancer(&format!(
        "[listener.web]\nbind = [\"{listen}\"]\nprotocol = \"tls\"\npool = \"web\"\n\
         [pool.web]\nservers = [\"{ws0_at}\", \"{ws1_at}\"]\n{}",
        QUICK_CHECK.replace("pool.app", "pool.web")
    ));
    for at in [ws0_at, ws1_at] {
        lb.await_health("web", at, "up");
    }
    let folder = std::env::var_os("PHOTOGRAPHS").map(PathBuf::from);
    let look = |browser: &mut Browser, name: &str| {
        let folder = folder.clone().unwrap_or_else(|| service.scratch.path().to_owned());
        browser.does(&format!("photograph {}", folder.join(name).display()));
        browser.does("accessible");
    };

    browser.does(&format!("open https://{listen}/"));
    look(&mut browser, "login");
    browser.does("fill Name ann");
    browser.does(&format!("fill Password {PASSWORD}"));
    browser.does("press Log in");
    browser.does("says device-0001");
    look(&mut browser, "devices");
    browser.does("press device-0001");
    browser.does("says temperature");
    browser.does("moves #charts svg");
    look(&mut browser, "device");

    let answered = browser.does("read footer");
    let (_, dies) = webs
        .iter_mut()
        .find(|(name, _)| answered.ends_with(name))
        .unwrap_or_else(|| panic!("{answered}"));
    dies.signal(Signal::KILL);
    browser.does("press Alarms");
    let now = browser.does("read footer");
    assert!(now.starts_with("answered by ws") && now != answered, "{answered}, then {now}");
    assert!(browser.does("read header").contains("ann"));
    look(&mut browser, "alarms");
    browser.does("press Devices");
    browser.does("press device-0002");
    browser.does("moves #charts svg");
}
