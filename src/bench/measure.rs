//! Wall and processor time over repeats, and the memory of this process.

use std::time::Instant;

use serde::Serialize;

use crate::error::Result;

/// The median of some figures, and their range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one; of an even number the mean of the middle two.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// The spread of `figures`; all 0 where there are none.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(0.0);
        let n = figures.len();
        Self { median: (at(n.saturating_sub(1) / 2) + at(n / 2)) / 2.0, least: at(0), most: at(n.saturating_sub(1)) }
    }
}

/// What one piece of work took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Seconds by the clock on the wall.
    pub wall: f64,
    /// Seconds of all processor cores together, user and system; `None` where the system does not tell.
    pub cpu: Option<f64>,
}

/// Runs `work` once.
///
/// # Errors
/// Those of `work`.
pub fn once(work: &mut dyn FnMut() -> Result<()>) -> Result<Cost> {
    let (start, before) = (Instant::now(), cpu_seconds());
    work()?;
    let wall = start.elapsed().as_secs_f64();
    Ok(Cost { wall, cpu: cpu_seconds().zip(before).map(|(after, before)| after - before) })
}

/// What a piece of work took, over repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// How often it ran, after one run that is not counted.
    pub repeats: usize,
    /// Seconds a run by the clock on the wall.
    pub wall_s: Spread,
    /// Seconds a run of all processor cores together; `None` where the system does not tell.
    pub cpu_s: Option<Spread>,
    /// The most memory that this process has held so far, in MiB.
    pub peak_memory_mib: Option<f64>,
}

/// Runs `work` once to warm up, then `repeats` times.
///
/// # Errors
/// Those of `work`.
pub fn measure(repeats: usize, work: &mut dyn FnMut() -> Result<()>) -> Result<Measured> {
    work()?;
    let costs = (0..repeats.max(1)).map(|_| once(work)).collect::<Result<Vec<_>>>()?;
    let cpu: Option<Vec<f64>> = costs.iter().map(|cost| cost.cpu).collect();
    Ok(Measured {
        repeats: costs.len(),
        wall_s: Spread::of(costs.iter().map(|cost| cost.wall).collect()),
        cpu_s: cpu.map(Spread::of),
        peak_memory_mib: peak_memory().map(mib),
    })
}

/// Bytes as MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// User and system seconds of all threads of this process so far.
#[cfg(unix)]
pub fn cpu_seconds() -> Option<f64> {
    let usage = usage()?;
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    Some(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}

/// The most memory that this process has held so far, in bytes.
///
/// On Linux this is the program's own peak; `getrusage`, which other Unix systems are asked, may count the parent's too.
#[cfg(unix)]
pub fn peak_memory() -> Option<u64> {
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    status("VmHWM:").or_else(|| Some(usage()?.ru_maxrss as u64 * unit))
}

#[cfg(unix)]
fn usage() -> Option<libc::rusage> {
    // SAFETY: `rusage` is plain numbers, for which zeros are valid, and `getrusage` writes to nothing else.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::getrusage(libc::RUSAGE_SELF, &mut usage) == 0).then_some(usage)
    }
}

/// User and system seconds of all threads of this process so far: not known on this system.
#[cfg(not(unix))]
pub fn cpu_seconds() -> Option<f64> {
    None
}

/// The most memory that this process has held so far, in bytes: not known on this system.
#[cfg(not(unix))]
pub fn peak_memory() -> Option<u64> {
    None
}

/// The memory that this process holds now, in bytes; known on Linux.
pub fn resident_memory() -> Option<u64> {
    status("VmRSS:")
}

/// A figure of Linux's `/proc/self/status`, in bytes.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(kib.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Bytes that the program has asked of the allocator and not given back; known with the GNU C library.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn live_heap() -> Option<u64> {
    // SAFETY: the call takes nothing and only reads the allocator's own figures.
    let info = unsafe { libc::mallinfo2() };
    Some((info.uordblks + info.hblkhd) as u64)
}

/// Bytes that the program has asked of the allocator and not given back: not known on this system.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn live_heap() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_by_hand() {
        let spread = |figures: &[f64]| Spread::of(figures.to_vec());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(spread(&[5.0]), Spread { median: 5.0, least: 5.0, most: 5.0 });
        assert_eq!(spread(&[]), Spread { median: 0.0, least: 0.0, most: 0.0 });
    }

    #[test]
    fn the_first_run_is_not_counted_and_errors_come_through() {
        let mut runs = 0;
        let measured = measure(3, &mut || {
            runs += 1;
            Ok(())
        });
        assert_eq!((measured.unwrap().repeats, runs), (3, 4));
        assert!(measure(3, &mut || Err(crate::Error::Cancelled)).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn work_and_memory_are_seen() {
        let cost = once(&mut || {
            let start = Instant::now();
            while start.elapsed().as_millis() < 50 {}
            Ok(())
        });
        let cost = cost.unwrap();
        assert!(cost.wall >= 0.05 && cost.cpu.unwrap() > 0.0, "{cost:?}");
        let peak = peak_memory().unwrap();
        let block = vec![1u8; 256 << 20];
        assert!(std::hint::black_box(&block)[block.len() / 2] == 1 && resident_memory().unwrap() >= 256 << 20);
        assert!(peak_memory().unwrap() >= peak.max(256 << 20));
    }
}
