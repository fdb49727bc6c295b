//! The name and the version of the operating system, read once from [os-release(5)].
//!
//! The LiveKit SDK tells both to the server whenever it connects. The published crate of this name starts `lsb_release` and
//! `getconf` for each answer and waits for them on the thread that asks: 15 ms of processor time for each join, during
//! which no other session of that thread goes on. This crate stands in its place (`[patch.crates-io]` in the workspace's
//! Cargo.toml) and has what the SDK calls.
//!
//! [os-release(5)]: https://www.freedesktop.org/software/systemd/man/latest/os-release.html

#![forbid(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

/// The places of the file, in the order of the manual.
const FILES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// The file has a line for each of some twenty variables.
const MOST: u64 = 64 << 10;

/// What is known of the operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    os_type: Type,
    version: Version,
}

/// The name of an operating system: that of the distribution where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type(String);

/// The version of an operating system, `Unknown` where it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

/// What is known of this system. The file is read at the first call.
pub fn get() -> Info {
    static INFO: OnceLock<Info> = OnceLock::new();
    INFO.get_or_init(|| Info::of(FILES.iter().map(Path::new))).clone()
}

// === impl Info ===

impl Info {
    /// The name of the system.
    pub fn os_type(&self) -> &Type {
        &self.os_type
    }

    /// The version of the system.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The first file that can be read counts.
    fn of<'a>(mut files: impl Iterator<Item = &'a Path>) -> Self {
        files.find_map(read).map_or_else(Self::unknown, |text| Self::parse(&text))
    }

    fn unknown() -> Self {
        Self { os_type: Type(std::env::consts::OS.to_owned()), version: Version("Unknown".to_owned()) }
    }

    fn parse(text: &str) -> Self {
        let Self { os_type, version } = Self::unknown();
        let os_type = value(text, "NAME").map_or(os_type, Type);
        Self { os_type, version: value(text, "VERSION_ID").map_or(version, Version) }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn read(path: &Path) -> Option<String> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(MOST).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The value of a variable, without its quotes; none if it is empty. The last assignment counts, as in a shell.
fn value(text: &str, name: &str) -> Option<String> {
    let mut assigned = text.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    let value = assigned.next_back()?.trim();
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String) {
        let info = Info::parse(text);
        (info.os_type().to_string(), info.version().to_string())
    }

    #[test]
    fn name_and_version_are_read_whatever_their_quotes() {
        let debian = "PRETTY_NAME=\"Debian 13\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"13\"\nID=debian\n";
        assert_eq!(parsed(debian), ("Debian GNU/Linux".to_owned(), "13".to_owned()));
        assert_eq!(parsed("NAME=Fedora\r\nVERSION_ID=44"), ("Fedora".to_owned(), "44".to_owned()));
        assert_eq!(
            parsed("NAME='Alpine Linux'\nVERSION_ID=3.24.1"),
            ("Alpine Linux".into(), "3.24.1".into())
        );
        assert_eq!(parsed("NAME=a\nNAME=b").0, "b");
    }

    #[test]
    fn what_the_file_does_not_say_is_unknown() {
        let (os, unknown) = (std::env::consts::OS.to_owned(), "Unknown".to_owned());
        for text in ["", "NAME=\nVERSION_ID=\"\"", "# NAME=x\nVERSION=1", "NAME"] {
            assert_eq!(parsed(text), (os.clone(), unknown.clone()), "{text:?}");
        }
        assert_eq!(parsed("NAME=Arch Linux"), ("Arch Linux".to_owned(), unknown));
    }

    #[test]
    fn the_first_file_that_is_there_counts_and_bytes_of_any_kind_do_no_harm() {
        let directory = tempfile::tempdir().unwrap();
        let [missing, first, second] = ["missing", "first", "second"].map(|name| directory.path().join(name));
        std::fs::write(&first, b"NAME=\xff\nVERSION_ID=1").unwrap();
        std::fs::write(&second, "NAME=second").unwrap();
        let info = Info::of([missing.as_path(), &first, &second].into_iter());
        assert_eq!((info.os_type().to_string(), info.version().to_string()), ("\u{fffd}".into(), "1".into()));
        assert_eq!(Info::of([missing.as_path()].into_iter()), Info::unknown());
        assert_eq!(get(), get());
    }
}
