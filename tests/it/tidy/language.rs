//! Counts patterns that make English hard to read, over comments, documents and the texts of the program.

use std::collections::BTreeMap;

use super::source::{is_comment, is_word, lex_with_comments};

/// Patterns, and how often each may occur in 1,000 words.
const PATTERNS: [Pattern; 6] = [
    Pattern {
        name: "what is/was",
        phrases: &["what is", "what was", "what are", "what were"],
        ceiling: 1.0,
    },
    Pattern {
        name: "who/whoever",
        phrases: &["who", "whoever", "whomever"],
        ceiling: 0.5,
    },
    Pattern {
        name: "somebody/nobody",
        phrases: &["somebody", "nobody", "anybody"],
        ceiling: 0.5,
    },
    Pattern {
        name: "behind/beside",
        phrases: &["behind", "beside"],
        ceiling: 0.5,
    },
    Pattern {
        name: "told/tells",
        phrases: &["told", "tell", "tells"],
        ceiling: 0.5,
    },
    Pattern {
        name: "false friends",
        phrases: &[
            "anew",
            "any more",
            "as far as",
            "but for",
            "in the place of",
            "mend",
            "mended",
            "mends",
            "no more",
            "so many",
            "to come",
        ],
        ceiling: 0.5,
    },
];

/// Words before `who` that name a person, as in "a caller who".
const PEOPLE: &[&str] = &[
    "account",
    "administrator",
    "approver",
    "caller",
    "candidate",
    "client",
    "everybody",
    "everyone",
    "member",
    "one",
    "operator",
    "other",
    "owner",
    "people",
    "person",
    "reader",
    "requester",
    "those",
    "user",
];

/// Rooms of the house, the innermost first, each with a ceiling of its own for every pattern.
const ROOMS: &[(&str, [f64; PATTERNS.len()])] = &[
    ("src/domain src/service", PLAIN),
    ("src/store", PLAIN),
    ("src/rest", PLAIN),
    ("src", PLAIN),
    ("", PLAIN),
];

/// The ceilings of the patterns themselves.
const PLAIN: [f64; PATTERNS.len()] = {
    let mut ceilings = [0.0; PATTERNS.len()];
    let mut index = 0;
    while index < PATTERNS.len() {
        ceilings[index] = PATTERNS[index].ceiling;
        index += 1;
    }
    ceilings
};

/// Where the words "so far" and "yet" are allowed, with the reason why the sentence cannot become untrue: it does not
/// describe the program, which changes with each version.
const TEMPORARY: &[(&str, &str, &str)] = &[
    ("src/domain", "so far", "the state of one elevation"),
    ("src/domain", "yet", "the state of one elevation"),
    ("src/service", "yet", "a filing in progress"),
    (
        "src/telemetry/metrics.rs",
        "not answered yet",
        "a request in progress",
    ),
    (
        "tests/it/tidy/language.rs",
        "so far",
        "the rule names the words",
    ),
    (
        "tests/it/tidy/language.rs",
        "yet",
        "the rule names the words",
    ),
];

struct Pattern {
    name: &'static str,
    phrases: &'static [&'static str],
    ceiling: f64,
}

/// A word in lower case, or `|` between two texts, or a backtick instead of code.
struct Word {
    line: usize,
    text: String,
}

/// The words of one or more files, and where each of [`PATTERNS`] occurs.
#[derive(Default)]
pub struct Count {
    words: usize,
    found: [Vec<String>; PATTERNS.len()],
}

impl Count {
    /// Adds the words of a file: its comments and, in the program itself, its texts in quotes.
    pub fn add(&mut self, path: &str, text: &str) {
        let words = words(path, text);
        self.words += words.iter().filter(|word| is_prose(&word.text)).count();
        for (pattern, found) in PATTERNS.iter().zip(&mut self.found) {
            for at in 0..words.len() {
                if let Some(length) = occurs(pattern, &words, at) {
                    found.push(excerpt(path, &words, at, length));
                }
            }
        }
    }

    /// Returns the occurrences of each pattern that is more frequent than its ceiling.
    #[expect(clippy::print_stdout, reason = "the counts, shown with --nocapture")]
    pub fn above(&self, room: &str, ceilings: &[f64; PATTERNS.len()]) -> Vec<String> {
        let mut wrong = Vec::new();
        for ((pattern, found), ceiling) in PATTERNS.iter().zip(&self.found).zip(ceilings) {
            let frequency = per_thousand(found.len(), self.words);
            let name = pattern.name;
            println!("{room:?}: {name}: {frequency:.2} of at most {ceiling:.2}");
            if frequency > *ceiling {
                wrong.push(format!(
                    "{room:?} has {frequency:.2} {name} per 1,000 words, and at most {ceiling:.2} \
                     are allowed:"
                ));
                wrong.extend(found.iter().map(|line| format!("  {line}")));
            }
        }
        wrong
    }
}

/// Returns the patterns above their ceilings in all files together, room by room.
pub fn rooms_above_ceilings(files: &[(String, String)]) -> Vec<String> {
    let mut counts: BTreeMap<usize, Count> = BTreeMap::new();
    for (path, text) in files {
        counts.entry(room(path)).or_default().add(path, text);
    }
    let mut wrong = Vec::new();
    for (room, count) in counts {
        let (name, ceilings) = &ROOMS[room];
        wrong.extend(count.above(name, ceilings));
    }
    wrong
}

/// The language of one file alone is within the ceilings of the patterns.
pub fn language(path: &str, text: &str) -> Vec<String> {
    let mut count = Count::default();
    count.add(path, text);
    count.above(path, &PLAIN)
}

/// A file says "so far" and "yet" only where [`TEMPORARY`] has a reason.
pub fn temporary(path: &str, text: &str) -> Vec<String> {
    let words = words(path, text);
    let mut wrong = Vec::new();
    for at in 0..words.len() {
        let length = if words[at].text == "yet" {
            1
        } else if phrase_at("so far", &words, at) {
            2
        } else {
            continue;
        };
        let excerpt = excerpt(path, &words, at, length);
        if !TEMPORARY
            .iter()
            .any(|(file, phrase, _)| path.starts_with(file) && excerpt.contains(phrase))
        {
            wrong.push(excerpt);
        }
    }
    wrong
}

#[expect(clippy::cast_precision_loss, reason = "the words of a project")]
fn per_thousand(found: usize, words: usize) -> f64 {
    found as f64 * 1_000.0 / words.max(1) as f64
}

fn room(path: &str) -> usize {
    let is_in =
        |rooms: &str| rooms.is_empty() || rooms.split(' ').any(|room| path.starts_with(room));
    let room = ROOMS.iter().position(|(rooms, _)| is_in(rooms));
    room.expect("the last room has everything else")
}

/// Returns how many words of a pattern are at a place.
fn occurs(pattern: &Pattern, words: &[Word], at: usize) -> Option<usize> {
    let phrase = pattern
        .phrases
        .iter()
        .find(|phrase| phrase_at(phrase, words, at))?;
    let length = phrase.split(' ').count();
    let before = at.checked_sub(1).map_or("", |before| &words[before].text);
    let after = words.get(at + length).map_or("", |word| &word.text);
    let harmless = match *phrase {
        "who" => PEOPLE.contains(&before) || PEOPLE.contains(&before.trim_end_matches('s')),
        "no more" => after == "than",
        _ => false,
    };
    (!harmless).then_some(length)
}

fn phrase_at(phrase: &str, words: &[Word], at: usize) -> bool {
    let texts = words[at..].iter().map(|word| &*word.text);
    let length = phrase.split(' ').count();
    texts.take(length).eq(phrase.split(' '))
}

fn excerpt(path: &str, words: &[Word], at: usize, length: usize) -> String {
    let around = &words[at.saturating_sub(8)..words.len().min(at + length + 8)];
    let texts: Vec<_> = around.iter().map(|word| &*word.text).collect();
    format!("{path}:{}: {}", words[at].line, texts.join(" "))
}

fn is_prose(word: &str) -> bool {
    word.starts_with(is_word)
}

fn words(path: &str, text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("proto" | "rs") => source_words(path, text, &mut words),
        Some("json" | "md" | "yaml") => document_words(text, &mut words),
        Some("sql") => comment_words(text, "--", &mut words),
        Some("toml") | None => comment_words(text, "#", &mut words),
        Some(_) => {}
    }
    words
}

fn source_words(path: &str, text: &str, words: &mut Vec<Word>) {
    let mut after_comment = false;
    for token in lex_with_comments(text) {
        let comment = is_comment(token.text);
        if comment {
            if !after_comment {
                split(token.line, "|", words);
            }
            split(
                token.line,
                token.text.trim_start_matches(['/', '*', '!']),
                words,
            );
        } else if path.starts_with("src/") && token.text.contains('"') && token.text.contains(' ') {
            split(
                token.line,
                &format!("| {} |", token.text.replace("\\n", " ")),
                words,
            );
        }
        after_comment = comment;
    }
}

/// Blocks of code have no words.
fn document_words(text: &str, words: &mut Vec<Word>) {
    let mut code = false;
    for (line, number) in text.lines().zip(1..) {
        let begins = line.is_empty() || line.starts_with(['|', '#', '-']);
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            if begins {
                split(number, "|", words);
            }
            split(number, line, words);
        }
    }
}

fn comment_words(text: &str, mark: &str, words: &mut Vec<Word>) {
    for (line, number) in text.lines().zip(1..) {
        match line.trim_start().strip_prefix(mark) {
            Some(comment) => split(number, comment, words),
            None => split(number, "|", words),
        }
    }
}

fn split(line: usize, text: &str, words: &mut Vec<Word>) {
    let mut push = |text: &str| {
        words.push(Word {
            line,
            text: text.to_lowercase(),
        })
    };
    for (part, code) in text.split('`').zip([false, true].into_iter().cycle()) {
        if code {
            push("`");
            continue;
        }
        for word in part.split(|c: char| !is_word(c) && !"'’|.;:,".contains(c)) {
            let bare = word.trim_matches(['.', ';', ':', ',', '\'', '’']);
            if !bare.is_empty() {
                push(bare);
            }
            if word.ends_with(['.', ';', ':', ',']) {
                push("|");
            }
        }
    }
}
