//! Slows down whoever tries credentials.
//!
//! A credential is checked even beyond the cap, and a good one works: behind one address there may be many clients (a proxy, a company's exit), and
//! one that guesses must not shut the others out. Tokens are too long to be found by trying, so the cap is not what protects them; it keeps
//! guesses from costing much and from filling the log.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Over which failures are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are counted one by one; further ones count together.
const ADDRESSES: usize = 10_000;
/// Stands for all addresses that found no place of their own.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

struct Window {
    began: Instant,
    failures: u32,
}

/// Failures by address.
pub(super) struct Throttle {
    most: u32,
    addresses: Mutex<HashMap<IpAddr, Window>>,
}

/// What a failure leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How long to wait; none while there were few failures.
    pub(super) wait: Option<Duration>,
    /// Whether it is worth a line in the log: the first failure, and the first beyond the cap.
    pub(super) worth_telling: bool,
}

impl Throttle {
    pub(super) fn new(most: u32) -> Self {
        Self { most, addresses: Mutex::default() }
    }

    /// Counts a failure.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) -> Verdict {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = network(address);
        if !addresses.contains_key(&key) && addresses.len() >= ADDRESSES {
            addresses.retain(|_, window| now - window.began < WINDOW);
            key = if addresses.len() >= ADDRESSES { OTHERS } else { key };
        }
        let window = addresses.entry(key).or_insert(Window { began: now, failures: 0 });
        if now - window.began >= WINDOW {
            *window = Window { began: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
        let beyond = window.failures > self.most;
        Verdict {
            wait: beyond.then(|| WINDOW.saturating_sub(now - window.began)),
            worth_telling: window.failures == 1 || window.failures == self.most.saturating_add(1),
        }
    }
}

/// Of an IPv6 address the part that one customer gets whole.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn failures_count_by_address_and_minute() {
        let throttle = Throttle::new(3);
        let begun = Instant::now();
        let after = |seconds: u64| begun + Duration::from_secs(seconds);
        let fail = |text: &str, seconds: u64| throttle.failed(address(text), after(seconds));
        let told: Vec<(bool, bool)> = (0..5).map(|_| fail("10.0.0.1", 0)).map(|v| (v.wait.is_some(), v.worth_telling)).collect();
        assert_eq!(told, [(false, true), (false, false), (false, false), (true, true), (true, false)]);
        assert_eq!(fail("10.0.0.2", 0).wait, None);
        assert_eq!(fail("10.0.0.1", 20).wait, Some(Duration::from_secs(40)));
        assert_eq!(fail("10.0.0.1", 60), Verdict { wait: None, worth_telling: true });
    }

    #[test]
    fn a_network_counts_as_one_and_the_table_is_bounded() {
        let throttle = Throttle::new(1);
        let begun = Instant::now();
        let fails = |text: &str| throttle.failed(address(text), begun);
        assert!(fails("2001:db8::1").wait.is_none() && fails("2001:db8::2:3").wait.is_some());
        assert!(fails("127.0.0.1").wait.is_none() && fails("::ffff:127.0.0.1").wait.is_some());
        for n in 0..20_000_u32 {
            throttle.failed(IpAddr::from(n.to_be_bytes()), begun);
        }
        assert!(throttle.addresses.lock().expect("no panic").len() <= ADDRESSES + 1);
        assert!(fails("192.0.2.77").wait.is_some(), "what finds no place counts together");
        assert!(throttle.failed(address("192.0.2.77"), begun + WINDOW).wait.is_none());
        assert!(throttle.addresses.lock().expect("no panic").len() < 3);
    }
}
