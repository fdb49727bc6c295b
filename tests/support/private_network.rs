//! A network of a test's own, in namespaces that end with it: the test and its servers on one side, a worker on the
//! other, and between them a cable that the test can pull.
//!
//! Such a test runs itself once more inside (`inside`); `Side::made` then makes the other side, and `Cable::lay` a
//! cable to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use testbed::Process;
use tokio::net::{TcpListener, TcpStream};

use super::again;
use super::skipped;
use super::small_disk::through;

/// Set within the namespace.
const INSIDE: &str = "VOICED_INSIDE";
const OURS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const OURS_TOO: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The arguments of `unshare` for root, and for an unprivileged user where the kernel allows user namespaces.
const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];

/// The other side. It ends when this is dropped.
pub(crate) struct Side {
    holder: Process,
}

/// A cable to the other side.
pub(crate) struct Cable {
    side: Side,
}

/// Whether this process is in a network of its own. If not, the test `name` of this program is run once more within
/// one, and must succeed there. Where no such network can be made the test is skipped, with a line about it.
pub(crate) fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let works = |way: &&&[&str]| {
        let mut tried = Command::new("unshare");
        tried.args(**way).args(["ip", "link", "set", "lo", "up"]).stderr(Stdio::null());
        tried.status().is_ok_and(|status| status.success())
    };
    let Some(way) = WAYS.iter().find(works) else {
        skipped("no network of a test's own can be made here (root or user namespaces, and iproute2)");
        return false;
    };
    let mut unshare = Command::new("unshare");
    again::run(unshare.args(*way).arg(again::program().get_program()).env(INSIDE, "1"), name);
    false
}

// === impl Side ===

impl Side {
    /// Nothing connects the sides yet.
    pub(crate) fn made() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sleep", "3600"]);
        let side = Self { holder: Process::attached("the other side", &mut command).unwrap() };
        side.wait_for_namespace();
        ip(&["link", "set", "lo", "up"]);
        let mut command = Command::new("ip");
        command.args(["link", "set", "lo", "up"]);
        assert!(side.beyond(&command).status().unwrap().success());
        side
    }

    /// The id of a process that is on this side.
    pub(crate) fn id(&self) -> u32 {
        self.holder.id()
    }

    /// `command`, to be run on the other side. It keeps its process id.
    pub(crate) fn beyond(&self, command: &Command) -> Command {
        let net = format!("--net=/proc/{}/ns/net", self.holder.id());
        through("nsenter", &[&net], command)
    }

    /// Waits, because the process exists before it has left our namespace.
    fn wait_for_namespace(&self) {
        let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
        let there = self.holder.id().to_string();
        while namespace("self") == namespace(&there) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

// === impl Cable ===

impl Cable {
    /// Our side is a bridge, so that the cable can be pulled without either side being told.
    pub(crate) fn lay() -> Self {
        let cable = Self { side: Side::made() };
        let there = cable.side.id().to_string();
        ip(&["link", "add", "br0", "type", "bridge"]);
        ip(&["addr", "add", &format!("{OURS}/24"), "dev", "br0"]);
        ip(&["link", "set", "br0", "up"]);
        ip(&["link", "add", "cable", "type", "veth", "peer", "name", "eth0", "netns", &there]);
        ip(&["link", "set", "cable", "up"]);
        cable.ip_beyond(&["addr", "add", &format!("{THEIRS}/24"), "dev", "eth0"]);
        cable.ip_beyond(&["link", "set", "eth0", "up"]);
        cable.mend();
        cable
    }

    /// Our address, as the other side reaches it.
    pub(crate) fn our_address(&self) -> IpAddr {
        OURS.into()
    }

    /// `command`, to be run on the other side. It keeps its process id.
    pub(crate) fn beyond(&self, command: &Command) -> Command {
        self.side.beyond(command)
    }

    /// Cuts the connection without either side being told.
    pub(crate) fn pull(&self) {
        ip(&["link", "set", "cable", "nomaster"]);
    }

    pub(crate) fn mend(&self) {
        ip(&["link", "set", "cable", "master", "br0"]);
    }

    /// One more address of ours, for servers that stay reached when [`Cable::divert`] takes away the first.
    pub(crate) fn second_address(&self) -> IpAddr {
        ip(&["addr", "add", &format!("{OURS_TOO}/24"), "dev", "br0"]);
        OURS_TOO.into()
    }

    /// Nothing that the other side sends to our first address arrives any more, and it is not told.
    pub(crate) fn divert(&self) {
        let to_nobody = ["lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent"];
        self.ip_beyond(&[&["neigh", "replace", &OURS.to_string()], to_nobody.as_slice()].concat());
    }

    /// Ends what [`Cable::divert`] began.
    pub(crate) fn undivert(&self) {
        self.ip_beyond(&["neigh", "del", &OURS.to_string(), "dev", "eth0"]);
    }

    /// From now on the other side sends so many bits a second; None: as many as it wants.
    pub(crate) fn slow_down(&self, rate: Option<&str>) {
        let mut command = Command::new("tc");
        match rate {
            Some(rate) => command
                .args(["qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate])
                .args(["burst", "1600", "latency", "500ms"]),
            None => command.args(["qdisc", "del", "dev", "eth0", "root"]),
        };
        assert!(self.beyond(&command).status().unwrap().success(), "{command:?}");
    }

    fn ip_beyond(&self, arguments: &[&str]) {
        let mut command = Command::new("ip");
        command.args(arguments);
        assert!(self.beyond(&command).status().unwrap().success(), "ip {arguments:?}");
    }

    /// Lets the other side reach a server that listens on our loopback.
    pub(crate) async fn forward(&self, port: u16) {
        self.forward_at(self.our_address(), port).await;
    }

    /// [`Cable::forward`] at another address of ours.
    pub(crate) async fn forward_at(&self, address: IpAddr, port: u16) {
        let listener = TcpListener::bind(SocketAddr::new(address, port)).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut outer, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut inner = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                    tokio::io::copy_bidirectional(&mut outer, &mut inner).await
                });
            }
        });
    }
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}
