//! The memory of a process, as Linux has it.

/// A line of `/proc/<process>/status`, such as `VmRSS`, in KiB. `process` is an id, or `self`.
pub(crate) fn kib(process: &str, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let found = status.lines().find_map(|status| status.strip_prefix(line)?.strip_prefix(':')).unwrap();
    found.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
