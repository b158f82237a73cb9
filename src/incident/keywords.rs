//! Finds a level's words in a description: whole words, English and Chinese, not when negated.
//!
//! Understands no grammar beyond a few words of negation before the keyword.

/// Words that turn the next few words round.
const NEGATIONS: &[&str] =
    &["no", "not", "never", "without", "none", "neither", "nor", "isn't", "isnt", "aren't", "wasn't", "weren't", "doesn't", "didn't", "hasn't", "don't"];

/// How many words a negation reaches: "no sign of an outage" has three between.
const REACH_WORDS: usize = 3;

/// Chinese negations that reach over the next few characters.
const NEGATIONS_ZH: &[&str] = &["没有", "没出现", "未出现", "未发生", "未发现", "未见", "并未", "不是", "并非", "不再", "并无"];

/// Chinese negations that must stand right before the word, because they are also parts of other words (未知, 无法, 不断).
const NEGATIONS_ZH_ADJACENT: &[&str] = &["不", "未", "无", "没"];

/// How many characters a Chinese negation reaches: 没有发现任何宕机 has four between.
const REACH_CHARS_ZH: usize = 4;

/// A text in lower case, taken apart once for any number of lists of keywords.
pub(super) struct Clauses<'t>(Vec<Vec<&'t str>>);

impl<'t> Clauses<'t> {
    /// Takes a text apart.
    pub(super) fn of(lower: &'t str) -> Self {
        let words = |clause: &'t str| clause.split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '_' | '-' | '’'))).filter(|w| !w.is_empty()).collect();
        Self(lower.split(['.', ',', ';', ':', '!', '?', '\n', '(', ')']).map(words).collect())
    }

    /// Whether any of the keywords stands in it as a word of its own (a plural `s` is accepted) and is not negated.
    pub(super) fn have_any(&self, keywords: &[String]) -> bool {
        self.0.iter().any(|words| (0..words.len()).any(|at| keywords.iter().any(|k| matches_at(words, at, k)) && !negated(words, at)))
    }
}

/// A keyword may have several words.
fn matches_at(words: &[&str], at: usize, keyword: &str) -> bool {
    let mut parts = keyword.split_whitespace().peekable();
    let mut at = at;
    while let Some(part) = parts.next() {
        let Some(word) = words.get(at) else { return false };
        let last = parts.peek().is_none();
        if *word != part && !(last && word.strip_suffix('s') == Some(part)) {
            return false;
        }
        at += 1;
    }
    !keyword.is_empty()
}

fn negated(words: &[&str], at: usize) -> bool {
    let before = &words[at.saturating_sub(REACH_WORDS + 1)..at];
    before.iter().enumerate().any(|(i, word)| {
        let plain = word.replace('’', "'");
        // "not only slow but down" affirms.
        NEGATIONS.contains(&plain.as_str()) && before.get(i + 1) != Some(&"only")
    })
}

/// Whether any of the Chinese keywords stands in the text and is not negated.
pub(super) fn any_word_zh(text: &str, keywords: &[String]) -> bool {
    if text.is_ascii() {
        return false;
    }
    keywords.iter().filter(|k| !k.is_empty()).any(|keyword| {
        text.match_indices(keyword.as_str()).any(|(at, _)| {
            let clause = text[..at].rsplit(['，', '。', '；', '、', ',', '.', '\n']).next().unwrap_or_default();
            !negated_zh(clause)
        })
    })
}

fn negated_zh(before: &str) -> bool {
    let adjacent = NEGATIONS_ZH_ADJACENT.iter().any(|n| before.ends_with(n));
    adjacent || NEGATIONS_ZH.iter().any(|n| before.rfind(n).is_some_and(|at| before[at + n.len()..].chars().count() <= REACH_CHARS_ZH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_that_are_not_negated() {
        let down = ["down".to_owned(), "outage".to_owned(), "5xx".to_owned()];
        let any_word = |text: &str, keywords: &[String]| Clauses::of(&text.to_lowercase()).have_any(keywords);
        for text in ["API is down", "DOWN!", "two outages today", "not only slow but down", "cannot log in: down", "spike of 5xx", "no errors, but down"] {
            assert!(any_word(text, &down), "{text}");
        }
        for text in ["download page", "not down", "no outage", "isn’t down", "no sign of an outage", "never went down", "countdown", ""] {
            assert!(!any_word(text, &down), "{text}");
        }
    }

    #[test]
    fn chinese_words_that_are_not_negated() {
        let words = ["宕机".to_owned(), "超时".to_owned(), "错误".to_owned()];
        for text in ["数据库宕机", "不断超时", "未知错误", "没有告警，但是超时"] {
            assert!(any_word_zh(text, &words), "{text}");
        }
        for text in ["没有宕机", "未出现超时", "无错误", "并没有发现宕机", "性能下降"] {
            assert!(!any_word_zh(text, &words), "{text}");
        }
    }
}
