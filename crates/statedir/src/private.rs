//! Directories of mode 0700 and files of mode 0600, which no other user may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FILE_MODE: u32 = 0o600;
/// The end of a [working name](working).
const WORKING: &str = ".new";

/// Whether a written file is on the disk, or in the kernel, which keeps it while the machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    Disk,
    Kernel,
}

/// Makes a directory, and those above it. An existing one keeps its mode.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file to read and write, or makes it. An existing one keeps its mode and content.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(path)
}

/// Opens a file to read and to write at its end, or makes it.
pub fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE).open(path)
}

/// Makes a file to write at its end. What lay in its place is removed first, since it would keep its mode and content.
pub fn create(path: &Path) -> io::Result<File> {
    drop(fs::remove_file(path));
    OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Writes a file under its [working name](working). A failure leaves nothing there, since a part of a file would take
/// room that a full disk does not have.
pub fn prepare(path: &Path, content: &[u8], durability: Durability) -> io::Result<()> {
    let working = working(path);
    let write = || {
        let mut file = create(&working)?;
        file.write_all(content)?;
        if durability == Durability::Disk { file.sync_data() } else { Ok(()) }
    };
    write().inspect_err(|_| drop(fs::remove_file(&working)))
}

/// Gives a file that was [prepared](prepare) its name, in place of what had it before.
pub fn publish(path: &Path) -> io::Result<()> {
    fs::rename(working(path), path)
}

/// Replaces a file as a whole: a reader gets the old content or the new one.
pub fn replace(path: &Path, content: &[u8], durability: Durability) -> io::Result<()> {
    prepare(path, content, durability)?;
    publish(path)
}

/// The name of a file while it is written: `.new` stands behind its own.
pub fn working(path: &Path) -> PathBuf {
    beside(path, WORKING)
}

/// Removes the files of a directory that were prepared and not published, as a killed process leaves them.
pub fn remove_unpublished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(WORKING) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// `path` with `suffix` behind its name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_our_user_may_read_what_is_made() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a/b");
        make_directory(&directory).unwrap();
        let [opened, appended, created] = ["1", "2", "3"].map(|name| directory.join(name));
        open(&opened).unwrap();
        open_append(&appended).unwrap();
        create(&created).unwrap();
        assert_eq!([&opened, &appended, &created].map(|path| mode(path)), [0o600; 3]);
        assert_eq!((mode(&directory), mode(&root.path().join("a"))), (0o700, 0o700));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_whatever_lay_in_its_way() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("note.json");
        fs::write(working(&path), "half of an older one").unwrap();
        fs::set_permissions(working(&path), fs::Permissions::from_mode(0o666)).unwrap();
        for (content, durability) in [("one", Durability::Kernel), ("two", Durability::Disk)] {
            replace(&path, content.as_bytes(), durability).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!((mode(&path), working(&path).exists()), (0o600, false));
        }
    }

    #[test]
    fn a_prepared_file_has_its_name_only_once_it_is_published() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("batch.otlp");
        prepare(&path, b"spans", Durability::Disk).unwrap();
        assert!(!path.exists());
        publish(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"spans");
    }

    #[test]
    fn only_what_was_not_published_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let [published, prepared] = ["1.otlp", "2.otlp"].map(|name| root.path().join(name));
        replace(&published, b"spans", Durability::Kernel).unwrap();
        prepare(&prepared, b"spans", Durability::Kernel).unwrap();
        remove_unpublished(root.path()).unwrap();
        assert_eq!((published.exists(), working(&prepared).exists()), (true, false));
    }
}
