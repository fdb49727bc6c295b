//! Artifacts that are built once: a lock against parallel builds, and a stamp that tells whether the sources changed
//! since.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Held while one process builds; the others wait for it and then find the work done.
pub(crate) struct BuildLock {
    stamp: PathBuf,
    fingerprint: String,
    _lock: File,
}

impl BuildLock {
    /// Takes the lock for `product`, which is made from `sources`. Blocks while another process holds it.
    pub(crate) fn acquire(product: &Path, sources: &[PathBuf]) -> Result<Self> {
        let directory = product.parent().unwrap_or(product);
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let path = with_suffix(product, "lock");
        let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        let fingerprint = fingerprint(sources)?;
        Ok(Self { stamp: with_suffix(product, "stamp"), fingerprint, _lock: lock })
    }

    /// Whether the product was finished from exactly these sources.
    pub(crate) fn is_done(&self) -> bool {
        fs::read_to_string(&self.stamp).is_ok_and(|stamp| stamp == self.fingerprint)
    }

    pub(crate) fn mark_done(&self) -> Result<()> {
        fs::write(&self.stamp, &self.fingerprint)
            .with_context(|| format!("cannot write {}", self.stamp.display()))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}

fn fingerprint(sources: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for source in sources {
        let content = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        content.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    #[test]
    fn a_changed_source_asks_for_a_new_build() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        let product = directory.path().join("product");
        fs::write(&source, "one").unwrap();

        let lock = BuildLock::acquire(&product, from_ref(&source)).unwrap();
        assert!(!lock.is_done(), "nothing was built yet");
        lock.mark_done().unwrap();
        drop(lock);
        assert!(BuildLock::acquire(&product, from_ref(&source)).unwrap().is_done());

        fs::write(&source, "two").unwrap();
        assert!(!BuildLock::acquire(&product, from_ref(&source)).unwrap().is_done());
    }

    #[test]
    fn a_second_builder_waits_for_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let product = directory.path().join("product");
        let first = BuildLock::acquire(&product, &[]).unwrap();
        let second = std::thread::spawn({
            let product = product.clone();
            move || BuildLock::acquire(&product, &[]).unwrap().is_done()
        });
        first.mark_done().unwrap();
        drop(first);
        assert!(second.join().unwrap(), "the second builder finds the work done");
    }
}
