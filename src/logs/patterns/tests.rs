#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

static DEFAULT: LazyLock<Patterns> = LazyLock::new(|| Patterns::new(PatternSet::Default, &BTreeMap::new()).unwrap());
static SEED: LazyLock<Patterns> = LazyLock::new(|| Patterns::new(PatternSet::Seed, &BTreeMap::new()).unwrap());

fn names<'p>(patterns: &'p Patterns, message: &str) -> Vec<&'p str> {
    let mut out = Vec::new();
    let bits = patterns.matching(message.as_bytes());
    out.extend((0..64).filter(|index| bits >> index & 1 == 1).map(|index: usize| patterns.names()[index].as_str()));
    out
}

/// Each default pattern: messages that it must find, and messages that it must not.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    (
        "connection_timeout",
        &[
            "Connection to 10.0.0.1:80 timeout after 30ms",
            "connection timed out",
            "connection_timeout",
            "java.net.SocketTimeoutException: Read timed out",
            "timeout while waiting for connection",
            "connect ETIMEDOUT 10.0.0.1:443",
            "ConnectionTimeoutError",
            "connectTimeout reached",
            "CONNECTION TIMEOUT",
            "connect-timeout: upstream",
            "连接: connection超时 timeout",
        ],
        &["connection established", "timeouts_total 5", "reconnectiontimeouts", "disconnectTimeoutless", "the timetable of connections"],
    ),
    (
        "database_error",
        &[
            "database error: x",
            "Database connection error",
            "Connection refused to db-1:5432",
            "connect ECONNREFUSED 127.0.0.1:5432",
            "deadlock detected",
            "\x1b[1;31mdeadlock\x1b[0m detected",
            "DeadlockLoserDataAccessException",
            "ER_LOCK_DEADLOCK: try again",
            "java.sql.SQLException: x",
            "DatabaseError at /",
        ],
        &["database opened", "databaseerrors_total", "terrors in the database", "the refusedness", "no deadlockless queue"],
    ),
    (
        "memory_error",
        &[
            "Out of memory: killed process 5 (java)",
            "java.lang.OutOfMemoryError: Java heap space",
            "MemoryError",
            "memory allocation error",
            "heap buffer overflow",
            "reason: OOMKilled",
            "oom-killer invoked",
            "status OOM",
            "fork: Cannot allocate memory",
        ],
        &["zoom in the room", "memory usage 40%", "memoryerrors", "bloom filter", "cheap overflow"],
    ),
    (
        "permission_error",
        &["permission denied for user u1", "Access to /x denied", "HTTP 401 Unauthorized", "EACCES: open", "AccessDeniedException", "Operation not permitted"],
        &["permission granted", "deniedness", "unauthorizedness", "accessdeniedcounter=0", "permissions ok"],
    ),
    (
        "file_not_found",
        &[
            "File /srv/app/1.json not found",
            "no such file or directory",
            "java.io.FileNotFoundException",
            "FileNotFoundError: x",
            "ENOENT: open",
            "config file was not found",
        ],
        &["profile not found", "file found", "user not found", "foundation file"],
    ),
    (
        "network_error",
        &[
            "network error",
            "Connection reset by peer",
            "socket error: x",
            "read ECONNRESET",
            "Network is unreachable",
            "java.net.SocketException",
            "NetworkError",
        ],
        &["networking errors_total", "connection presets", "websocketerror", "reset the connection counter to zero resets"],
    ),
    (
        "rate_limit",
        &[
            "rate limit exceeded",
            "rate limited",
            "rate-limiting client",
            "ratelimit hit",
            "RateLimitExceeded",
            "too many requests",
            "TooManyRequests",
            "HTTP/1.1 429",
            "status=429",
            "status:429,",
            r#""status": 429}"#,
            "returned 429.",
            "429 slow down",
            "(429)",
            "got 429: wait",
            "429",
            "codes 503,504, 429 and",
            "took 429 ms, answered 429",
            "\x1b[31m429\x1b[0m",
        ],
        &[
            "session a429bc",
            "id 4290",
            "took 429ms",
            "10.0.0.429",
            "ratio 0.429",
            "ratio 429.5",
            "trace=26e8429f",
            "Job finished in 429 ms",
            "read 429 bytes",
            "429% of",
            "id 1-429-2",
            "/users/429",
            "10.1.1.1:429",
            "tuple (599519,429)",
            "user_429",
            "amount 429,113",
            "corporate limits",
            "unlimited rates",
        ],
    ),
    (
        "authentication_error",
        &[
            "authentication failed",
            "auth failure for bob",
            "invalid token abc",
            "invalid refresh token",
            "401 unauthorized",
            "AuthenticationException",
            "failed to authenticate",
        ],
        &["author failed", "auth: session opened", "tokenizer invalid", "authenticated"],
    ),
    (
        "validation_error",
        &[
            "validation error: x",
            "invalid input for field f",
            "400 Bad Request",
            "bad HTTP request",
            "ValidationException",
            "validation failed",
            "InvalidInput",
        ],
        &["validations_errors_total none", "badge requested", "invalid token", "revalidation terror"],
    ),
];

#[test]
fn each_default_pattern_hits_and_misses_what_it_should() {
    assert_eq!(TABLE.iter().map(|row| row.0).collect::<Vec<_>>(), built_in_names());
    for (name, hits, misses) in TABLE {
        for message in *hits {
            assert!(names(&DEFAULT, message).contains(name), "{name} must find: {message}");
        }
        for message in *misses {
            assert!(!names(&DEFAULT, message).contains(name), "{name} must not find: {message}");
        }
    }
}

#[test]
fn the_seed_reading_matches_substrings() {
    assert_eq!(names(&SEED, "session a429bc"), ["rate_limit"]);
    assert_eq!(names(&SEED, "UNAUTHORIZED"), ["permission_error", "authentication_error"]);
    assert_eq!(names(&SEED, "corporate limits"), ["rate_limit"]);
}

#[test]
fn own_patterns_are_counted_by_name_and_checked() {
    let own = |name: &str, regex: &str| Patterns::new(PatternSet::Default, &BTreeMap::from([(name.to_owned(), regex.to_owned())]));
    let patterns = own("quota", r"quota \d+ exceeded").unwrap();
    assert_eq!(names(&patterns, "quota 5 exceeded"), ["quota"]);
    for (name, regex) in [("rate_limit", "x"), ("Bad Name", "x"), ("q", "("), ("q", "x*")] {
        assert!(matches!(own(name, regex), Err(LogsError::BadPattern { .. })), "{name} = {regex}");
    }
}

/// Fragments of what the patterns look for, so that random texts come near to matching.
fn fragments() -> impl Strategy<Value = String> {
    let parts: Vec<String> = BUILT_IN
        .iter()
        .flat_map(|p| p.default.needles.iter().chain(p.seed.needles).map(|n| (*n).to_owned()))
        .chain(TABLE.iter().flat_map(|row| row.1.iter().flat_map(|hit| hit.split(' ').map(str::to_owned))))
        .chain([" ", "_", "x", ".", "connection", "rate", "error", "file", "not", "fail", "token", "request", "EACCES", "OOM"].map(str::to_owned))
        .collect();
    proptest::collection::vec((proptest::sample::select(parts), any::<bool>()), 0..8)
        .prop_map(|parts| parts.into_iter().map(|(part, upper)| if upper { part.to_uppercase() } else { part }).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_prefilter_hides_no_match(message in fragments()) {
        for patterns in [&*DEFAULT, &*SEED] {
            let slow: Vec<&str> = patterns.regexes.iter().zip(patterns.names()).enumerate().filter(|(i, (r, _))| r.is_match(message.as_bytes()) || patterns.status == Some(*i) && holds_status_429(message.as_bytes())).map(|(_, (_, n))| n.as_str()).collect();
            prop_assert_eq!(names(patterns, &message), slow, "{}", message);
        }
    }
}
