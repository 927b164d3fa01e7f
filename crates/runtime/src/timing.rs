//! Clocks that wait for the device.
//!
//! A GPU backend returns from an operation as soon as it is queued. A clock that does not wait
//! measures the queue.

use std::time::{Duration, Instant};

use burn::tensor::Device;

use crate::error::RuntimeError;
use crate::selected::sync;

/// A clock that lets the device finish before it is started and before it is read.
#[derive(Debug, Clone)]
pub struct Stopwatch {
    device: Device,
    started: Instant,
}

impl Stopwatch {
    /// Waits for the work that is queued on `device`, then starts.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Execution`] where that work failed.
    pub fn start(device: &Device) -> Result<Self, RuntimeError> {
        sync(device)?;
        Ok(Self {
            device: device.clone(),
            started: Instant::now(),
        })
    }

    /// Waits for the device and returns the time since the start.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Execution`] where work on the device failed.
    pub fn elapsed(&self) -> Result<Duration, RuntimeError> {
        sync(&self.device)?;
        Ok(self.started.elapsed())
    }

    /// [`Stopwatch::elapsed`], and starts anew.
    ///
    /// # Errors
    ///
    /// As [`Stopwatch::elapsed`].
    pub fn lap(&mut self) -> Result<Duration, RuntimeError> {
        sync(&self.device)?;
        let now = Instant::now();
        Ok(now - std::mem::replace(&mut self.started, now))
    }
}

/// What a piece of work returned, and how long the device and the host took for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed<T> {
    /// What the work returned.
    pub value: T,
    /// Wall-clock time, the device's share included.
    pub elapsed: Duration,
}

/// Does some work and times it on `device`.
///
/// # Errors
///
/// [`RuntimeError::Execution`] where work on the device failed.
pub fn time<T>(device: &Device, work: impl FnOnce() -> T) -> Result<Timed<T>, RuntimeError> {
    let stopwatch = Stopwatch::start(device)?;
    let value = work();
    Ok(Timed {
        value,
        elapsed: stopwatch.elapsed()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAP: Duration = Duration::from_millis(20);

    #[test]
    fn the_time_of_the_work_is_counted_and_its_value_returned() {
        let timed = time(&Device::flex(), || {
            std::thread::sleep(NAP);
            7
        })
        .unwrap();
        assert_eq!(timed.value, 7);
        assert!(timed.elapsed >= NAP);
    }

    #[test]
    fn a_lap_starts_the_clock_anew() {
        let mut stopwatch = Stopwatch::start(&Device::flex()).unwrap();
        std::thread::sleep(NAP);
        let before = Instant::now();
        assert!(stopwatch.lap().unwrap() >= NAP);
        let second = stopwatch.elapsed().unwrap();
        assert!(second <= before.elapsed());
    }
}
