//! The words of a description, as a search compares them: without case, accents and width.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Different words of one description that can be searched for; what follows cannot.
pub(super) const WORDS_MAX: usize = 64;

/// The different words of `text` in their order, at most [`WORDS_MAX`]. A word is a run of letters and digits; in scripts that put no
/// spaces between words (Han, Hiragana, Katakana) each sign is one.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    let folded = text.nfkd().flat_map(char::to_lowercase).filter(|letter| !is_accent(*letter));
    // The space at the end ends the last word.
    for letter in folded.chain(std::iter::once(' ')) {
        if (letter.is_alphanumeric() && !stands_alone(letter)) || (is_combining_mark(letter) && !word.is_empty()) {
            word.push(letter);
            continue;
        }
        let ended = std::mem::take(&mut word);
        let alone = if stands_alone(letter) { letter.to_string() } else { String::new() };
        for next in [ended, alone] {
            if !next.is_empty() && !found.contains(&next) {
                found.push(next);
            }
        }
        if found.len() >= WORDS_MAX {
            break;
        }
    }
    found.truncate(WORDS_MAX);
    found
}

/// A category as it is compared: in one form, one case, with single spaces. Accents count: they tell words apart.
pub(super) fn category(label: &str) -> String {
    let folded: String = label.nfkc().flat_map(char::to_lowercase).collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Marks that Latin, Greek and Cyrillic letters carry; in other scripts a mark is a vowel and makes another word.
const fn is_accent(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}' | '\u{3099}' | '\u{309a}')
}

const fn stands_alone(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}
