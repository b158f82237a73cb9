use super::*;

fn seen(message: &str) -> Occurrence<'_> {
    Occurrence { message: message.as_bytes(), level: Level::Error, time: Some(5), logger: Some(b"db"), line: 1 }
}

#[test]
fn variable_parts_are_masked_and_words_are_not() {
    for (text, want) in [
        ("Connection to 10.0.0.1:80 timeout after 30ms", "Connection to <*> timeout after <*>ms"),
        ("deadlock on tuple (599519,140)", "deadlock on tuple (<*>)"),
        ("user u771 on /var/data/64b02f217e72", "user u<*> on /var/data/<*>"),
        ("File /srv/app/149a771ba4ba.json not found", "File /srv/app/<*>.json not found"),
        ("at com.acme.Svc.run(Svc.java:135)", "at com.acme.Svc.run(Svc.java:<*>)"),
        ("id 123e4567-e89b-12d3-a456-426614174000 gone", "id <*> gone"),
        ("ids deadbeef-cafe-babe-face-feedfacebeef", "ids <*>"),
        ("ptr 0xff at 0x7fff5fbff8a0", "ptr <*> at <*>"),
        ("since 2026-01-26 10:30:45,123", "since <*> <*>"),
        ("delta -5 and +7.5 and x=-3", "delta <*> and <*> and x=<*>"),
        ("pod web-7d4b9c6f5-x2x9z", "pod web-<*>-x<*>x<*>z"),
        ("token AKIA1B2C3D4E5F6G", "token <*>"),
        ("a  b\tc", "a b c"),
        ("数据库 3 次 失败", "数据库 <*> 次 失败"),
        ("Facade decade", "Facade decade"),
        ("", ""),
    ] {
        assert_eq!(template(text), want, "{text}");
    }
}

#[test]
fn counts_add_up_when_there_are_too_many_groups() {
    let mut templates = Templates::default();
    let word = |mut n: usize| {
        let mut out = String::new();
        for _ in 0..4 {
            out.push(char::from(b'a' + u8::try_from(n % 26).expect("below 26")));
            n /= 26;
        }
        out
    };
    for n in 0..MOST_GROUPS + 50 {
        templates.add(0, &seen(&word(n)), &Redactor::default());
    }
    assert_eq!(templates.sizes(), (MOST_GROUPS, 50));
    let mut later = Templates::default();
    later.add(1, &seen("aaaa"), &Redactor::default());
    later.add(1, &seen("a new one"), &Redactor::default());
    templates.merge(later);
    assert_eq!(templates.sizes(), (MOST_GROUPS, 51));
    assert_eq!((templates.top(1)[0].count, templates.top(1)[0].file), (2, 0));
}

#[test]
fn merged_parts_equal_the_whole() {
    let messages = ["a 1", "b 2", "a 3", "c", "b 4", "a 5"];
    let run = |messages: &[&str]| {
        let mut templates = Templates::default();
        messages.iter().for_each(|m| templates.add(0, &seen(m), &Redactor::default()));
        templates
    };
    let whole = run(&messages);
    for cut in 0..=messages.len() {
        let mut parts = run(&messages[..cut]);
        parts.merge(run(&messages[cut..]));
        assert_eq!(parts.groups, whole.groups, "cut at {cut}");
    }
}

#[test]
fn a_long_message_is_redacted_before_it_is_cut() {
    let secret = format!("password=canary{} end", "x".repeat(3_000));
    let mut templates = Templates::default();
    templates.add(0, &seen(&secret), &Redactor::default());
    assert!(!templates.groups[0].sample.contains("canary"));
}
