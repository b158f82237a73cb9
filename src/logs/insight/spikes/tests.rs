use proptest::prelude::*;

use super::*;
use crate::logs::{insight::series::noise::Noise, timeline::Counts};

const WIDTH: i64 = 60;

/// Buckets of a minute from 1,000 minutes on, each with 10 records besides the errors.
fn dense(errors: impl IntoIterator<Item = u64>) -> Dense {
    let bucket = |(at, errors): (i64, u64)| ((1_000 + at) * WIDTH, Counts { total: errors + 10, errors, warnings: 0 });
    Dense::new(WIDTH, &(0..).zip(errors).map(bucket).collect::<Vec<_>>())
}

fn of_totals(totals: impl IntoIterator<Item = u64>) -> Dense {
    let bucket = |(at, total): (i64, u64)| (at * WIDTH, Counts { total, errors: 0, warnings: 0 });
    Dense::new(WIDTH, &(0..).zip(totals).map(bucket).collect::<Vec<_>>())
}

fn at(bucket: i64) -> i64 {
    (1_000 + bucket) * WIDTH
}

#[test]
fn what_is_flat_or_hardly_there_has_none() {
    let none: [&[u64]; 7] = [&[], &[500], &[0; 40], &[7; 40], &[0, 0, 1, 0, 0, 0, 0, 0], &[0, 7], &[0, 0, 0, 0, 0, 7, 0, 0, 0]];
    for counts in none {
        assert_eq!(spikes(&dense(counts.iter().copied())), [], "{counts:?}");
    }
}

#[test]
fn a_burst_is_found_with_its_buckets_and_its_size() {
    let mut counts = vec![3; 60];
    counts[20..23].copy_from_slice(&[25, 40, 18]);
    let found = spikes(&dense(counts));
    let want = Spike { start: at(20), end: at(23), peak_at: at(21), peak: 40, errors: 83, typical: 3, times_typical: 13.3, still_on: false };
    assert_eq!(found, [want]);
}

#[test]
fn shoulders_belong_to_a_burst() {
    let mut counts = vec![3; 60];
    counts[20..23].copy_from_slice(&[12, 40, 12]);
    assert_eq!(spikes(&dense(counts.iter().copied())).iter().map(|s| (s.start, s.end)).collect::<Vec<_>>(), [(at(20), at(23))]);
    counts[21] = 12;
    assert_eq!(spikes(&dense(counts)), [], "they are none by themselves");
}

#[test]
fn a_burst_out_of_nothing_at_either_end_is_one() {
    let mut counts = vec![0; 30];
    (counts[0], counts[28], counts[29]) = (8, 20, 30);
    let found = spikes(&dense(counts));
    assert_eq!(
        found.iter().map(|s| (s.start, s.end, s.still_on, s.times_typical)).collect::<Vec<_>>(),
        [(at(0), at(1), false, 8.0), (at(28), at(30), true, 30.0)]
    );
}

#[test]
fn a_lasting_step_is_no_burst() {
    for up in [true, false] {
        let step = (0..60).map(|n| if (n < 30) == up { 5 } else { 40 });
        assert_eq!(spikes(&dense(step)), []);
    }
}

#[test]
fn bursts_that_come_again_and_again_are_no_news_and_the_great_one_among_them_is() {
    let mut counts: Vec<u64> = (0..80).map(|n| if n % 10 == 4 { 30 } else { 0 }).collect();
    assert_eq!(spikes(&dense(counts.iter().copied())), []);
    counts[54] = 400;
    let found = spikes(&dense(counts));
    assert_eq!(found.iter().map(|s| (s.start, s.peak)).collect::<Vec<_>>(), [(at(54), 400)]);
}

#[test]
fn absent_buckets_count_as_empty() {
    let count = |errors| Counts { total: errors, errors, warnings: 0 };
    let found = spikes(&Dense::new(WIDTH, &[(0, count(1)), (20 * WIDTH, count(50)), (40 * WIDTH, count(1))]));
    assert_eq!(found.iter().map(|s| (s.start, s.typical)).collect::<Vec<_>>(), [(20 * WIDTH, 0)]);
}

/// Of 1,000 series without a burst, these many have one.
fn false_alarms(seed: u64, mut draw: impl FnMut(&mut Noise, u64) -> u64) -> usize {
    let mut noise = Noise(seed);
    let series = (0..1_000).filter(|_| !spikes(&dense((0..80).map(|n| draw(&mut noise, n)).collect::<Vec<_>>())).is_empty());
    series.count()
}

#[test]
fn chance_alone_raises_less_than_one_alarm_in_a_hundred() {
    for mean in [0.05, 0.3, 0.6, 1.5, 5.0, 20.0, 300.0] {
        let alarms = false_alarms(7, |noise, _| noise.poisson(mean));
        assert!(alarms <= 2, "{mean}: {alarms} of 1,000");
    }
    for mean in [20.0, 100.0] {
        let alarms = false_alarms(8, |noise, _| noise.clumped(mean));
        assert!(alarms <= 10, "clumped, {mean}: {alarms} of 1,000");
    }
    let daily = false_alarms(9, |noise, n| noise.poisson(200.0 * (1.0 + 0.8 * (n as f64 * std::f64::consts::TAU / 24.0).sin())));
    assert!(daily <= 10, "daily rhythm: {daily} of 1,000");
}

#[test]
fn a_burst_in_noise_is_found_in_its_bucket() {
    let mut noise = Noise(11);
    let found = (0..1_000).filter(|_| {
        let counts: Vec<u64> = (0..80).map(|n| noise.poisson(if n == 50 { 40.0 } else { 5.0 })).collect();
        spikes(&dense(counts)).iter().any(|s| s.start == at(50))
    });
    let found = found.count();
    assert!(found >= 980, "{found} of 1,000");
}

#[test]
fn a_log_that_stops_is_silent() {
    let talking = of_totals([20; 30]);
    let end = 30 * WIDTH;
    assert_eq!(silence(&talking, None), None, "it may be all there is");
    assert_eq!(silence(&talking, Some(end)), None);
    assert_eq!(silence(&talking, Some(end + 4 * WIDTH)), None, "four buckets are not long");
    assert_eq!(silence(&talking, Some(end + 5 * WIDTH)), Some(Silence { from: end, to: None, longest_other: 0 }));
    assert_eq!(silence(&talking, Some(i64::MAX)).map(|s| s.to), Some(None));
    assert_eq!(silence(&of_totals([]), Some(end)), None);
    assert_eq!(silence(&of_totals([900]), Some(100 * WIDTH)), None, "one bucket says nothing of what is usual");
}

#[test]
fn a_log_that_is_often_still_needs_a_longer_silence() {
    let batches = of_totals((0..56).map(|n| if n % 5 == 0 { 100 } else { 0 }));
    let end = 56 * WIDTH;
    assert_eq!(silence(&batches, Some(end + 15 * WIDTH)), None);
    assert_eq!(silence(&batches, Some(end + 20 * WIDTH)), Some(Silence { from: end, to: None, longest_other: 4 * WIDTH }));
    let seldom = of_totals((0..59).map(|n| u64::from(n % 2 == 0)));
    assert_eq!(silence(&seldom, Some(59 * WIDTH + 20 * WIDTH)), None, "only ten records are missing");
}

#[test]
fn a_silence_that_is_over_is_the_only_one_of_its_kind() {
    let hole = |n: u64| if (20..40).contains(&n) { 0 } else { 10 };
    assert_eq!(silence(&of_totals((0..60).map(hole)), None), Some(Silence { from: 20 * WIDTH, to: Some(40 * WIDTH), longest_other: 0 }));
    let nights = of_totals((0..72).map(|n| if n % 24 < 8 { 0 } else { 10 }));
    assert_eq!(silence(&nights, None), None);
}

#[test]
fn chance_alone_makes_no_silence() {
    let mut noise = Noise(13);
    for mean in [0.2, 1.0, 6.0, 50.0] {
        for _ in 0..300 {
            let dense = of_totals((0..80).map(|_| noise.poisson(mean)).collect::<Vec<_>>());
            assert_eq!(silence(&dense, Some(dense.time(dense.counts.len()) + 2 * WIDTH)), None);
        }
    }
}

proptest! {
    #[test]
    fn any_series_is_answered(counts in proptest::collection::vec(prop_oneof![0..5_u64, 0..1_000_000_000_000_u64], 0..120), until in proptest::option::of(any::<i64>())) {
        let dense = dense(counts);
        for spike in spikes(&dense) {
            prop_assert!(spike.start <= spike.peak_at && spike.peak_at < spike.end && spike.peak <= spike.errors && spike.peak > spike.typical);
        }
        silence(&dense, until);
    }
}
