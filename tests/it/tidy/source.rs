//! Reads source text for the house rules: tokens, paths, and the lines of tests.

use std::ops::Range;

/// The lines of each `#[cfg(test)] mod`.
pub fn test_modules(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let opening = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let begins = |at: usize| {
        tokens[at..]
            .iter()
            .map(|token| token.text)
            .take(opening.len())
            .eq(opening)
    };
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|&at| begins(at)) {
        let mut open = 0;
        let end = tokens[at..].iter().find(|token| {
            open += i32::from(token.text == "{") - i32::from(token.text == "}");
            open == 0 && [";", "}"].contains(&token.text)
        });
        found.extend(end.map(|end| tokens[at].line..end.line + 1));
    }
    found
}

/// A path in the source, in a `use` or elsewhere, with the number of inline modules around it.
pub struct Used<'a> {
    pub line: usize,
    pub inside: usize,
    pub segments: Vec<&'a str>,
}

/// Every path of two segments or more, and everything that is named by a `use`.
pub fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Used<'a>> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let (mut found, mut braces, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        match text(at) {
            "{" => braces.push(at >= 2 && text(at - 2) == "mod"),
            "}" => drop(braces.pop()),
            _ => {}
        }
        let inside = braces.iter().filter(|&&module| module).count();
        let begins = at == 0 || (text(at - 1) != "::" && !is_scope(tokens, at));
        let path = begins && text(at).starts_with(is_word) && text(at + 1) == "::";
        at = match text(at) {
            "use" => tree(
                tokens,
                at + 1 + usize::from(text(at + 1) == "::"),
                &[],
                inside,
                &mut found,
            ),
            _ if path => tree(tokens, at, &[], inside, &mut found),
            _ => at + 1,
        };
    }
    found
}

/// Returns whether a path is the scope of a `pub(in …)`, which imports nothing.
fn is_scope(tokens: &[Token<'_>], at: usize) -> bool {
    at >= 2 && tokens[at - 2].text == "(" && tokens[at - 1].text == "in"
}

/// Reads a path, or the tree of a `use`, and returns its end.
fn tree<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    inside: usize,
    found: &mut Vec<Used<'a>>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut segments = before.to_vec();
    loop {
        match text(at) {
            "{" => return branches(tokens, at + 1, &segments, inside, found),
            segment if segment == "*" || segment.starts_with(is_word) => segments.push(segment),
            _ => break,
        }
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if let Some(token) = tokens
        .get(at.saturating_sub(1))
        .filter(|_| !segments.is_empty())
    {
        found.push(Used {
            line: token.line,
            inside,
            segments,
        });
    }
    at
}

fn branches<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    inside: usize,
    found: &mut Vec<Used<'a>>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    while !["", "}"].contains(&text(at)) {
        at = tree(tokens, at, before, inside, found);
        while !["", ",", "}"].contains(&text(at)) {
            at += 1;
        }
        at += usize::from(text(at) == ",");
    }
    at + 1
}

/// A word, a text in quotes, `::`, or one other character.
pub struct Token<'a> {
    pub line: usize,
    pub text: &'a str,
}

/// The tokens of Rust or protobuf source, without comments.
pub fn lex(text: &str) -> Vec<Token<'_>> {
    let mut tokens = lex_with_comments(text);
    tokens.retain(|token| !is_comment(token.text));
    tokens
}

/// The tokens of Rust or protobuf source. Each comment is one token.
pub fn lex_with_comments(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_length(rest, first));
        if !first.is_whitespace() {
            tokens.push(Token { line, text: token });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    tokens
}

pub fn is_comment(token: &str) -> bool {
    token.starts_with("//") || token.starts_with("/*")
}

fn token_length(rest: &str, first: char) -> usize {
    let until = |found: Option<usize>| found.unwrap_or(rest.len());
    if rest.starts_with("//") {
        until(rest.find('\n'))
    } else if rest.starts_with("/*") {
        block_comment_length(rest)
    } else if let Some(length) = string_length(rest) {
        length
    } else if first == '\'' {
        char_length(rest)
    } else if is_word(first) {
        until(rest.find(|c| !is_word(c)))
    } else if rest.starts_with("::") {
        2
    } else {
        first.len_utf8()
    }
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment_length(rest: &str) -> usize {
    let (mut open, mut at) = (0, 0);
    while let Some(two) = rest.as_bytes().get(at..at + 2) {
        match two {
            b"/*" => open += 1,
            b"*/" => open -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if open == 0 {
            return at;
        }
    }
    rest.len()
}

fn string_length(rest: &str) -> Option<usize> {
    let marked = rest.trim_start_matches(['b', 'c', 'r']);
    let raw = rest[..rest.len() - marked.len()].contains('r');
    let hashes = marked.len() - marked.trim_start_matches('#').len();
    let body = marked[hashes..]
        .strip_prefix('"')
        .filter(|_| raw || hashes == 0)?;
    let mut escaped = false;
    let end = if raw {
        let close = format!("\"{}", "#".repeat(hashes));
        body.find(&close).map(|at| at + close.len())
    } else {
        let close = body.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        close.map(|at| at + 1)
    };
    Some(rest.len() - body.len() + end.unwrap_or(body.len()))
}

/// A character, or only the quote of a lifetime.
fn char_length(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escape))) => {
            let after = at + escape.len_utf8();
            rest[after..]
                .find('\'')
                .map_or(1, |close| after + close + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}
