//! What an idle `serve` holds in memory: the release binary with two connections and an empty store.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// After this the start is over, and every loop has looked for work many times.
const IDLE: Duration = Duration::from_secs(5);
const SECRET: &str = "TRUEUP_BENCH_SECRET";
const SETTINGS: &str = r#"
environment = "bench"
[store]
url = "sqlite:trueup.sqlite"
[server]
listen = "127.0.0.1:0"
[entity.us]
currency = "USD"
time_zone = "America/New_York"
[connection.shop]
connector = "shopify"
entity = "us"
url = "http://127.0.0.1:9"
secret_env = "TRUEUP_BENCH_SECRET"
webhook_secret_env = ["TRUEUP_BENCH_SECRET"]
since = "2020-01-01"
[connection.shop.settings]
shop = "bench.myshopify.com"
[connection.bank]
connector = "bank"
entity = "us"
drop = "inbox"
"#;

pub fn measure() -> Result<()> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("trueup");
    if !program.is_file() {
        println!("memory: not measured, because {} is not built", program.display());
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("trueup.toml"), SETTINGS)?;
    let child = Command::new(program)
        .args(["serve"])
        .current_dir(folder.path())
        .env(SECRET, "no secret")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut serve = Serve(child);
    std::thread::sleep(IDLE);
    ensure!(serve.0.try_wait()?.is_none(), "`serve` ended early");
    let kilobytes = resident(serve.0.id())?;
    println!("memory: {}.{} MB in an idle `serve`", kilobytes / 1000, kilobytes % 1000 / 100);
    Ok(())
}

/// Ends with the bench.
struct Serve(Child);

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// kB that the kernel counts as resident.
fn resident(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).context("VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse()?)
}
