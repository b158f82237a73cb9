//! Access logs of AWS load balancers, classic and application. The level is the status'.

use super::{
    Context, Format, Record,
    shared::text::{status, word},
};
use crate::logs::level::Level;

/// ELB and ALB.
pub(super) struct Elb;

/// Kinds that an application load balancer writes before the time.
const KINDS: &[&[u8]] = &[b"http", b"https", b"h2", b"grpcs", b"ws", b"wss"];

impl Format for Elb {
    fn name(&self) -> &'static str {
        "elb"
    }

    fn summary(&self) -> &'static str {
        "AWS load balancers, classic and application: the level is that of the status"
    }

    fn example(&self) -> &'static str {
        r#"http 2026-01-26T10:30:45.123456Z app/shop/50dc6c49 192.0.2.7:2817 10.0.0.1:80 0.000 0.001 0.000 504 504 34 366 "GET http://shop.example:80/ HTTP/1.1" "curl/8.5.0" - -"#
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit() || matches!(first, b'h' | b'g' | b'w')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (kind, after) = word(line);
        let start = if KINDS.contains(&kind) { after } else { line };
        let (stamp, mut rest) = word(start);
        if stamp.get(10) != Some(&b'T') || !stamp.ends_with(b"Z") {
            return None;
        }
        let time = context.times.read_whole(stamp)?;
        let mut columns = [&b""[..]; 8];
        for column in &mut columns {
            (*column, rest) = word(rest);
        }
        let [name, client, _, first, second, third, code, _] = columns;
        let timed = [first, second, third].iter().all(|column| column.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-'));
        let code = if code == b"-" { None } else { Some(status(code)?) };
        if !timed || !client.contains(&b':') {
            return None;
        }
        let message = memchr::memchr(b'"', rest).map_or(rest, |at| &rest[at..]);
        Some(Record::of(Some(time), code.and_then(Level::of_status), Some(name), message))
    }
}
