//! A headless browser, started anew for each page: it loads the page, runs its script, and says
//! what the page became or draws it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Where `cargo xtask test` says the browser is.
const VARIABLE: &str = "TRUEUP_TEST_CHROMIUM";

pub struct Browser {
    program: PathBuf,
    profile: tempfile::TempDir,
}

/// How a page is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

impl Browser {
    /// `None`, with a note, where there is no browser.
    pub fn find() -> Result<Option<Self>> {
        let Some(program) = std::env::var_os(VARIABLE) else {
            println!("{VARIABLE} is not set: nothing was tested in a browser");
            return Ok(None);
        };
        let profile = tempfile::tempdir()?;
        Ok(Some(Self { program: program.into(), profile }))
    }

    /// The page after its script has run.
    pub fn dom(&self, url: &str) -> Result<String> {
        let output = self.run(&["--dump-dom".to_owned()], url)?;
        String::from_utf8(output).context("the page is no UTF-8")
    }

    pub fn draw(&self, url: &str, look: Look, to: &Path) -> Result<()> {
        let mut flags = vec![
            format!("--screenshot={}", to.display()),
            format!("--window-size={},{}", look.width, look.height),
            "--hide-scrollbars".to_owned(),
        ];
        if look.dark {
            flags.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        self.run(&flags, url)?;
        ensure!(to.exists(), "the browser drew nothing of {url}");
        Ok(())
    }

    fn run(&self, flags: &[String], url: &str) -> Result<Vec<u8>> {
        let output = Command::new(&self.program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"])
            .arg("--virtual-time-budget=3000")
            .arg(format!("--user-data-dir={}", self.profile.path().display()))
            .args(flags)
            .arg(url)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("could not start {}", self.program.display()))?;
        ensure!(
            output.status.success(),
            "the browser failed over {url}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output.stdout)
    }
}
