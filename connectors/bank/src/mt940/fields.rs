//! The fields of the messages in a file: `:tag:` with its lines.
//!
//! A message runs from `:20:` to the next, or to its trailer. What stands between messages (bank
//! headers, SWIFT blocks) is skipped.

use trueup_connect::DecodeError;

/// The longest field of the standard has 7 lines; banks write more, but not this much.
const FIELD_BYTES_MAX: usize = 64 * 1024;

/// A field with its lines, without line ends. Blanks at the ends of lines are kept: text that is
/// wrapped there needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'t> {
    pub tag: &'t str,
    pub lines: Vec<&'t str>,
}

impl Field<'_> {
    pub fn first(&self) -> &str {
        self.lines.first().copied().unwrap_or("").trim()
    }
}

pub fn messages(text: &str) -> Result<Vec<Vec<Field<'_>>>, DecodeError> {
    let mut messages: Vec<Vec<Field<'_>>> = Vec::new();
    let (mut inside, mut in_block) = (false, false);
    let mut bytes = 0;
    for line in text.lines() {
        let line = line.trim_matches(['\r', '\u{1}', '\u{3}', '\u{1a}']);
        if line.starts_with("{1:") || line.starts_with("{4:") {
            in_block = true;
        }
        if line == "-" || line.starts_with("-}") {
            (inside, in_block) = (false, in_block && line == "-");
            continue;
        }
        // The text of a block may begin on the line of its header.
        let line = line.rsplit_once("{4:").map_or(line, |(_, after)| after);
        if let Some((tag, rest)) = tag(line) {
            bytes = 0;
            if tag == "20" {
                messages.push(Vec::new());
                inside = true;
            }
            if let Some(message) = messages.last_mut().filter(|_| inside) {
                message.push(Field { tag, lines: vec![rest] });
            } else {
                return Err(DecodeError::field(format!(":20: (`:{tag}:` comes before it)")));
            }
        } else if let Some(message) = messages.last_mut().filter(|_| inside) {
            bytes += line.len();
            if bytes > FIELD_BYTES_MAX {
                let why = format!("a field has over {FIELD_BYTES_MAX} bytes");
                return Err(DecodeError::Unreadable(why));
            }
            if let Some(field) = message.last_mut() {
                field.lines.push(line);
            }
        }
    }
    if in_block {
        return Err(DecodeError::Unreadable("the file ends inside a block: it is cut off".into()));
    }
    Ok(messages)
}

/// `:61:rest`, `:28C:rest`, `:NSF:rest`: two or three capitals and digits between colons.
fn tag(line: &str) -> Option<(&str, &str)> {
    let (tag, rest) = line.strip_prefix(':')?.split_once(':')?;
    let two_digits = tag.len() >= 2 && tag.bytes().take(2).all(|byte| byte.is_ascii_digit());
    let shape = match tag.len() {
        2 => two_digits,
        3 => {
            tag.bytes().all(|byte| byte.is_ascii_uppercase())
                || (two_digits && tag.bytes().skip(2).all(|byte| byte.is_ascii_uppercase()))
        }
        _ => false,
    };
    shape.then_some((tag, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_lines() {
        let text = "BANK\r\n940\r\n:20:A\r\n:86:one \r\n:x two\r\n-\r\nBANK\r\n:20:B\r\n";
        let read = messages(text).expect("two messages");
        let shown: Vec<Vec<(&str, Vec<&str>)>> = read
            .iter()
            .map(|fields| fields.iter().map(|field| (field.tag, field.lines.clone())).collect())
            .collect();
        let first = vec![("20", vec!["A"]), ("86", vec!["one ", ":x two"])];
        assert_eq!(shown, vec![first, vec![("20", vec!["B"])]]);
    }

    #[test]
    fn blocks_are_closed() {
        let whole = "{1:F01X}{2:O940X}{3:}{4:\n:20:A\n-}{5:}\n";
        assert_eq!(messages(whole).expect("one message").len(), 1);
        assert!(messages("{1:F01X}{2:O940X}{3:}{4:\n:20:A\n").is_err());
        assert!(messages(":61:A\n").is_err());
    }
}
