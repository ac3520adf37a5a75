//! Rust text cut into identifiers, strings and everything else, so that a rule about code is not
//! upset by a comment.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or keyword.
    Word,
    /// The content of a string literal of any form, escapes as written.
    Text,
    /// One character of punctuation, or a number, character or lifetime.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    pub line: usize,
}

/// Comments and white space are left out. Text that is not Rust gives tokens that mean nothing,
/// never an error: the compiler is there to complain.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (length, token) = next(rest, first);
        if let Some((kind, text)) = token {
            tokens.push(Token { kind, text, line });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of the piece at the start of `rest`, and what it is if it is not to be skipped.
fn next(rest: &str, first: char) -> (usize, Option<(Kind, &str)>) {
    if first.is_whitespace() {
        return (first.len_utf8(), None);
    }
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if let Some((length, content)) = string(rest) {
        return (length, Some((Kind::Text, content)));
    }
    let length = match first {
        '\'' => character_or_lifetime(rest),
        _ if is_word(first) => word_length(rest),
        _ => first.len_utf8(),
    };
    let is_name = is_word(first) && !first.is_ascii_digit();
    let kind = if is_name { Kind::Word } else { Kind::Other };
    (length, Some((kind, &rest[..length])))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word_length(rest: &str) -> usize {
    rest.find(|character| !is_word(character)).unwrap_or(rest.len())
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `"…"`, `b"…"`, `c"…"` and the raw forms: length and content.
fn string(rest: &str) -> Option<(usize, &str)> {
    let prefix = rest.find(|character: char| !character.is_ascii_lowercase())?;
    let raw = match &rest[..prefix] {
        "" | "b" | "c" => false,
        "r" | "br" | "cr" => true,
        _ => return None,
    };
    let hashes = if raw { rest[prefix..].chars().take_while(|&c| c == '#').count() } else { 0 };
    let start = prefix + hashes + 1;
    if rest.as_bytes().get(start - 1) != Some(&b'"') {
        return None;
    }
    let content = &rest[start..];
    let length = if raw {
        content.find(&format!("\"{}", "#".repeat(hashes))).unwrap_or(content.len())
    } else {
        let mut escaped = false;
        content
            .find(|character| {
                let ends = character == '"' && !escaped;
                escaped = character == '\\' && !escaped;
                ends
            })
            .unwrap_or(content.len())
    };
    Some(((start + length + 1 + hashes).min(rest.len()), &content[..length]))
}

fn character_or_lifetime(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    let Some((_, first)) = characters.next() else { return rest.len() };
    if first == '\\' {
        // Skip the escaped character, which may be a quote.
        let after = characters.nth(1).map_or(rest.len(), |(at, _)| at);
        return rest[after..].find('\'').map_or(rest.len(), |at| after + at + 1);
    }
    match characters.next() {
        Some((at, '\'')) => at + 1,
        _ => 1 + word_length(&rest[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[(Kind, &str)]) {
        let found: Vec<_> = tokens(source)
            .into_iter()
            .filter(|token| token.kind != Kind::Other)
            .map(|token| (token.kind, token.text))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn comments_are_no_code_and_strings_are_no_comments() {
        check(
            "a // b\n/* c /* d */ e */ f \"// g\" /* ",
            &[(Kind::Word, "a"), (Kind::Word, "f"), (Kind::Text, "// g")],
        );
    }

    #[test]
    fn every_form_of_string_ends_where_it_ends() {
        check(
            r####"x("a\"b\\", b"c", r"d\", r#"e"f"#, br##"g"#h"##) y"####,
            &[
                (Kind::Word, "x"),
                (Kind::Text, r#"a\"b\\"#),
                (Kind::Text, "c"),
                (Kind::Text, r"d\"),
                (Kind::Text, "e\"f"),
                (Kind::Text, "g\"#h"),
                (Kind::Word, "y"),
            ],
        );
    }

    #[test]
    fn characters_and_lifetimes_do_not_open_strings() {
        check(
            r#"f<'a>('"', '\'', '\u{1F600}', 'é', "s")"#,
            &[(Kind::Word, "f"), (Kind::Text, "s")],
        );
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let found = tokens("\"a\nb\" /*\n*/ c");
        assert_eq!(found.iter().map(|token| token.line).collect::<Vec<_>>(), [1, 3]);
    }
}
