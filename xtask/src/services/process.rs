//! Programs that outlive `xtask`, known by a file that holds their process id.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell;

const PATIENCE: Duration = Duration::from_secs(20);

/// Starts `command` in a process group of its own, so that Ctrl-C on `xtask` does not reach it.
pub fn start(command: &mut Command, pid_file: &Path, log: &Path) -> Result<()> {
    let output = File::create(log)?;
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("could not start {}", command.get_program().display()))?;
    fs::write(pid_file, child.id().to_string())?;
    // For a moment after the start the command line is empty, which would read as "ended".
    while child.try_wait()?.is_none() && command_line(child.id()).is_none_or(|line| line.is_empty())
    {
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The process in `pid_file`, if it runs and its command line contains `marker`: a process id may
/// have been given to a stranger since.
pub fn running(pid_file: &Path, marker: &str) -> Option<u32> {
    let pid = fs::read_to_string(pid_file).ok()?.lines().next()?.trim().parse().ok()?;
    // A process that ended but was not waited for has an empty command line.
    command_line(pid)?.contains(marker).then_some(pid)
}

fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Asks politely, then insists.
pub fn stop(pid_file: &Path, marker: &str) -> Result<()> {
    for signal in ["TERM", "KILL"] {
        let Some(pid) = running(pid_file, marker) else { break };
        // `kill` is built into every shell; a small system need not have it as a program.
        shell::succeeds(&mut shell::command("sh", ["-c", &format!("kill -{signal} {pid}")]));
        let deadline = Instant::now() + PATIENCE;
        while running(pid_file, marker).is_some() && Instant::now() < deadline {
            sleep(Duration::from_millis(50));
        }
    }
    if let Some(pid) = running(pid_file, marker) {
        bail!("process {pid} does not stop");
    }
    fs::remove_file(pid_file).ok();
    Ok(())
}

/// A port nobody listens on now: the one used before if it is still free, so that addresses that
/// people noted stay right.
pub fn free_port(used_before: Option<u16>) -> Result<u16> {
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port));
    let listener = match used_before.map(bind) {
        Some(Ok(listener)) => listener,
        _ => bind(0)?,
    };
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_process_is_found_and_stopped_and_a_stranger_is_left_alone() {
        let directory = std::env::temp_dir().join(format!("xtask-process-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (pid_file, log) = (directory.join("pid"), directory.join("log"));

        start(&mut shell::command("sleep", ["61.5"]), &pid_file, &log).unwrap();
        assert_eq!(running(&pid_file, "another program"), None);
        assert!(running(&pid_file, "61.5").is_some());
        stop(&pid_file, "61.5").unwrap();
        assert!(!pid_file.exists());

        fs::remove_dir_all(directory).unwrap();
    }
}
