//! The system's figures about this process, where they are cheap to read: Linux' `/proc`. Elsewhere there are none.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;

use super::catalogue::{self, Definition};
use super::meter::{Label, Meter};

/// The metric of a reading, and the function that makes it.
type Reading = (&'static Definition, fn() -> Option<f64>);

const READINGS: [Reading; 6] = [
    (&catalogue::PROCESS_CPU, || cpu_seconds(&stat()?)),
    (&catalogue::PROCESS_MEMORY, || kibibytes(&status()?, "VmRSS:")),
    (&catalogue::PROCESS_VIRTUAL, || kibibytes(&status()?, "VmSize:")),
    (&catalogue::PROCESS_FDS, open_files),
    (&catalogue::PROCESS_SOCKETS, open_sockets),
    (&catalogue::PROCESS_THREADS, || field(&status()?, "Threads:")),
];

/// Linux reports processor time in ticks of a hundredth of a second to every program, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// Shows the process, its build, and its tasks.
pub(super) fn observe(meter: &Meter) {
    let version = Label::new("version", env!("CARGO_PKG_VERSION"));
    let target = Label::new("target", format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS));
    meter.observe(&catalogue::BUILD, vec![version, target], || Some(1.0));
    for (definition, read) in READINGS {
        meter.observe(definition, Vec::new(), read);
    }
    // A reading may come from a thread outside of the runtime. Commands that count only for themselves have no runtime.
    if let Ok(runtime) = Handle::try_current() {
        meter.observe(&catalogue::TASKS, Vec::new(), move || {
            u32::try_from(runtime.metrics().num_alive_tasks()).ok().map(f64::from)
        });
    }
    let started = start_time();
    meter.observe(&catalogue::PROCESS_START, Vec::new(), move || Some(started));
}

/// To be called at the start; asking the kernel would need the time of boot.
fn start_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn status() -> Option<String> {
    fs::read_to_string("/proc/self/status").ok()
}

fn stat() -> Option<String> {
    fs::read_to_string("/proc/self/stat").ok()
}

fn open_files() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    // The descriptor of the listing itself is one of them.
    u32::try_from(open.saturating_sub(1)).ok().map(f64::from)
}

fn open_sockets() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.flatten();
    // A descriptor that was closed meanwhile has no link any more.
    let links = open.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    u32::try_from(links.filter(|link| is_socket(link)).count()).ok().map(f64::from)
}

/// The link of a descriptor names its kind, as in `socket:[4711]`.
fn is_socket(link: &Path) -> bool {
    link.as_os_str().as_encoded_bytes().starts_with(b"socket:")
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    field(status, name).map(|number| number * 1024.0)
}

fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The 14th and 15th field; the second, the program's name, may hold spaces and ends at the last parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<f64> =
        fields.split_whitespace().skip(11).take(2).filter_map(|text| text.parse().ok()).collect();
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_read() {
        let status = "Name:\tvoiced\nVmSize:\t  2048 kB\nVmRSS:\t    12 kB\nThreads:\t7\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(12288.0));
        assert_eq!(field(status, "Threads:"), Some(7.0));
        assert_eq!(field(status, "Nothing:"), None);
        let stat = "42 (a name) with) S 1 42 42 0 -1 4194560 500 0 0 0 150 50 0 0 20 0 7 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("garbage"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_threads_files_and_sockets() {
        let _socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        for (definition, read) in READINGS {
            let value = read().unwrap_or_else(|| panic!("{} cannot be read", definition.name));
            let may_be_zero = definition.name == catalogue::PROCESS_CPU.name;
            assert!(value > 0.0 || may_be_zero, "{} = {value}", definition.name);
        }
    }

    #[test]
    fn a_socket_is_told_from_other_files() {
        assert!(is_socket(Path::new("socket:[4711]")));
        for other in ["pipe:[4711]", "anon_inode:[eventpoll]", "/tmp/socket:[4711]"] {
            assert!(!is_socket(Path::new(other)), "{other}");
        }
    }
}
