//! XML as a stream of paths: `Stmt/Ntry/Amt` with its text and currency, in the order of the file.
//!
//! Names are local names, because banks send any namespace or none. Document types and entities are
//! refused: statements have no use for them, and attackers do. Depth, names and texts are bounded.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use trueup_connect::DecodeError;

/// The schema is 14 deep, envelopes add a few.
const DEPTH_MAX: usize = 48;
/// The longest name of the schema has 20 letters.
const NAME_BYTES_MAX: usize = 100;
/// The longest text of the schema has 500 characters; some banks write more.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// An element that ends: its path, its own text (trimmed) and its `Ccy` attribute.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    pub path: &'a str,
    pub text: &'a str,
    pub currency: Option<&'a str>,
}

/// Gets the elements below a message element, such as `BkToCstmrStmt`.
pub trait Visitor {
    /// The message begins; `false` leaves it unread.
    fn message(&mut self, name: &str) -> bool;
    fn open(&mut self, path: &str) -> Result<(), DecodeError>;
    fn close(&mut self, leaf: Leaf<'_>) -> Result<(), DecodeError>;
}

pub fn walk(text: &str, visitor: &mut impl Visitor) -> Result<(), DecodeError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut walk = Walk { visitor, path: Path::default(), message: None, roots: 0, leaf: None };
    let mut content = String::new();
    loop {
        let at = reader.buffer_position();
        let event =
            reader.read_event().map_err(|error| unreadable(format!("at byte {at}: {error}")))?;
        match event {
            Event::Start(tag) => {
                content.clear();
                walk.start(&tag)?;
            }
            Event::Empty(tag) => {
                content.clear();
                walk.start(&tag)?;
                walk.end("")?;
            }
            Event::End(_) => {
                walk.end(content.trim())?;
                content.clear();
            }
            Event::Text(piece) => walk.text(&mut content, &piece.xml10_content())?,
            Event::CData(piece) => walk.text(&mut content, &piece.xml10_content())?,
            Event::GeneralRef(reference) => {
                let known = reference.resolve_char_ref().ok().flatten();
                let known = known.or(match reference.xml10_content().as_ref() {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => None,
                });
                let known = known.ok_or_else(|| unreadable("entities are refused".to_owned()))?;
                walk.text(&mut content, known.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(unreadable("a DOCTYPE is refused".to_owned())),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => return walk.finish(),
        }
    }
}

fn unreadable(why: String) -> DecodeError {
    DecodeError::Unreadable(why)
}

struct Walk<'v, V> {
    visitor: &'v mut V,
    path: Path,
    /// How much of the path stands before the children of the message element.
    message: Option<Message>,
    roots: usize,
    /// The currency of the element that began last, while it has no children.
    leaf: Option<String>,
}

#[derive(Clone, Copy)]
struct Message {
    depth: usize,
    bytes: usize,
    read: bool,
}

impl<V: Visitor> Walk<'_, V> {
    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), DecodeError> {
        let local = tag.local_name();
        let name: &str = local.as_ref();
        if self.path.depth() == 0 {
            self.roots += 1;
            if self.roots > 1 {
                return Err(unreadable("more than one document in the file".to_owned()));
            }
        }
        self.path.push(name)?;
        self.leaf = None;
        let Some(message) = self.message else {
            if name.starts_with("BkToCstmr") {
                let read = self.visitor.message(name);
                let bytes = self.path.text.len() + 1;
                self.message = Some(Message { depth: self.path.depth(), bytes, read });
            }
            return Ok(());
        };
        if message.read {
            let currency = tag
                .try_get_attribute("Ccy")
                .map_err(|error| unreadable(format!("in <{name}>: {error}")))?;
            self.leaf = currency.map(|currency| currency.value.trim().to_owned());
            self.visitor.open(self.path.below(message))?;
        }
        Ok(())
    }

    fn text(&self, content: &mut String, piece: &str) -> Result<(), DecodeError> {
        if self.path.depth() == 0 {
            let blank = piece.trim().is_empty();
            return if blank {
                Ok(())
            } else {
                Err(unreadable("text outside the root".to_owned()))
            };
        }
        if content.len() + piece.len() > TEXT_BYTES_MAX {
            let place = self.path.last();
            return Err(unreadable(format!("<{place}> has over {TEXT_BYTES_MAX} bytes of text")));
        }
        content.push_str(piece);
        Ok(())
    }

    fn end(&mut self, text: &str) -> Result<(), DecodeError> {
        match self.message {
            Some(message) if self.path.depth() == message.depth => self.message = None,
            Some(message) if message.read => {
                let currency = self.leaf.take();
                let path = self.path.below(message);
                self.visitor.close(Leaf { path, text, currency: currency.as_deref() })?;
            }
            _ => {}
        }
        self.path.pop();
        Ok(())
    }

    fn finish(self) -> Result<(), DecodeError> {
        match (self.path.depth(), self.roots) {
            (0, 1) => Ok(()),
            (0, _) => Err(unreadable("there is no element in the file".to_owned())),
            (_, _) => {
                let place = self.path.last();
                Err(unreadable(format!("the file ends inside <{place}>: it is cut off")))
            }
        }
    }
}

/// The names of the open elements with `/` between them, in one buffer.
#[derive(Default)]
struct Path {
    text: String,
    starts: Vec<usize>,
}

impl Path {
    fn depth(&self) -> usize {
        self.starts.len()
    }

    fn push(&mut self, name: &str) -> Result<(), DecodeError> {
        if self.starts.len() == DEPTH_MAX {
            return Err(unreadable(format!("elements are nested over {DEPTH_MAX} deep")));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(unreadable(format!("a name has over {NAME_BYTES_MAX} bytes")));
        }
        self.starts.push(self.text.len());
        if !self.text.is_empty() {
            self.text.push('/');
        }
        self.text.push_str(name);
        Ok(())
    }

    fn pop(&mut self) {
        self.text.truncate(self.starts.pop().unwrap_or(0));
    }

    fn last(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or("")
    }

    fn below(&self, message: Message) -> &str {
        self.text.get(message.bytes..).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Visitor for Seen {
        fn message(&mut self, name: &str) -> bool {
            self.0.push(name.to_owned());
            name == "BkToCstmrStmt"
        }
        fn open(&mut self, _: &str) -> Result<(), DecodeError> {
            Ok(())
        }
        fn close(&mut self, leaf: Leaf<'_>) -> Result<(), DecodeError> {
            let currency = leaf.currency.unwrap_or("-");
            self.0.push(format!("{} {} {currency}", leaf.path, leaf.text));
            Ok(())
        }
    }

    fn seen(text: &str) -> Result<Vec<String>, DecodeError> {
        let mut seen = Seen::default();
        walk(text, &mut seen).map(|()| seen.0)
    }

    #[test]
    fn paths_have_no_namespace_and_texts_are_whole() {
        let file = "<?xml version='1.0'?><n:Document xmlns:n='x'><n:BkToCstmrStmt>\
                    <n:Stmt a='1'><n:Amt Ccy='EUR'>1.<!-- c -->50</n:Amt>\
                    <n:Nm>A &amp; B <![CDATA[<C>]]> &#228;</n:Nm><n:E/></n:Stmt>\
                    </n:BkToCstmrStmt></n:Document>\n";
        let expected =
            ["BkToCstmrStmt", "Stmt/Amt 1.50 EUR", "Stmt/Nm A & B <C> ä -", "Stmt/E  -", "Stmt  -"];
        assert_eq!(seen(file).expect("a message"), expected);
    }

    #[test]
    fn g9_hostile_and_half_written_files_are_refused() {
        let check = |file: &str, says: &str| {
            let error = seen(file).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        };
        let inside = |body: &str| format!("<D><BkToCstmrStmt>{body}</BkToCstmrStmt></D>");
        check("<!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>", "DOCTYPE");
        check(&inside("<A>&lol;</A>"), "entities");
        check("<D><BkToCstmrStmt><Stmt><Id>1</Id>", "ends inside <Stmt>");
        check("<D><A></B></D>", "at byte");
        check("<D/><D/>", "more than one");
        check("<D/>x", "outside the root");
        check("", "no element");
        check(&"<a>".repeat(100), "nested over");
        check(&inside(&format!("<A>{}</A>", "x".repeat(70_000))), "bytes of text");
        check(&inside(&format!("<{}/>", "x".repeat(200))), "a name has over");
        assert!(seen(&inside("<Id>1</I")).is_err());
    }
}
