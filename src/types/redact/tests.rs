//! Secrets of every shape go, and ordinary text stays.

use super::*;

const SECRETS: &[&str] = &[
    "postgres://app:canary-1@db:5432/x",
    "redis://:canary-1@cache/0",
    "PGPASSWORD=canary-1 psql",
    "password: canary-1",
    r#"{"db_password":"canary-1"}"#,
    "api_key=canary-1&x=1",
    "Authorization: Bearer canary-1.abc",
    "proxy got bearer canary-1234567",
    "Authorization: Basic Y2FuYXJ5LTE=canary-1",
    "Set-Cookie: sid=canary-1; Path=/",
    "AUTH canary-1",
    "AUTH default canary-1",
    "-----BEGIN RSA PRIVATE KEY-----\ncanary-1\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\ncanary-1 cut off",
    "mysql --password canary-1 -h db",
    "why=--password canary-1",
    r#"run ["/bin/x", "--token", "canary-1"]"#,
    r#"{"body":"{\"pwd\":\"canary-1\"}"}"#,
    "the password is canary-1",
    "redis://:p@canary-1@cache/0",
    "pw=canary-1",
    r#"Password: "my canary-1 two""#,
    r#"Password: "my \"canary-1\" two""#,
    "{'password': 'my canary-1'}",
    "password='it''s canary-1'",
    r#"{"body":"{\"pwd\":\"my canary-1\",\"x\":1}"}"#,
    r#"{"body":"{\"pwd\":\"a\\\"canary-1\"}"}"#,
    r#"mysql --password "my canary-1" -h db"#,
    "password is: canary-1",
    "password is 'canary-1'",
    "CREATE USER 'a'@'%' IDENTIFIED BY 'canary-1'",
    "create user a identified with mysql_native_password by 'my canary-1';",
    r#"{"q":"ALTER USER a IDENTIFIED BY \"canary-1\""}"#,
    "ALTER ROLE app WITH PASSWORD 'canary-1'",
    "SET PASSWORD FOR 'a' = PASSWORD('canary-1')",
    "ü password=canary-1",
    "<password>canary-1</password>",
    "<db:adminPasswd type=\"plain\">\n my canary-1 \n</db:adminPasswd>",
    "<clientSecret><![CDATA[canary-1]]></clientSecret>",
    r"<token>canary-1<\/token>",
    "curl -u admin:canary-1 http://h/",
    "curl -sS -X POST --user 'admin:my canary-1' http://h/",
    r#"run ["curl", "-u", "admin:canary-1"]"#,
    "mysql -uroot -pcanary-1",
    "sh: /usr/bin/mysqldump -h db -u root -p'my canary-1' app",
    "mariadb-dump -pcanary-1 app",
    "sshpass -p canary-1 ssh root@h",
    "sshpass -p 'my canary-1' ssh root@h",
    "sshpass -v -pcanary-1 ssh root@h",
    "GET /login?next=password%3Dcanary-1",
    "u=/a%3Fuser%3Dx%26password%3Dcanary-1%26z%3D1",
    "q=%7B%22password%22%3A%22canary-1%22%7D",
    "a=password%253Dcanary-1",
    r#"Authorization: Digest username="u", realm="r", nonce="n", uri="/", response="canary-1""#,
    r#"auth Digest username="u", response=canary-1, qop=auth"#,
    "app:canary-1@tcp(db:3306)/shop",
    "jdbc:oracle:thin:scott/canary-1@//db:1521/x",
    "machine h login u password canary-1",
    "CONFIG SET requirepass canary-1",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\ncanary-1\n-----END PGP PRIVATE KEY BLOCK-----",
    "Authorization: Bearer abc\n  canary-1Xabcdefghijklmnop\n  at x",
    "hook_salt=canary-1b8d1f2a94c7e6035",
];

#[test]
fn takes_out_secrets_of_every_shape() {
    let redactor = Redactor::with_secrets(&[Secret::new("hunter2/äö")]);
    for given in SECRETS {
        let out = redactor.redact(given);
        assert!(!out.contains("canary-1") && out.contains(MASK), "{given} -> {out}");
        assert_eq!(redactor.redact(&out), out, "twice is not once");
    }
    for given in ["pw hunter2/äö.", "pw hunter2%2F%C3%A4%C3%B6.", &format!("b64 {}.", STANDARD_NO_PAD.encode("hunter2/äö"))] {
        assert!(redactor.redact(given).contains(MASK), "{given}");
    }
    assert!(redactor.redact("ghp_abcdefghijklmnopqrstuvwxyz0123456789").starts_with(MASK));
}

#[test]
fn each_rule_matches_nothing_without_one_of_its_signs() {
    let tokens =
        ["xoxb-1234567890-abc", "AKIAABCDEFGHIJKLMNOP", "eyJhbGciOiJI.eyJzdWIiOiIx.x", "https://hooks.slack.com/services/T/B/x", "using password: YES"];
    for (signs, rule) in RULES {
        let rule = Regex::new(&expanded(rule)).expect("valid alone too");
        let mut matches = 0;
        for text in SECRETS.iter().chain(&tokens).chain(&["npm_abcdefghijklmnopqrstuvwxyz0123456789", "redis://abcdefghijklmnop@h"]) {
            for found in rule.find_iter(text) {
                let found = String::from_utf8(folded(found.as_str())).expect("still a text");
                assert!(signs.iter().any(|sign| found.contains(sign)), "{found} has none of {signs:?}");
                matches += 1;
            }
        }
        assert!(matches > 0, "no example of {rule}");
    }
    assert!(SIGNS.is_some() || !cfg!(target_arch = "x86_64"), "too many for the fast way");
}

#[test]
fn leaves_ordinary_log_text_alone() {
    for text in [
        "auth: Session opened for user u1",
        "authentication failed: invalid token 149a771ba4ba",
        "GET http://api:8080/v1 200",
        "basic checks passed",
        "tokenizer: 3 tokens",
        "'/etc/passwd' is outside the folders /var/log",
        "cat: /etc/passwd: Permission denied",
        "Failed password for root from 1.2.3.4",
        "password is wrong",
        "the password is wrong, the token is expired.",
        "token expired",
        "Access denied for user 'root'@'localhost' (using password: YES)",
        "pam_unix(passwd:chauthtok): session opened",
        "mysql: unknown option -pretty",
        r#"{"token":null,"password":true}"#,
        "token is 5 minutes old",
        "docker run -p 8080 -u root x",
        "docker run -d --name mysql -p3306:3306 mysql:8",
        "mysql -u root -p app",
        "mysqld: ready for connections. port: 3306",
        "ssh -p 2222 host",
        "tar -pxf a.tar",
        "curl -u root http://h:80/",
        "curl: (7) Failed to connect to h port 80",
        "id -u root:root",
        "usage: login <user> <password> [options] <more>",
        "response=\"ok\" in 3 ms",
        "identified by the customer as broken",
        r#"{"message":"bad password:", "host":"db1"}"#,
        "sha256 digest mismatch, response=",
        "secrets: none",
    ] {
        assert_eq!(Redactor::default().redact(text), text);
    }
}

#[test]
fn configured_secrets_are_known_in_every_form() {
    let secret = "Hunter2/\"äö\" x";
    let redactor = Redactor::with_secrets(&[Secret::new(secret)]);
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    let json = serde_json::json!({ "a": secret }).to_string();
    for form in [secret.to_owned(), hex.clone(), hex.to_uppercase(), json, "Hunter2/\n   \"äö\" x".to_owned(), r#"Hun\nter2/\r\n"äö" x"#.to_owned()] {
        let out = redactor.redact(&form);
        assert!(out.contains(MASK) && !out.contains("äö") && !out.contains("2/") && !out.contains("c3a4"), "{form} -> {out}");
        assert!(!redactor.is_clean(&form), "{form}");
    }
    for before in ["", "u", "us", "use"] {
        for after in ["", "1", "12", "123"] {
            let encoded = STANDARD_NO_PAD.encode(format!("{before}{secret}{after}"));
            let halves = encoded.split_at(9);
            for form in [format!("x {encoded}."), format!("x {}\n  {}.", halves.0, halves.1)] {
                let out = redactor.redact(&form);
                // What is left is what stands around it, and what a character of it shares with that.
                assert!(out.contains(MASK) && out.len() <= "x .".len() + MASK.len() + 10, "{form} -> {out}");
            }
        }
    }
    assert_eq!(redactor.redact("two\nlines \\n three"), "two\nlines \\n three");
}

#[test]
fn keeps_what_tells_where_the_secret_was() {
    assert_eq!(Redactor::default().redact("cannot reach postgres://app:pw@db:5432/x"), "cannot reach postgres://app:[redacted]@db:5432/x");
    for (given, expected) in [
        (r#"Password: "my hunter two" for u"#, r#"Password: "[redacted]" for u"#),
        ("IDENTIFIED BY 'x' REQUIRE SSL", "IDENTIFIED BY '[redacted]' REQUIRE SSL"),
        ("<password>x</password>", "<password>[redacted]</password>"),
        ("curl -u admin:x http://h", "curl -u [redacted] http://h"),
        ("mysql -uroot -px app", "mysql -uroot -p[redacted] app"),
        ("sshpass -p x ssh h", "sshpass -p [redacted] ssh h"),
        ("password%3Dx%26user%3Du", "password%3D[redacted]%26user%3Du"),
        (r#"Digest username="u", response="x", qop=auth"#, r#"Digest username="u", response="[redacted]", qop=auth"#),
        (r#"{"body":"{\"pwd\":\"a b\",\"x\":1}"}"#, r#"{"body":"{\"pwd\":\"[redacted]\",\"x\":1}"}"#),
    ] {
        assert_eq!(Redactor::default().redact(given), expected);
    }
}

#[test]
fn takes_linear_time() {
    let began = std::time::Instant::now();
    for part in [
        "a://b:pw=c;",
        "app:x@",
        "login a password ",
        "Authorization: b\n ",
        "\\n",
        "curl password=abc ",
        "mysql -u digest ",
        "<token>",
        "password is ",
        "digest response=",
        "ü curl pw=abc ",
        "pw:\"a ",
    ] {
        Redactor::default().redact(&part.repeat(20_000));
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
