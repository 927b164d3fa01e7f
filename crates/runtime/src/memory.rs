//! How much memory is taken: by the process, and by a device's allocator.

/// The memory of this process, in bytes, as Linux counts resident pages.
///
/// The binary, its libraries and all threads are in it; pages that the allocator keeps after a free
/// are too. On a GPU backend the device's own memory is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessMemory {
    /// The most that was ever resident (`VmHWM`), since the start or [`reset_peak_memory`].
    pub peak: u64,
    /// What is resident now (`VmRSS`).
    pub current: u64,
}

/// The memory of a device's allocator, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Held by live tensors.
    pub in_use: u64,
    /// Held on the device, free pages kept for reuse included.
    pub reserved: u64,
}

/// The memory of this process, read from `/proc/self/status`; `None` where there is no such file,
/// that is, anywhere but on Linux.
pub fn process_memory() -> Option<ProcessMemory> {
    parse_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Makes [`ProcessMemory::peak`] start over from what is resident now, and says whether it could.
///
/// Linux takes a `5` in `/proc/self/clear_refs` for that (proc(5)); elsewhere, and in containers
/// that forbid it, nothing happens.
pub fn reset_peak_memory() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

fn parse_status(status: &str) -> Option<ProcessMemory> {
    let bytes = |field: &str| -> Option<u64> {
        let rest = status.lines().find_map(|line| line.strip_prefix(field))?;
        let mut words = rest.strip_prefix(':')?.split_whitespace();
        let number: u64 = words.next()?.parse().ok()?;
        // The kernel has printed kB and nothing else since 2.6; anything else is not understood.
        (words.next() == Some("kB")).then_some(number * 1024)
    };
    Some(ProcessMemory {
        peak: bytes("VmHWM")?,
        current: bytes("VmRSS")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_fields_are_read_in_bytes() {
        let status = "Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t    20 kB\nVmRSS:\t    10 kB\n";
        assert_eq!(
            parse_status(status),
            Some(ProcessMemory {
                peak: 20 * 1024,
                current: 10 * 1024
            })
        );
    }

    #[test]
    fn a_status_that_is_not_understood_gives_nothing() {
        assert_eq!(parse_status(""), None);
        assert_eq!(parse_status("VmHWM: 20 kB\n"), None);
        assert_eq!(parse_status("VmHWM: 20 MB\nVmRSS: 10 MB\n"), None);
        assert_eq!(parse_status("VmHWM: x kB\nVmRSS: y kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_large_allocation_shows_in_the_peak_until_it_is_reset() {
        const SIZE: usize = 64 << 20;
        let before = process_memory().unwrap();
        let filled = std::hint::black_box(vec![1u8; SIZE]);
        let during = process_memory().unwrap();
        assert!(during.peak >= during.current);
        // Other tests run beside this one and may free a little meanwhile.
        assert!(during.peak >= before.current + (SIZE as u64) * 9 / 10);
        drop(filled);
        if reset_peak_memory() {
            let after = process_memory().unwrap();
            assert!(after.peak <= during.peak - SIZE as u64 / 2);
        }
    }
}
