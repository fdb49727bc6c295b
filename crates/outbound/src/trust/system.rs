//! The certificates of the system: those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, as OpenSSL reads them, else
//! those of the system's own places.
//!
//! The paths of the variables are read here and not by `rustls-native-certs`, which reads any file to its end.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use statedir::named_file::{self, Content, DirectoryBounds, FileBounds, FileError};

use super::MAX_BYTES;

const FILE: &str = "SSL_CERT_FILE";
const DIRECTORIES: &str = "SSL_CERT_DIR";

/// A directory has a file, and a link or two, for each certificate.
const DIRECTORY: DirectoryBounds = DirectoryBounds { max_files: 4_096, max_bytes: MAX_BYTES };
/// Directories that the variable may name.
const MAX_DIRECTORIES: usize = 16;

/// The certificates, and the named paths that were not read, each with the reason.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) unread: Vec<String>,
}

pub(super) fn certificates() -> Found {
    let (file, directories) = (env::var_os(FILE), env::var_os(DIRECTORIES));
    named(file.as_deref(), directories.as_deref()).unwrap_or_else(own)
}

/// The certificates of the system's own places.
fn own() -> Found {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the system cannot be read");
    }
    Found { certificates: found.certs, unread: Vec::new() }
}

/// None where the variables name nothing.
fn named(file: Option<&OsStr>, directories: Option<&OsStr>) -> Option<Found> {
    let is_named = |path: &PathBuf| !path.as_os_str().is_empty();
    let directories = directories.map(|list| env::split_paths(list).filter(is_named).collect::<Vec<_>>());
    let directories = directories.unwrap_or_default();
    if file.is_none() && directories.is_empty() {
        return None;
    }
    let mut found = Found::default();
    if let Some(file) = file.map(Path::new) {
        found.add_file(file);
    }
    directories.iter().take(MAX_DIRECTORIES).for_each(|directory| found.add_directory(directory));
    found.certificates.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    found.certificates.dedup();
    Some(found)
}

// === impl Found ===

impl Found {
    fn add_file(&mut self, file: &Path) {
        match named_file::read(file, FileBounds::regular(MAX_BYTES)) {
            Ok(content) if self.add(&content) == 0 => {
                self.refuse(FILE, file, "it holds no certificate in PEM")
            }
            Ok(_) => {}
            Err(error) => self.refuse(FILE, file, &error.to_string()),
        }
    }

    fn add_directory(&mut self, directory: &Path) {
        match named_file::read_directory(directory, DIRECTORY) {
            Ok(files) => files.into_iter().for_each(|(file, read)| self.add_one_of_many(&file, read)),
            Err(error) => self.refuse(DIRECTORIES, directory, &error.to_string()),
        }
    }

    fn add_one_of_many(&mut self, file: &Path, read: Result<Content, FileError>) {
        match read {
            Ok(content) => {
                self.add(&content);
            }
            Err(error) => {
                tracing::debug!(file = %file.display(), %error, "a certificate of the system cannot be read");
            }
        }
    }

    /// Adds the certificates of a file; returns their number. Parts that are no certificate are passed over.
    fn add(&mut self, content: &Content) -> usize {
        let before = self.certificates.len();
        self.certificates.extend(CertificateDer::pem_slice_iter(&content.bytes).filter_map(Result::ok));
        self.certificates.len() - before
    }

    fn refuse(&mut self, variable: &str, path: &Path, why: &str) {
        let path = path.display();
        self.unread.push(format!("{variable} names {path}, whose certificates cannot be read: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn pem(name: &str) -> String {
        rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem()
    }

    fn read(file: Option<&Path>, directories: &str) -> Found {
        named(file.map(Path::as_os_str), Some(OsStr::new(directories))).unwrap()
    }

    #[test]
    fn files_and_directories_give_each_certificate_once() {
        let dir = tempfile::tempdir().unwrap();
        let (bundle, hashed) = (dir.path().join("bundle.pem"), dir.path().join("hashed"));
        let (one, two) = (pem("one.test"), pem("two.test"));
        fs::write(&bundle, format!("# ours\n{one}{two}")).unwrap();
        fs::create_dir_all(hashed.join("below")).unwrap();
        fs::write(hashed.join("two.pem"), &two).unwrap();
        fs::write(hashed.join("README"), "no certificate").unwrap();
        std::os::unix::fs::symlink("two.pem", hashed.join("0a1b2c3d.0")).unwrap();
        std::os::unix::fs::symlink("nothing", hashed.join("ffffffff.0")).unwrap();
        let all = read(Some(&bundle), &format!(":{}", hashed.display()));
        assert_eq!((all.certificates.len(), all.unread.len()), (2, 0), "{:?}", all.unread);
        assert_eq!(read(None, hashed.to_str().unwrap()).certificates.len(), 1);
        assert!(named(None, None).is_none() && named(None, Some(OsStr::new(":"))).is_none());
    }

    #[test]
    fn what_the_variables_name_and_is_no_file_is_said_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        for (path, why) in [
            (Path::new("/dev/zero"), "it is a character device"),
            (Path::new("/dev/urandom"), "it is a character device"),
            (dir.path(), "Is a directory"),
            (&dir.path().join("none"), "No such file"),
            (Path::new("/dev/null"), "no certificate"),
        ] {
            let found = read(Some(path), "");
            let said = found.unread.join("\n");
            assert!(said.starts_with("SSL_CERT_FILE names ") && said.contains(why), "{said}");
            assert!(found.certificates.is_empty() && !said.contains('\n'), "{said}");
        }
        let said = read(None, "/dev/zero:/nowhere/at/all").unread;
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said.iter().all(|said| said.starts_with("SSL_CERT_DIR names /")), "{said:?}");
    }

    #[test]
    fn a_directory_of_more_than_its_bound_is_refused_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..3 {
            let file = fs::File::create(dir.path().join(format!("{number}.pem"))).unwrap();
            file.set_len(MAX_BYTES / 2).unwrap();
        }
        let found = read(None, dir.path().to_str().unwrap());
        assert!(found.unread[0].contains("it is larger than 8388608 bytes"), "{:?}", found.unread);
    }
}
