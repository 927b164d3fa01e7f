//! One life of a training process, from its start to its end or its killing.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Who is to live, and where.
pub struct Life<'a> {
    pub program: &'a Path,
    pub config: &'a Path,
    pub run: PathBuf,
}

/// What a process must do with.
#[derive(Clone, Copy)]
pub enum Limit {
    /// Files of so many KiB.
    FileSize(u32),
}

/// How a process ended by itself.
pub struct End {
    pub code: Option<i32>,
    /// What it said on standard error.
    pub words: String,
}

/// A process that lives.
pub struct Living {
    child: Child,
    checkpoints: PathBuf,
}

impl Life<'_> {
    /// Whether there is a run to resume.
    pub fn has_begun(&self) -> bool {
        self.run.join("config.toml").is_file()
    }

    /// Starts the run, or goes on with it.
    pub fn begin(&self, limit: Option<Limit>) -> Result<Living> {
        let mut command = match limit {
            None => Command::new(self.program),
            Some(Limit::FileSize(kib)) => {
                let mut shell = Command::new("sh");
                // POSIX counts in blocks of 512 bytes.
                shell.args(["-c", &format!("ulimit -f {}; exec \"$0\" \"$@\"", 2 * kib)]);
                shell.arg(self.program);
                shell
            }
        };
        command
            .arg("train")
            .arg("--quiet")
            .args(["--backend", "flex"]);
        if self.has_begun() {
            command.arg("--resume").arg(&self.run);
        } else {
            command
                .arg("--config")
                .arg(self.config)
                .arg("--run")
                .arg(&self.run);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the program could not be started")?;
        Ok(Living {
            child,
            checkpoints: self.run.join("checkpoints"),
        })
    }

    /// Lets it live until it ends by itself.
    pub fn to_its_end(&self, limit: Option<Limit>) -> Result<End> {
        self.begin(limit)?.wait_to_the_end()
    }

    /// Whether a checkpoint was being written, or removed.
    pub fn is_amid_a_checkpoint(&self) -> bool {
        half_made(&self.run.join("checkpoints")) > 0
    }

    /// Whether the last line of the metrics has no end.
    pub fn has_torn_metrics(&self) -> bool {
        let text = fs::read(self.run.join("metrics.jsonl")).unwrap_or_default();
        text.last().is_some_and(|&last| last != b'\n')
    }
}

/// The number of half-made folders among the checkpoints.
fn half_made(checkpoints: &Path) -> usize {
    let entries = fs::read_dir(checkpoints).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."))
        .count()
}

impl Living {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("looking at it")?.is_none())
    }

    /// Waits for its own end.
    pub fn wait_to_the_end(&mut self) -> Result<End> {
        let mut words = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr
                .read_to_string(&mut words)
                .context("reading what it says")?;
        }
        let status = self.child.wait().context("waiting for it")?;
        Ok(End {
            code: status.code(),
            words,
        })
    }

    /// Kills it after `wait`; with `at_a_checkpoint` not before one is being written, and that much later. Its
    /// end, if it came first.
    pub fn kill_after(
        &mut self,
        wait: Duration,
        at_a_checkpoint: Option<Duration>,
    ) -> Result<Option<End>> {
        let start = Instant::now();
        let patience = wait + Duration::from_secs(5);
        loop {
            if !self.is_alive()? {
                return self.wait_to_the_end().map(Some);
            }
            let due = start.elapsed() >= wait;
            if due && (at_a_checkpoint.is_none() || half_made(&self.checkpoints) > 0) {
                break;
            }
            if start.elapsed() > patience {
                break;
            }
            sleep(Duration::from_micros(200));
        }
        sleep(at_a_checkpoint.unwrap_or_default());
        self.child.kill().context("killing it")?;
        let status = self.child.wait().context("waiting for it")?;
        // It may have ended by itself in the meantime.
        match status.code() {
            Some(_) => self.wait_to_the_end().map(Some),
            None => Ok(None),
        }
    }
}

/// A small disk in memory.
pub struct Disk {
    path: PathBuf,
    bytes: u64,
}

impl Disk {
    /// Mounts one; none where that is not allowed.
    pub fn mount(path: &Path) -> Result<Option<Self>> {
        const MIB: u64 = 8;
        fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={MIB}m"), "tmpfs"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        Ok(mounted.is_ok_and(|status| status.success()).then(|| Self {
            path: path.to_owned(),
            bytes: MIB << 20,
        }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Fills it up but for `bytes`.
    pub fn leave(&self, bytes: u64) -> Result<()> {
        let used = used(&self.path)?;
        let ballast = self.bytes.saturating_sub(used).saturating_sub(bytes);
        let zeros = vec![0; usize::try_from(ballast).context("a small disk")?];
        match fs::write(self.ballast(), zeros) {
            Ok(()) => Ok(()),
            // As full as can be.
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(()),
            Err(error) => Err(error).context("filling the disk"),
        }
    }

    /// Makes room again.
    pub fn free(&self) -> Result<()> {
        let path = self.ballast();
        if path.exists() {
            fs::remove_file(&path).context("making room on the disk")?;
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing is lost but the disk's own memory.
        let _ = Command::new("umount").arg(&self.path).status();
    }
}

/// The bytes that a folder's files take, in whole pages.
fn used(folder: &Path) -> Result<u64> {
    const PAGE: u64 = 4096;
    let mut sum = PAGE;
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry.context("reading a folder")?;
        let data = entry.metadata().context("reading a file's size")?;
        if data.is_dir() {
            sum += used(&entry.path())?;
        } else if data.is_file() {
            sum += data.len().div_ceil(PAGE) * PAGE;
        } else {
            bail!("{} is neither a file nor a folder", entry.path().display());
        }
    }
    Ok(sum)
}
