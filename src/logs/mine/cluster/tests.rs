use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::mask;
use super::cluster;

/// The templates of messages, with how many distinct masks each has.
fn templates<S: AsRef<str>>(messages: &[S]) -> BTreeMap<String, usize> {
    let masks: Vec<Vec<u8>> = messages
        .iter()
        .map(|message| {
            let mut out = Vec::new();
            mask(message.as_ref().as_bytes(), &mut out);
            out
        })
        .collect();
    let sequences: Vec<(&[u8], u64)> = masks.iter().map(|mask| (mask.as_slice(), 1)).collect();
    let clusters = cluster(&sequences);
    let mut counts = BTreeMap::new();
    for at in clusters.of {
        *counts.entry(clusters.templates[at as usize].clone()).or_default() += 1;
    }
    counts
}

fn texts<S: AsRef<str>>(messages: &[S]) -> Vec<String> {
    templates(messages).into_keys().collect()
}

/// Words of letters only, all different and in no order.
fn name(at: usize) -> String {
    let mut rest = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..10)
        .map(|_| {
            rest = rest.rotate_left(7) ^ rest >> 3;
            char::from(b'a' + (rest % 26) as u8)
        })
        .collect()
}

#[test]
fn nothing_makes_nothing() {
    let clusters = cluster(&[]);
    assert!(clusters.of.is_empty() && clusters.templates.is_empty());
    assert_eq!(texts(&[""]), [""]);
}

#[test]
fn thousands_of_names_in_one_place_are_one_template() {
    let messages: Vec<String> = (0..5_000).map(|at| format!("password of {} was wrong", name(at))).collect();
    assert_eq!(texts(&messages), ["password of <*> was wrong"]);
    let messages: Vec<String> = (0..5_000).map(|at| format!("{} has signed in", name(at))).collect();
    assert_eq!(texts(&messages), ["<*> has signed in"]);
}

#[test]
fn names_in_two_places_that_hardly_meet_twice_are_one_template() {
    let messages: Vec<String> = (0..300).map(|at| format!("transfer of share {} to box {} is done", name(at), name(at * 31 + 7))).collect();
    assert_eq!(texts(&messages), ["transfer of share <*> to box <*> is done"]);
}

#[test]
fn what_happened_is_told_apart() {
    let mut messages = Vec::new();
    for verb in ["refused", "reset", "closed", "aborted", "dropped"] {
        messages.extend((0..50).map(|at| format!("Connection {verb} to 10.0.0.{at}")));
    }
    for verb in ["open", "read", "write", "close", "delete"] {
        messages.extend((0..50).map(|at| format!("Failed to {verb} segment {at}")));
    }
    assert_eq!(templates(&messages).len(), 10);
    let pairs = ["link is up", "link is down", "worker started", "worker stopped", "idle", "busy", "Out of memory", "Out of disk"];
    assert_eq!(templates(&pairs).len(), pairs.len());
}

#[test]
fn states_beside_many_names_stay() {
    let mut messages = Vec::new();
    for state in ["half-loaded", "loaded", "unpacked", "half-unpacked"] {
        messages.extend((0..60).map(|at| format!("status {state} {}", name(at))));
    }
    assert_eq!(texts(&messages), ["status half-loaded <*>", "status half-unpacked <*>", "status loaded <*>", "status unpacked <*>"]);
}

/// The verbs are the larger family, but none of values.
#[test]
fn names_are_found_beside_more_verbs() {
    let mut messages = Vec::new();
    for verb in ["open", "read", "write", "close", "delete", "rename", "fetch"] {
        messages.extend(["ann", "bea", "cat", "dan", "eve"].map(|name| format!("may not {verb} box of {name}")));
    }
    assert_eq!(templates(&messages).len(), 7);
}

#[test]
fn events_named_by_keys_stay_and_other_values_go() {
    let mut messages = Vec::new();
    for event in ["signup", "upgrade", "export", "refund", "invite"] {
        messages.extend(["ann", "bea", "cat", "dan", "eve"].map(|user| format!("event={event} user={user} n=5")));
    }
    let expected = ["export", "invite", "refund", "signup", "upgrade"].map(|event| format!("event={event} user=<*> n=<*>"));
    assert_eq!(texts(&messages), expected);
}

#[test]
fn a_word_where_others_have_a_number_is_a_value() {
    assert_eq!(texts(&["peer of u17 is gone", "peer of u2222 is gone", "peer of alice is gone"]), ["peer of <*> is gone"]);
    assert_eq!(texts(&["disk sda1 is full", "disk sda2 is full"]), ["disk <*> is full"]);
}

#[test]
fn units_that_vary_go_with_their_numbers() {
    assert_eq!(texts(&["sent 3 KB to peer", "sent 4.5 MB to peer", "sent 17kB to peer"]), ["sent <*> to peer"]);
    assert_eq!(texts(&["sent 3 KB to peer", "sent 4 KB to peer"]), ["sent <*> KB to peer"]);
}

#[test]
fn lists_of_any_length_and_missing_values_are_one_template() {
    assert_eq!(texts(&["ports [1, 2, 3] taken", "ports [4] taken", "ports [] taken"]), ["ports [<*>] taken"]);
    assert_eq!(texts(&["peer 10.0.0.1 () left", "peer 10.0.0.2 (10.0.0.9) left"]), ["peer <*> (<*>) left"]);
    assert_eq!(texts(&["run --skip /a --skip /b", "run --skip /a --skip /b --skip /c"]), ["run --skip <*>"]);
}

#[test]
fn a_rare_message_takes_the_template_it_fits() {
    let mut messages: Vec<String> = (0..40).map(|at| format!("copy of {} from {} is done", name(at % 8), name(at + 100))).collect();
    messages.push("copy of zulu from yankee is done".to_owned());
    assert_eq!(texts(&messages), ["copy of <*> from <*> is done"]);
}

#[test]
fn what_introduces_a_value_is_none() {
    let mut messages: Vec<String> = (0..30).map(|at| format!("bad code for guest user {} again", name(at))).collect();
    messages.extend((0..30).map(|at| format!("bad code for {} again", name(at))));
    assert_eq!(texts(&messages), ["bad code for <*> again", "bad code for guest user <*> again"]);
}

/// Messages as services write them: as many templates as statements.
#[test]
fn statements_of_a_service_are_told_apart() {
    let statements: [fn(usize) -> String; 12] = [
        |n| format!("GET /v1/carts/{n} answered 200 in {n}ms trace={n:012x}"),
        |n| format!("Connection from 10.0.{}.7:{n} accepted", n % 256),
        |n| format!("Connection to 10.0.{}.7:{n} timed out after {n}ms", n % 256),
        |n| format!("Connection refused to db-{}.internal:{n}", n % 100),
        |n| format!("Connection reset by peer 10.0.0.{}", n % 256),
        |n| format!("pulse ok node-{} lag {n}ms", n % 300),
        |n| format!("slow query took {n}ms on table orders_{}", n % 300),
        |n| format!("Out of memory: killed process {n} (java)"),
        |n| format!("no rights for user u{n} on /srv/data/{n:08x}"),
        |n| format!("bad input in field f{} (request {n:012x})", n % 200),
        |n| format!("exception in handler {n:012x}: IllegalState at com.acme.Shop.buy(Shop.java:{})", n % 300),
        |n| format!("disk at {}% on /dev/sd{}", n % 100, n % 16),
    ];
    let messages: Vec<String> = (0..6_000).map(|n| statements[n % 12](n * 7)).collect();
    let found = templates(&messages);
    assert_eq!(found.len(), statements.len(), "{found:#?}");
}

#[test]
fn adversarial_input_takes_no_longer() {
    let inputs: [fn(usize) -> String; 4] = [
        |n| (0..10).map(|word| name(n * 10 + word)).collect::<Vec<_>>().join(" "),
        |n| (0..200).map(|bit| if (n * 2_654_435_761) >> (bit % 29) & 1 == 0 { "a " } else { "b " }).collect::<String>() + &name(n),
        |n| format!("{} {} {}", name(n % 27), name(n / 27 % 27), name(n / 729)),
        |n| "[<*>, ".repeat(n % 150) + &name(n),
    ];
    for (at, input) in inputs.iter().enumerate() {
        let messages: Vec<String> = (0..20_000).map(input).collect();
        let sequences: Vec<(&[u8], u64)> = messages.iter().map(|message| (message.as_bytes(), 1)).collect();
        let began = Instant::now();
        assert_eq!(cluster(&sequences).of.len(), sequences.len());
        // Ten times what it takes, because other tests share the machine; squared time would take minutes.
        assert!(began.elapsed() < Duration::from_secs(5), "input {at} took {:?}", began.elapsed());
    }
}

/// Messages with enough in common to make families of all kinds.
fn corpus() -> impl proptest::strategy::Strategy<Value = Vec<String>> {
    proptest::collection::vec("(get|put|lost|user|job) (ann|bob|cy|<\\*>|a\\.b|x1|x2)( (of|is|, |=)(ann|bob|cy|dee|eve|<\\*>)){0,3}", 0..60)
}

proptest::proptest! {
    #[test]
    fn depends_neither_on_order_nor_on_counts(messages in corpus(), turn in 0usize..60, factor in 1u64..1_000) {
        let sequences: Vec<(&[u8], u64)> = messages.iter().map(|message| (message.as_bytes(), 1)).collect();
        let mut turned: Vec<(&[u8], u64)> = sequences.iter().map(|(text, count)| (*text, count * factor)).collect();
        turned.reverse();
        let middle = if turned.is_empty() { 0 } else { turn % turned.len() };
        turned.rotate_left(middle);
        let (one, other) = (cluster(&sequences), cluster(&turned));
        proptest::prop_assert_eq!(&one.templates, &other.templates);
        let of: BTreeMap<&[u8], u32> = turned.iter().map(|(text, _)| *text).zip(other.of).collect();
        for ((text, _), at) in sequences.iter().zip(one.of) {
            proptest::prop_assert_eq!(of[text], at);
            proptest::prop_assert!((at as usize) < one.templates.len());
        }
    }
}

#[test]
fn keys_are_no_values() {
    let stats = ["mem", "disk", "swap", "io", "gpu"].map(|key| format!("stats cpu=1 {key}=2 net=3"));
    assert_eq!(templates(&stats).len(), 5);
    let objects = ["cpu", "mem", "disk", "net", "io"].map(|key| format!(r#"{{"event":"a","{key}":1}}"#));
    assert_eq!(templates(&objects).len(), 5);
}

#[test]
fn dotted_words_need_as_much_evidence_as_others() {
    let pairs = ["system.call.count gt 0", "system.message.count gt 0", "event user.created dispatched", "event user.deleted dispatched"];
    assert_eq!(templates(&pairs).len(), 4);
    let many: Vec<String> = (0..9).map(|at| format!("loaded plugin.{}.core at once", name(at))).collect();
    assert_eq!(texts(&many), ["loaded <*> at once"]);
}

#[test]
fn a_range_is_no_list_and_a_state_no_account() {
    assert_eq!(templates(&["from 10.0.0.1 - 10.0.0.2 denied", "from 10.0.0.1 denied"]).len(), 2);
    assert_eq!(templates(&["marking user active now", "marking user inactive now"]).len(), 2);
}

#[test]
fn words_in_brackets_are_lists_of_any_length() {
    assert_eq!(templates(&["tags [foo, bar] set", "tags [x] set", "tags [] set", "tags [a, b, c] set"]).len(), 1);
}

#[test]
fn few_plain_words_are_statements_and_programs_are_names() {
    assert_eq!(templates(&["Unable to open socket", "Unable to open file", "Unable to open device", "Unable to open database"]).len(), 4);
    let programs: Vec<String> = (0..6).map(|at| format!("{}[{at}]: Process {at} went away", name(at))).collect();
    assert_eq!(templates(&programs).len(), 1);
}
