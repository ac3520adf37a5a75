//! XLSX (ECMA-376): one sheet with a frozen head, written by hand, because it takes a handful of XML
//! files in a ZIP.
//!
//! A number is written as its decimal digits, and never passes through a float here; a spreadsheet
//! that opens the file keeps fifteen of them. A text is an inline string, which no spreadsheet reads
//! as a formula.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::{Holds, Sheet, Value};

const NAMESPACE: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
/// Numbers have at most so many decimals; no currency has more than four.
const SCALE_MAX: u32 = 6;
/// The styles before those of numbers: plain, and the head's.
const STYLES_BEFORE: u32 = 2;

pub fn written(sheet: &Sheet) -> io::Result<Vec<u8>> {
    let mut zip = Zip::default();
    zip.add(
        "[Content_Types].xml",
        &format!(
            "{HEAD}<Types xmlns=\"{PACKAGE}/content-types\">\
             <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
             <Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>\
             <Override PartName=\"/xl/worksheets/sheet1.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/>\
             <Override PartName=\"/xl/styles.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml\"/>\
             </Types>"
        ),
    )?;
    zip.add("_rels/.rels", &relations(&[("officeDocument", "xl/workbook.xml")]))?;
    zip.add(
        "xl/workbook.xml",
        &format!(
            "{HEAD}<workbook xmlns=\"{NAMESPACE}\" xmlns:r=\"{RELATIONS}\"><sheets>\
             <sheet name=\"{}\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>",
            escaped(&sheet.name)
        ),
    )?;
    let parts = [("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")];
    zip.add("xl/_rels/workbook.xml.rels", &relations(&parts))?;
    zip.add("xl/styles.xml", &styles())?;
    zip.add("xl/worksheets/sheet1.xml", &cells(sheet))?;
    Ok(zip.end())
}

fn relations(parts: &[(&str, &str)]) -> String {
    let mut text = format!("{HEAD}<Relationships xmlns=\"{PACKAGE}/relationships\">");
    for (number, (kind, target)) in (1..).zip(parts) {
        let _ = write!(
            text,
            "<Relationship Id=\"rId{number}\" Type=\"{RELATIONS}/{kind}\" Target=\"{target}\"/>"
        );
    }
    text.push_str("</Relationships>");
    text
}

/// A style for each number of decimals.
fn styles() -> String {
    let mut formats = String::new();
    let mut cells = String::from("<xf/><xf fontId=\"1\" applyFont=\"1\"/>");
    for scale in 0..=SCALE_MAX {
        let (id, decimals) = (164 + scale, "0".repeat(usize::try_from(scale).unwrap_or(0)));
        let point = if scale == 0 { "" } else { "." };
        let _ =
            write!(formats, "<numFmt numFmtId=\"{id}\" formatCode=\"#,##0{point}{decimals}\"/>");
        let _ = write!(cells, "<xf numFmtId=\"{id}\" applyNumberFormat=\"1\"/>");
    }
    let (formats_count, cells_count) = (SCALE_MAX + 1, SCALE_MAX + 1 + STYLES_BEFORE);
    format!(
        "{HEAD}<styleSheet xmlns=\"{NAMESPACE}\">\
         <numFmts count=\"{formats_count}\">{formats}</numFmts>\
         <fonts count=\"2\"><font/><font><b/></font></fonts>\
         <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill>\
         <fill><patternFill patternType=\"gray125\"/></fill></fills>\
         <borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf/></cellStyleXfs>\
         <cellXfs count=\"{cells_count}\">{cells}</cellXfs></styleSheet>"
    )
}

fn cells(sheet: &Sheet) -> String {
    let mut text = format!(
        "{HEAD}<worksheet xmlns=\"{NAMESPACE}\"><sheetViews><sheetView workbookViewId=\"0\">\
         <pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>\
         </sheetView></sheetViews><sheetData><row>"
    );
    for (name, _) in &sheet.columns {
        string(&mut text, name, " s=\"1\"");
    }
    text.push_str("</row>");
    for row in &sheet.rows {
        text.push_str("<row>");
        for (value, (_, holds)) in row.iter().zip(&sheet.columns) {
            match value {
                Value::Text(own) => string(&mut text, own, ""),
                Value::Number(number) => {
                    let scale = match holds {
                        Holds::Number { scale } => *scale,
                        Holds::Text => number.scale(),
                    };
                    let style = STYLES_BEFORE + scale.min(SCALE_MAX);
                    let _ = write!(text, "<c s=\"{style}\"><v>{number}</v></c>");
                }
                Value::Nothing => text.push_str("<c/>"),
            }
        }
        text.push_str("</row>");
    }
    text.push_str("</sheetData></worksheet>");
    text
}

fn string(text: &mut String, own: &str, style: &str) {
    let own = escaped(own);
    let _ =
        write!(text, "<c t=\"inlineStr\"{style}><is><t xml:space=\"preserve\">{own}</t></is></c>");
}

/// XML 1.0 has no place for control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                out.push(' ');
            }
            letter => out.push(letter),
        }
    }
    out
}

/// A ZIP of a few files, all compressed, dated 1980: the same sheet makes the same bytes.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    files: u16,
}

impl Zip {
    fn add(&mut self, name: &str, text: &str) -> io::Result<()> {
        let too_large = |_| io::Error::other("a part of the file is larger than 4 GiB");
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes())?;
        let packed = encoder.finish()?;
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        let offset = u32::try_from(self.bytes.len()).map_err(too_large)?;
        // Version 2.0, no flags, deflate, midnight of 1980-01-01, then what was packed.
        let mut about = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0];
        about.extend(crc.sum().to_le_bytes());
        about.extend(u32::try_from(packed.len()).map_err(too_large)?.to_le_bytes());
        about.extend(u32::try_from(text.len()).map_err(too_large)?.to_le_bytes());
        about.extend(u16::try_from(name.len()).map_err(too_large)?.to_le_bytes());
        about.extend([0, 0]);

        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&about);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(&packed);

        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(&about);
        // No comment, one disk, no attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.files += 1;
        Ok(())
    }

    fn end(mut self) -> Vec<u8> {
        let (offset, size) = (self.bytes.len(), self.directory.len());
        self.bytes.extend(&self.directory);
        self.bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
        self.bytes.extend(self.files.to_le_bytes());
        self.bytes.extend(self.files.to_le_bytes());
        for place in [size, offset] {
            self.bytes.extend(u32::try_from(place).unwrap_or(u32::MAX).to_le_bytes());
        }
        self.bytes.extend([0, 0]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;
    use rust_decimal::Decimal;

    use super::*;

    /// The files of a ZIP, as its local headers have them.
    fn unpacked(bytes: &[u8]) -> Vec<(String, String)> {
        let number = |at: usize, size: usize| {
            let own = bytes.get(at..at + size).expect("within");
            own.iter().rev().fold(0_usize, |sum, byte| sum * 256 + usize::from(*byte))
        };
        let (mut at, mut files) = (0, Vec::new());
        while bytes[at..].starts_with(b"PK\x03\x04") {
            let (packed, name) = (number(at + 18, 4), number(at + 26, 2));
            let begin = at + 30 + name;
            let mut text = String::new();
            DeflateDecoder::new(&bytes[begin..begin + packed])
                .read_to_string(&mut text)
                .expect("deflated");
            assert_eq!(text.len(), number(at + 22, 4));
            files.push((String::from_utf8_lossy(&bytes[at + 30..begin]).into_owned(), text));
            at = begin + packed;
        }
        assert_eq!(number(bytes.len() - 6, 4), at, "the directory follows the files");
        files
    }

    #[test]
    fn numbers_are_their_digits_and_texts_are_no_formulas() {
        let mut sheet = Sheet::new("sales");
        sheet.column("sku", Holds::Text);
        sheet.column("net", Holds::Number { scale: 2 });
        sheet.rows = vec![
            vec!["=1+1 <&\u{1}".into(), Value::Number(Decimal::new(-123_456_789_012_345_678, 2))],
            vec!["+2".into(), Value::Nothing],
        ];
        let bytes = written(&sheet).expect("written");
        let files = unpacked(&bytes);
        assert_eq!(files.len(), 6);
        for (name, text) in &files {
            assert!(text.starts_with("<?xml"), "{name}");
        }
        let (_, cells) = files.iter().find(|(name, _)| name.ends_with("sheet1.xml")).expect("it");
        for part in [
            "<c t=\"inlineStr\" s=\"1\"><is><t xml:space=\"preserve\">net</t></is></c>",
            "<c t=\"inlineStr\"><is><t xml:space=\"preserve\">=1+1 &lt;&amp; </t></is></c>",
            "<c s=\"4\"><v>-1234567890123456.78</v></c>",
            "<c/>",
        ] {
            assert!(cells.contains(part), "{part} is not in {cells}");
        }
        assert!(!cells.contains("<f>"));
        assert_eq!(written(&sheet).expect("written"), bytes);
    }
}
