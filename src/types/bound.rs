//! Cutting texts at a length without breaking a character.

/// The longest prefix of at most `max_bytes` bytes that ends between characters, with `…` when something was cut.
pub fn cut(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(max_bytes.saturating_sub('…'.len_utf8()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters_and_says_so() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("超时超时", 7), "超…");
        assert_eq!(cut("超时", 2), "…");
    }
}
