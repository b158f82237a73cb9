#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn place(at: u64) -> Place {
    Place { file: 0, offset: at, block: 0, line: 0 }
}

fn seen<'m>(class: Class, message: &'m str, at: u64) -> Seen<'m> {
    let logger = if at.is_multiple_of(2) { b"even" } else { &b"odd"[..] };
    let time = Some(at as i64 * 1_000_000_000);
    Seen { class, level: Some(Level::Error), message: message.as_bytes(), more: b"", time, logger: Some(logger), place: place(at), before: false }
}

/// Template, count, place of the sample, loggers, of each group.
fn shown(groups: Groups) -> Vec<(String, u64, u64, usize)> {
    let grouped = groups.finish();
    grouped.groups.iter().map(|(template, group)| (template.clone(), group.count, group.place().unwrap().offset, group.loggers.len())).collect()
}

#[test]
fn parts_add_up_in_any_order_to_the_whole() {
    let redactor = Redactor::default();
    let messages: Vec<String> = (0..400_u64).map(|n| format!("job {n} of queue {} failed", ["mail", "disk", "net"][n as usize % 3])).collect();
    let mut whole = Groups::new(None);
    let mut parts: Vec<Groups> = (0..5).map(|_| Groups::new(None)).collect();
    for (at, message) in messages.iter().enumerate() {
        let record = seen(if at % 7 == 0 { Class::Warning } else { Class::Error }, message, at as u64);
        whole.add(&record, &redactor);
        parts[at * 13 % 5].add(&record, &redactor);
    }
    let mut sum = Groups::new(None);
    parts.iter_mut().rev().for_each(|part| sum.take(part));
    assert!(parts.iter().all(|part| part.bytes() == 0));
    let want = shown(whole);
    assert_eq!(want.iter().map(|group| group.1).sum::<u64>(), 400);
    assert_eq!(shown(sum), want);
}

#[test]
fn what_is_kept_of_too_many_does_not_depend_on_who_came_first() {
    let redactor = Redactor::default();
    let letter = |n: u64, at: u64| char::from(b'a' + (n >> (at * 4)) as u8 % 16);
    let word = |n: u64| -> String { (0..5).map(|at| letter(n, at)).collect() };
    let messages: Vec<String> = (0..60_000_u64).map(|n| format!("{} {} {}", word(n * 7_919), word(n ^ 0x5_5555), word(n * n))).collect();
    let count = |order: &mut dyn Iterator<Item = usize>| {
        let mut groups = Groups::new(None);
        order.for_each(|at| groups.add(&seen(Class::Error, &messages[at], at as u64), &redactor));
        assert!(groups.exact.bytes <= 2 * MOST_BYTES && groups.outlines.bytes <= 2 * MOST_OUTLINE_BYTES);
        let grouped = groups.finish();
        let sum: u64 = grouped.groups.iter().map(|(_, group)| group.count).sum();
        (sum, grouped.other(Class::Error), grouped.groups.into_iter().map(|(template, group)| (template, group.count)).collect::<Vec<_>>())
    };
    let forward = count(&mut (0..60_000));
    assert_eq!(forward.0 + forward.1, 60_000);
    assert_eq!(count(&mut (0..60_000).rev()), forward);
    assert_eq!(count(&mut (0..60_000).map(|n| n * 7 % 60_000)), forward);
}

#[test]
fn traces_tell_groups_apart_and_what_came_before_is_not_counted() {
    let redactor = Redactor::default();
    let mut groups = Groups::new(None);
    let mut add = |more: &str, before, at| groups.add(&Seen { more: more.as_bytes(), before, ..seen(Class::Error, "request failed", at) }, &redactor);
    add("java.io.IOException: x\n\tat com.acme.A.run(A.java:5)\n", false, 3);
    add("java.io.IOException: y\n\tat com.acme.A.run(A.java:6)\n", false, 2);
    add("java.io.IOException: y\n\tat com.acme.B.run(B.java:6)\n", false, 4);
    add("java.io.IOException: y\n\tat com.acme.B.run(B.java:7)\n", true, 1);
    add("", true, 0);
    let grouped = groups.finish();
    let got: Vec<_> = grouped.groups.iter().map(|(_, g)| (g.count, g.before, g.place().unwrap().offset, g.trace.as_deref().is_some())).collect();
    assert_eq!(got, [(2, 0, 2, true), (1, 1, 4, true)]);
}

#[test]
fn the_loggers_are_those_that_come_first() {
    let mut group = Group::new(Class::Error, None);
    for at in [9, 3, 7, 1, 5, 8, 2] {
        group.add_logger(place(at), format!("l{at}").as_bytes());
    }
    group.add_logger(place(0), b"l5");
    let mut names: Vec<String> = group.loggers.iter().map(|(_, name)| String::from_utf8_lossy(name).into_owned()).collect();
    names.sort();
    assert_eq!(names, ["l1", "l2", "l3", "l5", "l7"]);
}
