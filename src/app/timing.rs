//! How long the window takes to come up: from the start of the process to the first frame on the screen.
//!
//! With `RAIN_TIMING` in the environment the window says it on standard error.

use std::time::{Duration, Instant};

use egui::Context;

/// Waits for the first frame.
#[derive(Debug)]
pub struct FirstFrame {
    /// When the process began; `None` once it was said, or where nobody asked.
    began: Option<Instant>,
    frames: u32,
}

impl FirstFrame {
    /// Looks whether somebody asked.
    pub fn from_environment() -> Self {
        let asked = std::env::var_os("RAIN_TIMING").is_some();
        let began = asked.then(|| Instant::now().checked_sub(age().unwrap_or_default())).flatten();
        Self { began, frames: 0 }
    }

    /// Called at the start of each frame: that there is a second tells that the first was painted.
    pub fn frame(&mut self, ctx: &Context) {
        let Some(began) = self.began else { return };
        self.frames += 1;
        if self.frames == 1 {
            eprintln!("the first frame begins {:.2} s after the start of the process", began.elapsed().as_secs_f64());
            ctx.request_repaint();
        } else {
            eprintln!(
                "the first frame was on the screen {:.2} s after the start of the process",
                began.elapsed().as_secs_f64()
            );
            self.began = None;
        }
    }
}

/// How old this process is, to a hundredth of a second; `None` where the system does not tell.
fn age() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in brackets, may hold anything; 20 fields after it stands the start, in hundredths of a second.
    let start: f64 = stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(now - start / 100.0).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_has_an_age() {
        let first = super::age().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60));
        let later = super::age().unwrap();
        assert!(later > first && later.as_secs() < 3600, "{first:?} {later:?}");
    }
}
