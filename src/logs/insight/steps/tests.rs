use proptest::prelude::*;

use super::*;
use crate::logs::{insight::series::noise::Noise, timeline::Counts};

const WIDTH: i64 = 60;

fn of_width(width: i64, errors: impl IntoIterator<Item = u64>) -> Dense {
    let bucket = |(at, errors): (i64, u64)| (at * width, Counts { total: errors + 1, errors, warnings: 0 });
    Dense::new(width, &(0..).zip(errors).map(bucket).collect::<Vec<_>>())
}

fn dense(errors: impl IntoIterator<Item = u64>) -> Dense {
    of_width(WIDTH, errors)
}

/// When, and whether up.
fn seen(dense: &Dense) -> Vec<(i64, bool)> {
    steps(dense).iter().map(|s| (s.at / dense.width, s.up)).collect()
}

#[test]
fn what_is_flat_short_or_sparse_has_none() {
    for counts in [&[][..], &[900], &[0, 900], &[0; 60], &[9; 60], &[1, 1, 1, 9, 9, 9]] {
        assert_eq!(seen(&dense(counts.iter().copied())), [], "{counts:?}");
    }
    let sparse = (0..80).map(|n| u64::from(n % 17 == 3));
    assert_eq!(seen(&dense(sparse)), []);
}

#[test]
fn a_step_is_found_with_its_bucket_and_both_rates() {
    let up = steps(&of_width(30, (0..60).map(|n| if n < 25 { 5 } else { 20 })));
    let [step] = up.as_slice() else { panic!("{up:?}") };
    assert_eq!((step.at, step.up, step.before_per_minute, step.after_per_minute), (25 * 30, true, 10.0, 40.0));
    let down = steps(&dense((0..60).map(|n| if n < 40 { 30 } else { 3 })));
    let [step] = down.as_slice() else { panic!("{down:?}") };
    assert_eq!((step.at, step.up, step.before_per_minute, step.after_per_minute), (40 * 60, false, 30.0, 3.0));
}

#[test]
fn a_step_out_of_nothing_among_few_errors_is_found() {
    let found = steps(&dense((0..80).map(|n| u64::from(n >= 40 && n % 3 != 0))));
    let [step] = found.as_slice() else { panic!("{found:?}") };
    assert!((39..42).contains(&(step.at / WIDTH)) && step.up);
    assert_eq!((step.before_per_minute, step.after_per_minute), (0.0, 0.667));
}

#[test]
fn up_and_down_again_are_two() {
    let plateau = (0..80).map(|n| if (30..55).contains(&n) { 24 } else { 4 });
    assert_eq!(seen(&dense(plateau)), [(30, true), (55, false)]);
}

#[test]
fn a_burst_is_no_step() {
    for length in [1, 3, 6] {
        let burst = (0..80).map(|n| if (30..30 + length).contains(&n) { 300 } else { 4 });
        assert_eq!(seen(&dense(burst)), [], "{length}");
    }
}

#[test]
fn a_doubling_is_one_and_less_is_none_however_certain() {
    assert_eq!(seen(&dense((0..60).map(|n| if n < 30 { 1_000 } else { 1_900 }))), []);
    assert_eq!(seen(&dense((0..60).map(|n| if n < 30 { 1_000 } else { 2_000 }))), [(30, true)]);
}

#[test]
fn cut_buckets_at_the_ends_say_nothing() {
    let mut counts = vec![100; 40];
    (counts[0], counts[39]) = (3, 0);
    assert_eq!(seen(&dense(counts)), []);
}

#[test]
fn a_slow_rise_is_none() {
    let mut noise = Noise(3);
    let false_steps = (0..200).filter(|_| !seen(&dense((0..80).map(|n| noise.poisson(5.0 + n as f64)).collect::<Vec<_>>())).is_empty());
    let false_steps = false_steps.count();
    assert!(false_steps <= 10, "{false_steps} of 200");
}

/// 20 errors an hour on average, few at night.
fn daily(noise: &mut Noise, day: f64, phase: f64, buckets: usize, scale: f64) -> Vec<u64> {
    (0..buckets).map(|n| noise.poisson(scale * (1.0 + 0.9 * ((n as f64 / day + phase) * std::f64::consts::TAU).sin()))).collect()
}

#[test]
fn the_rhythm_of_days_has_none() {
    let mut noise = Noise(4);
    let mut alarms = 0;
    for phase in 0..200 {
        alarms += usize::from(!steps(&of_width(3_600, daily(&mut noise, 24.0, f64::from(phase) / 200.0, 76, 30.0))).is_empty());
    }
    assert!(alarms <= 10, "{alarms} of 200");
    let office: Vec<u64> = (0..80).map(|n| noise.poisson(if (9..18).contains(&(n % 24)) { 40.0 } else { 4.0 })).collect();
    assert_eq!(steps(&of_width(3_600, office)), [], "hours of work");
}

#[test]
fn rising_is_what_became_twice_as_much() {
    let of = |early: u64, late: u64| (0..60).map(|n| if n < 42 { early } else { late }).collect::<Vec<_>>();
    for (series, want) in [(of(3, 9), true), (of(9, 3), false), (of(5, 5), false), (of(0, 3), true), (of(0, 0), false), (vec![0, 9], false)] {
        assert_eq!(rising(&series), want, "{series:?}");
    }
    let mut burst = of(3, 3);
    burst[55] = 500;
    assert!(!rising(&burst), "one bucket is a burst");
}

#[test]
fn at_most_five_are_told() {
    let many = (0..200).map(|n| if n / 20 % 2 == 0 { 2 } else { 60 });
    assert_eq!(steps(&dense(many)).len(), 5);
}

/// Of 1,000 series with one rate, these many have a step.
fn false_alarms(seed: u64, mut draw: impl FnMut(&mut Noise) -> u64) -> usize {
    let mut noise = Noise(seed);
    (0..1_000).filter(|_| !steps(&dense((0..80).map(|_| draw(&mut noise)).collect::<Vec<_>>())).is_empty()).count()
}

#[test]
fn chance_alone_raises_less_than_one_alarm_in_a_hundred() {
    for mean in [0.05, 0.3, 1.0, 5.0, 20.0, 300.0] {
        let alarms = false_alarms(7, |noise| noise.poisson(mean));
        assert!(alarms <= 2, "{mean}: {alarms} of 1,000");
    }
    for mean in [1.0, 20.0, 100.0] {
        let alarms = false_alarms(8, |noise| noise.clumped(mean));
        assert!(alarms <= 10, "clumped, {mean}: {alarms} of 1,000");
    }
}

#[test]
fn a_step_to_four_times_in_noise_is_found_near_its_bucket() {
    for (clumped, mean, most_off, least) in [(false, 5.0, 1, 980), (false, 1.0, 4, 950), (true, 20.0, 3, 950)] {
        let mut noise = Noise(9);
        let found = (0..1_000).filter(|_| {
            let mean = |n| if n < 45 { mean } else { 4.0 * mean };
            let counts: Vec<u64> = (0..80).map(|n| if clumped { noise.clumped(mean(n)) } else { noise.poisson(mean(n)) }).collect();
            let found = seen(&dense(counts));
            matches!(found.as_slice(), [(at, true)] if (at - 45).abs() <= most_off)
        });
        let found = found.count();
        assert!(found >= least, "clumped {clumped}, {mean}: {found} of 1,000");
    }
}

proptest! {
    #[test]
    fn any_series_is_answered(width in 1..100_000_i64, counts in proptest::collection::vec(prop_oneof![0..5_u64, 0..1_000_000_000_000_u64], 0..120)) {
        let dense = of_width(width, counts.iter().copied());
        prop_assert!(steps(&dense).len() <= 5);
        rising(&counts);
    }
}
