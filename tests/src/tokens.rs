//! Splits Rust or C into tokens; what stands in comments and literals is no token.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or a keyword.
    Word,
    /// `::`.
    Path,
    /// Any other character.
    Sign,
}

/// A token and its line, counted from 1.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub line: usize,
}

impl Token {
    /// Whether it has this text.
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }
}

/// The tokens of a text. Numbers are words, since nothing here looks at them.
pub fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        let rest = &bytes[at..];
        let kind = match rest[0] {
            b'/' if rest.starts_with(b"//") => {
                at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                None
            }
            b'/' if rest.starts_with(b"/*") => {
                at += comment(rest);
                None
            }
            b'"' => {
                at += quoted(rest, b'"');
                None
            }
            b'\'' => {
                at += character(rest);
                None
            }
            b':' if rest.starts_with(b"::") => {
                at += 2;
                Some(Kind::Path)
            }
            byte if word(byte) => {
                at += rest.iter().position(|&b| !word(b)).unwrap_or(rest.len());
                // r"…", r#"…"#, br"…" and cr"…" have no escapes.
                let raw = matches!(&text[from..at], "r" | "br" | "cr");
                match raw.then(|| raw_string(&bytes[at..])).flatten() {
                    Some(length) => {
                        at += length;
                        None
                    }
                    None => Some(Kind::Word),
                }
            }
            byte if byte.is_ascii_whitespace() || !byte.is_ascii() => {
                at += 1;
                None
            }
            _ => {
                at += 1;
                Some(Kind::Sign)
            }
        };
        if let Some(kind) = kind {
            let text = text[from..at].to_owned();
            found.push(Token { kind, text, line });
        }
        let newlines = bytes[from..at].iter().map(|&b| usize::from(b == b'\n'));
        line += newlines.sum::<usize>();
    }
    found
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of a comment that may contain others.
fn comment(text: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The length of a character literal, or of the mark of a lifetime.
fn character(text: &[u8]) -> usize {
    if text.get(1) == Some(&b'\\') {
        return quoted(text, b'\'');
    }
    let end = text.iter().skip(2).take(4).position(|&b| b == b'\'');
    match end {
        // 'a, 'b: two lifetimes rather than a literal.
        Some(length) if length == 0 || !text[1].is_ascii() => length + 3,
        _ => 1,
    }
}

fn raw_string(text: &[u8]) -> Option<usize> {
    let hashes = text.iter().position(|&b| b != b'#')?;
    if text.get(hashes) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let body = &text[hashes + 1..];
    let length = body.windows(end.len()).position(|part| part == end)?;
    Some(hashes + 1 + length + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_tokens() {
        let text = "a /* b /* c */ */ \"d\\\"e\" r#\"f\"g\"# 'h' '\\'' i::<'j> // k\nl";
        let found: Vec<_> = tokens(text).into_iter().map(|t| t.text).collect();
        assert_eq!(found, ["a", "i", "::", "<", "j", ">", "l"]);
        assert_eq!(tokens(text).last().unwrap().line, 2);
    }
}
