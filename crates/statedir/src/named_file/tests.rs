use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use super::*;

const SMALL: u64 = 1_000;

fn refused(path: &Path, bounds: FileBounds) -> (FileError, Duration) {
    let began = Instant::now();
    (read(path, bounds).expect_err("it is read"), began.elapsed())
}

fn pipe(dir: &tempfile::TempDir) -> PathBuf {
    let path = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_regular_file_is_read_with_its_mode_through_links() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&file, "content").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    symlink("file", &link).unwrap();
    for path in [&file, &link] {
        let content = read(path, FileBounds::regular(SMALL)).unwrap();
        assert_eq!((content.bytes.as_slice(), content.mode), (b"content".as_slice(), Some(0o604)));
    }
}

#[test]
fn the_bound_of_bytes_holds_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, vec![b'x'; SMALL as usize]).unwrap();
    assert!(read(&file, FileBounds::regular(SMALL)).is_ok());
    let (error, _) = refused(&file, FileBounds::regular(SMALL - 1));
    assert_eq!(error.to_string(), "it is larger than 999 bytes");
    // A terabyte that takes no disk.
    fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
    let (error, took) = refused(&file, FileBounds::regular(SMALL));
    assert!(matches!(error, FileError::TooLarge(SMALL)) && took < TIME_LIMIT, "{error} {took:?}");
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let linked = dir.path().join("linked");
    symlink("/dev/zero", &linked).unwrap();
    let cases = [
        (Path::new("/dev/zero"), "it is a character device, not a regular file"),
        (Path::new("/dev/urandom"), "it is a character device, not a regular file"),
        (Path::new("/dev/full"), "it is a character device, not a regular file"),
        (Path::new("/dev/ptmx"), "it is a character device, not a regular file"),
        (&linked, "it is a character device, not a regular file"),
        (&socket, "it is a socket, not a regular file"),
        (&pipe(&dir), "it is a pipe, not a regular file"),
        (dir.path(), "Is a directory"),
    ];
    for (path, said) in cases {
        let (error, took) = refused(path, FileBounds::regular(SMALL));
        assert!(error.to_string().starts_with(said), "{}: {error}", path.display());
        assert!(took < Duration::from_secs(1), "{}: {took:?}", path.display());
    }
}

#[test]
fn files_that_are_not_there_are_told_from_those_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let (file, looped) = (dir.path().join("file"), dir.path().join("loop"));
    fs::write(&file, "").unwrap();
    symlink("loop", &looped).unwrap();
    for path in [dir.path().join("none"), file.join("below")] {
        assert!(refused(&path, FileBounds::regular(SMALL)).0.is_absent(), "{}", path.display());
    }
    let (error, _) = refused(&looped, FileBounds::regular(SMALL));
    assert!(!error.is_absent() && error.to_string().contains("symbolic links"), "{error}");
}

#[test]
fn the_null_device_is_an_empty_file() {
    let content = read(Path::new("/dev/null"), FileBounds::regular(SMALL)).unwrap();
    assert_eq!((content.bytes, content.mode), (Vec::new(), None));
}

#[test]
fn files_of_proc_are_read_within_the_bounds() {
    let status = read(Path::new("/proc/self/status"), FileBounds::regular(1 << 20)).unwrap();
    assert!(status.bytes.starts_with(b"Name:"));
    // The file is larger than any bound, and claims to be empty.
    let (error, took) = refused(Path::new("/proc/self/pagemap"), FileBounds::regular(SMALL));
    assert!(took < TIME_LIMIT + GRACE, "{error} {took:?}");
}

#[test]
fn a_pipe_is_read_until_its_writer_closes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = pipe(&dir);
    let writing = {
        let path = path.clone();
        thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
            for part in ["one ", "two ", "three"] {
                pipe.write_all(part.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(100));
            }
        })
    };
    let content = read(&path, FileBounds::regular_or_pipe(SMALL)).unwrap();
    assert_eq!((content.bytes.as_slice(), content.mode), (b"one two three".as_slice(), None));
    writing.join().unwrap();
}

#[test]
fn a_pipe_without_a_writer_or_without_end_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = pipe(&dir);
    let (error, took) = refused(&path, FileBounds::regular_or_pipe(SMALL));
    assert!(matches!(error, FileError::NoWriter), "{error}");
    assert!(took < TIME_LIMIT + GRACE + Duration::from_secs(1), "{took:?}");

    let open = |path: &Path| Command::new("sh").arg("-c").arg("exec sleep 30 > \"$0\"").arg(path).spawn();
    let mut silent = open(&path).unwrap();
    let (error, _) = refused(&path, FileBounds::regular_or_pipe(SMALL));
    assert!(matches!(error, FileError::TooSlow), "{error}");
    silent.kill().unwrap();
    silent.wait().unwrap();

    let endless = Command::new("sh").arg("-c").arg("exec yes > \"$0\"").arg(&path).spawn();
    let (error, took) = refused(&path, FileBounds::regular_or_pipe(SMALL));
    assert!(matches!(error, FileError::TooLarge(SMALL)) && took < TIME_LIMIT, "{error} {took:?}");
    endless.unwrap().wait().unwrap();
}

#[test]
fn a_reader_that_hangs_is_left_behind() {
    let began = Instant::now();
    let hung = within_time(|_| {
        thread::sleep(Duration::from_secs(10));
        Ok(())
    });
    assert!(matches!(hung, Err(FileError::TooSlow)) && began.elapsed() < Duration::from_secs(5));
}
