//! What failures have in common: thousands of commands that one archived account makes the books
//! refuse are one thing for a person to mend.
//!
//! Only what was said counts, without the names of what it was said about. Two failures that say
//! something else are two causes, also where one act would mend both.

/// A cause in words: where it happened, and what was said there about whatever has these names.
pub fn of(place: &[&str], said: &str, names: &[&str]) -> String {
    let mut said = said.to_owned();
    let mut names: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    // A name that holds another one goes first.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        said = without(&said, name);
    }
    format!("{}: {said}", place.join(" "))
}

/// What was said, with `…` where a name stands as a word of its own.
fn without(said: &str, name: &str) -> String {
    let mut text = String::with_capacity(said.len());
    let mut rest = said;
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let after = found.get(name.len()..).unwrap_or_default();
        let joined = before.chars().next_back().is_some_and(char::is_alphanumeric)
            || after.chars().next().is_some_and(char::is_alphanumeric);
        text.push_str(before);
        text.push_str(if joined { name } else { "…" });
        rest = after;
    }
    text.push_str(rest);
    text
}

/// What was said, with each number as `…`: places in a body differ from message to message.
pub fn without_numbers(said: &str) -> String {
    let mut text = String::with_capacity(said.len());
    for letter in said.chars() {
        if !letter.is_ascii_digit() {
            text.push(letter);
        } else if !text.ends_with('…') {
            text.push('…');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{of, without_numbers};

    #[test]
    fn only_the_names_of_what_it_is_about_are_left_out() {
        let said = "account 100 is archived (order 10 of shop/sale/10)";
        let cause = of(&["books", "TU104"], said, &["10", "shop/sale/10", ""]);
        assert_eq!(cause, "books TU104: account 100 is archived (order … of …)");
        assert_eq!(without_numbers("line 12 column 3"), "line … column …");
    }
}
