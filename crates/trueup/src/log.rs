//! The log: one line for each event, whatever the texts in it hold (G13).

use std::io::{self, Write};

use crate::print;

/// Writes each event as one line. Names and errors of other systems are in it; what could end a
/// line, steer a terminal or turn the direction of text is written as its code, so that nobody
/// forges a line of ours. The subscriber hands over each event whole.
pub struct OneLine<W> {
    pub to: W,
    /// Whether what only sets a colour stays: the subscriber writes it for terminals.
    pub colours: bool,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        let forging = |one: char| print::is_hostile(one) && one != '\t';
        if !line.contains(forging) {
            self.to.write_all(event)?;
            return Ok(event.len());
        }
        let mut plain = String::with_capacity(text.len() + 16);
        for (at, one) in line.char_indices() {
            let sets_colour = || self.colours && line.get(at..).is_some_and(is_colour);
            if forging(one) && !sets_colour() {
                plain.extend(one.escape_unicode());
            } else {
                plain.push(one);
            }
        }
        plain.push_str(end);
        self.to.write_all(plain.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Whether a text begins with the code that sets a colour or a weight: `ESC [ 2 ; 31 m`.
fn is_colour(text: &str) -> bool {
    let code = text.strip_prefix("\u{1b}[");
    let end = code.map(|it| it.trim_start_matches(|one: char| one.is_ascii_digit() || one == ';'));
    end.is_some_and(|end| end.starts_with('m'))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn g13_what_others_wrote_forges_no_line_of_the_log() {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || OneLine { to: writer.clone(), colours: false })
            .finish();
        let name = "Ann\r\n2026-11-25 ERROR forged\u{2028}\u{202e}txt\u{1b}[31mred\u{85}";
        tracing::subscriber::with_default(log, || {
            tracing::warn!(customer = name, error = %name, "refused: {name}");
            tracing::info!("größe, 価格, \t{}", "plain");
        });
        let text = String::from_utf8(kept.0.lock().expect("not poisoned").clone()).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(!text.chars().any(|it| print::is_hostile(it) && !matches!(it, '\n' | '\t')));
        assert!(lines[0].contains("Ann\\u{d}\\u{a}2026-11-25 ERROR forged\\u{2028}\\u{202e}txt"));
        assert!(lines[1].ends_with("größe, 価格, \tplain"));
    }

    #[test]
    fn g13_on_a_terminal_colours_stay_and_nothing_else_steers_it() {
        let kept = Kept::default();
        let mut log = OneLine { to: kept.clone(), colours: true };
        let event = "\u{1b}[33m WARN\u{1b}[0m \u{1b}[2J\u{1b}]0;title\u{7}\n";
        log.write_all(event.as_bytes()).expect("written");
        let text = String::from_utf8(kept.0.lock().expect("not poisoned").clone()).expect("text");
        assert_eq!(text, "\u{1b}[33m WARN\u{1b}[0m \\u{1b}[2J\\u{1b}]0;title\\u{7}\n");
    }
}
