//! Cuts a text into parts that each fit the budget after escaping, at line ends where there are any. Put together they are the text.

/// How many bytes a text takes inside a JSON string.
pub(super) fn escaped_len(text: &str) -> usize {
    text.chars().map(width).sum()
}

fn width(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

/// The parts, each of at most `room` bytes after escaping; a single one when all of it fits.
pub(super) fn split(text: &str, room: usize) -> Vec<&str> {
    let room = room.max(16);
    let (mut parts, mut begin, mut size, mut line_end) = (Vec::new(), 0, 0, 0);
    for (at, c) in text.char_indices() {
        while size + width(c) > room {
            let cut = if line_end > begin { line_end } else { at };
            parts.push(&text[begin..cut]);
            begin = cut;
            size = escaped_len(&text[cut..at]);
        }
        size += width(c);
        if c == '\n' {
            line_end = at + 1;
        }
    }
    parts.push(&text[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn parts_fit_and_add_up(text in "([a-z\"\\\\超\u{1}]{0,60}\n?){0,40}", room in 16_usize..400) {
            let parts = split(&text, room);
            proptest::prop_assert_eq!(parts.concat(), text.clone());
            for part in &parts {
                let escaped = serde_json::to_string(part).expect("a string").len() - 2;
                proptest::prop_assert_eq!(escaped, escaped_len(part));
                proptest::prop_assert!(escaped <= room);
                proptest::prop_assert!(!part.is_empty() || text.is_empty());
            }
        }
    }

    #[test]
    fn lines_stay_whole_where_they_fit() {
        assert_eq!(split("one line\ntwo\nthree is longer than this\n", 16), ["one line\ntwo\n", "three is longer ", "than this\n"]);
        assert_eq!(split("", 16), [""]);
    }
}
