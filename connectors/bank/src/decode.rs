//! From the bytes of a file to documents: recognises the format by its content, because banks name
//! their files as they please.

use std::borrow::Cow;

use trueup_connect::message::BODY_BYTES_MAX;
use trueup_connect::{DecodeError, Decoded, Message};

use crate::{camt, mt940, statement};

pub const KINDS: &[&str] = &["camt.053", "mt940"];

/// Decodes a statement file. The kind only decides how a file that is neither format is refused;
/// a file is read as what it is, not as what it is called.
pub fn decode(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    let Message { kind, body } = *message;
    if !kind.is_empty() && !KINDS.contains(&kind) {
        return Ok(Decoded::Ignored(kind.to_owned()));
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(DecodeError::Unreadable(format!("larger than {BODY_BYTES_MAX} bytes")));
    }
    let unknown = || match kind {
        "" => DecodeError::UnknownKind,
        _ => DecodeError::Unreadable(format!("this is no {kind} file")),
    };
    let text = text_of(body)?;
    let read = if text.trim_start().starts_with('<') {
        camt::read(&text)?
    } else if mt940::looks_like(&text) {
        mt940::read(&text)?
    } else {
        return Err(unknown());
    };
    match read {
        Read::Statements(statements) => statement::documents(statements).map(Decoded::Documents),
        Read::Interim(what) => Ok(Decoded::Ignored(what.to_owned())),
        Read::Foreign => Err(unknown()),
    }
}

/// What a reader of one format found.
pub(crate) enum Read {
    Statements(Vec<statement::Statement>),
    /// A report of the bank that is not a statement: what it announces is booked by one.
    Interim(&'static str),
    /// Well-formed, but nothing of a bank.
    Foreign,
}

/// The text in the character set that the file declares. MT940 declares none: it is ASCII by its
/// standard and Latin-1 in the files of many banks.
fn text_of(body: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    if body.starts_with(&[0xff, 0xfe]) || body.starts_with(&[0xfe, 0xff]) {
        return Err(DecodeError::Unreadable("UTF-16 is not read; send UTF-8".to_owned()));
    }
    let body = body.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(body);
    let declared = declared_encoding(body);
    match declared.as_deref() {
        None if !body.trim_ascii_start().starts_with(b"<") => match std::str::from_utf8(body) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) => Ok(Cow::Owned(body.iter().map(|&byte| char::from(byte)).collect())),
        },
        None | Some("utf-8" | "utf8" | "us-ascii" | "ascii") => std::str::from_utf8(body)
            .map(Cow::Borrowed)
            .map_err(|error| DecodeError::Unreadable(format!("not UTF-8: {error}"))),
        Some("iso-8859-1" | "latin1") => {
            Ok(Cow::Owned(body.iter().map(|&byte| char::from(byte)).collect()))
        }
        Some("iso-8859-15") => Ok(Cow::Owned(body.iter().map(|&byte| latin_9(byte)).collect())),
        Some("windows-1252" | "cp1252") => {
            Ok(Cow::Owned(body.iter().map(|&byte| windows_1252(byte)).collect()))
        }
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            Err(DecodeError::Unreadable(format!("the encoding {other} is not read; send UTF-8")))
        }
    }
}

/// `encoding="…"` of an XML declaration, in lower case.
fn declared_encoding(body: &[u8]) -> Option<String> {
    let declaration = body.trim_ascii_start().strip_prefix(b"<?xml")?;
    let declaration = declaration.get(..200).unwrap_or(declaration);
    let end = declaration.windows(2).position(|two| two == b"?>")?;
    let declaration = std::str::from_utf8(declaration.get(..end)?).ok()?;
    let (_, rest) = declaration.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (name, _) = rest.get(1..)?.split_once(quote)?;
    Some(name.to_ascii_lowercase())
}

fn latin_9(byte: u8) -> char {
    match byte {
        0xa4 => '€',
        0xa6 => 'Š',
        0xa8 => 'š',
        0xb4 => 'Ž',
        0xb8 => 'ž',
        0xbc => 'Œ',
        0xbd => 'œ',
        0xbe => 'Ÿ',
        other => char::from(other),
    }
}

fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH.get(usize::from(byte - 0x80)).copied().unwrap_or('\u{fffd}'),
        other => char::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_character_set_is_used() {
        let check = |declared: &str, byte: u8, expected: char| {
            let mut body = format!("<?xml version='1.0' encoding='{declared}'?><a>").into_bytes();
            body.push(byte);
            let text = text_of(&body).expect("a known character set");
            assert_eq!(text.chars().last(), Some(expected), "{declared} {byte:#x}");
        };
        check("ISO-8859-1", 0xfc, 'ü');
        check("iso-8859-15", 0xa4, '€');
        check("Windows-1252", 0x80, '€');
        assert!(text_of(b"<?xml version='1.0' encoding='utf-7'?>").is_err());
        assert!(text_of(b"<?xml version='1.0'?><a>\xfc</a>").is_err());
        assert_eq!(text_of(b":86:M\xfcller").expect("Latin-1"), ":86:Müller");
    }
}
