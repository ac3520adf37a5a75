//! The same batches inside Odoo's own shell: its methods called on the records themselves, without
//! HTTP, without keys, without reading back.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Took;
use super::books::Books;
use super::sales::{self, Sale};

const SCRIPT: &str = include_str!("shell.py");
/// Written by `cargo xtask services`: starts a shell of the test's Odoo on a database.
const PROGRAM: &str = "TRUEUP_TEST_ODOO_SHELL";
const START: Duration = Duration::from_secs(60);

/// A shell that is kept open, so that its caches are warm as those of the server are. It reads its
/// script from the input to the end; what to do comes over a socket.
pub struct Shell {
    child: Child,
    jobs: TcpStream,
    answers: BufReader<TcpStream>,
}

impl Shell {
    pub fn start(books: &Books) -> Result<Self> {
        let program = std::env::var(PROGRAM).with_context(|| format!("{PROGRAM} is not set"))?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut child = Command::new(program)
            .args(["-d", &books.database.name])
            .env("TRUEUP_BENCH_PORT", listener.local_addr()?.port().to_string())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        child.stdin.take().context("a pipe")?.write_all(SCRIPT.as_bytes())?;
        listener.set_nonblocking(true)?;
        let began = Instant::now();
        let jobs = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) if began.elapsed() < START && child.try_wait()?.is_none() => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => bail!("Odoo's shell does not start: {error}"),
            }
        };
        jobs.set_nonblocking(false)?;
        let answers = BufReader::new(jobs.try_clone()?);
        Ok(Self { child, jobs, answers })
    }

    pub fn post(&mut self, sales: &[Sale]) -> Result<Took> {
        let sales: Vec<Value> = sales.iter().map(job).collect::<Result<_>>()?;
        let orders = sales.len();
        writeln!(self.jobs, "{}", Value::Array(sales))?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let mut times =
            answer.split_whitespace().map(|text| text.parse().map(Duration::from_micros));
        let mut next =
            || times.next().context("Odoo's shell gave up")?.map_err(anyhow::Error::from);
        Ok(Took { orders, posted: next()?, paid: next()? })
    }

    pub fn stop(mut self) -> Result<()> {
        self.jobs.shutdown(Shutdown::Both)?;
        self.child.wait()?;
        Ok(())
    }
}

fn job(sale: &Sale) -> Result<Value> {
    let lines: Vec<Value> = sale.order.lines.iter().map(sales::line).collect::<Result<_>>()?;
    let (journal, pay_journal, line): (i64, i64, i64) = (
        sale.invoice.journal.parse()?,
        sale.payment.journal.parse()?,
        sale.payment.method_line.parse()?,
    );
    let amount: serde_json::Number = sale.payment.amount.amount_text().parse()?;
    Ok(json!({
        "partner": sale.partner(),
        "reference": sale.order.reference,
        "placed_at": moment(sale.order.placed_at),
        "lines": lines,
        "journal": journal,
        "date": sale.invoice.date.to_string(),
        "payment": {
            "journal_id": pay_journal,
            "payment_method_line_id": line,
            "date": sale.payment.date.to_string(),
            "amount": amount,
            "memo": sale.payment.memo,
        },
    }))
}

/// Odoo's `2026-11-21 09:42:03`, in UTC.
pub fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
