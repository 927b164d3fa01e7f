//! What other programs did meanwhile, on Linux: a comparison on a busy machine is worth nothing.

use std::path::Path;

/// Processor time up to a moment, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Of all processors together, idle time included.
    total: u64,
    /// Of it, what any program or another virtual machine used.
    busy: u64,
    /// Of that, what the processes that are measured used.
    own: u64,
}

impl Load {
    /// Up to now, with `processes` as the ones that are measured; none but on Linux.
    pub fn now(processes: &[u32]) -> Option<Self> {
        let machine = std::fs::read_to_string("/proc/stat").ok()?;
        let (total, busy) = machine_ticks(&machine)?;
        let own = processes.iter().map(|process| {
            let path = Path::new("/proc").join(process.to_string()).join("stat");
            process_ticks(&std::fs::read_to_string(path).ok()?)
        });
        Some(Self {
            total,
            busy,
            own: own.sum::<Option<u64>>()?,
        })
    }

    /// The share of all processors that others used since `earlier`, from 0 to 1.
    pub fn of_others_since(self, earlier: Self) -> f64 {
        let since = |of: fn(Self) -> u64| of(self).saturating_sub(of(earlier));
        let others = since(|load| load.busy).saturating_sub(since(|load| load.own));
        others as f64 / since(|load| load.total).max(1) as f64
    }
}

/// Total and busy ticks: user, nice, system, idle, iowait, irq, softirq and steal (proc_stat(5)).
fn machine_ticks(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Result<Vec<u64>, _> = line.split_whitespace().take(8).map(str::parse).collect();
    let ticks = ticks.ok().filter(|ticks| ticks.len() == 8)?;
    let total: u64 = ticks.iter().sum();
    Some((total, total - ticks[3] - ticks[4]))
}

/// utime and stime, the 14th and 15th field (proc_pid_stat(5)); the second is a name in parentheses
/// that may hold anything.
fn process_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_fields_are_read() {
        let stat = "cpu  10 20 30 400 50 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(machine_ticks(stat), Some((531, 81)));
        assert_eq!(machine_ticks("cpu  10 20"), None);
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 31 11 0 0 20 0 3 0";
        assert_eq!(process_ticks(stat), Some(42));
        assert_eq!(process_ticks(""), None);
    }

    #[test]
    fn others_are_what_is_neither_idle_nor_measured() {
        let load = |total, busy, own| Load { total, busy, own };
        let earlier = load(1000, 500, 100);
        assert_eq!(load(1200, 600, 150).of_others_since(earlier), 0.25);
        // Ticks are counted at different moments: a little less than nothing is nothing.
        assert_eq!(load(1200, 600, 202).of_others_since(earlier), 0.0);
        assert_eq!(earlier.of_others_since(earlier), 0.0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_is_there_has_a_load() {
        assert!(Load::now(&[std::process::id()]).is_some());
        assert!(Load::now(&[u32::MAX]).is_none());
    }
}
