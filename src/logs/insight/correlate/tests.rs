use super::*;
use crate::logs::insight::series::noise::Noise;

const MINUTE: Nanos = 60 * SECOND;
const BUCKETS: usize = 80;

struct Given {
    first: Nanos,
    series: Vec<u64>,
}

/// Ten minutes after 1970, so that no bucket begins at 0.
const START: Nanos = 10 * MINUTE;

fn group(second: i64, series: Vec<u64>) -> Given {
    Given { first: START + second * SECOND, series }
}

fn found_among(totals: &[u64], groups: &[Given]) -> Vec<Link> {
    let groups: Vec<Activity<'_>> = groups.iter().map(|g| Activity { first: g.first, count: g.series.iter().sum(), series: &g.series }).collect();
    links(Scale { start: START, width: MINUTE, totals }, &groups)
}

fn found(groups: &[Given]) -> Vec<Link> {
    found_among(&[1_000; BUCKETS], groups)
}

fn burst(from: usize, counts: &[u64], otherwise: u64) -> Vec<u64> {
    (0..BUCKETS).map(|at| at.checked_sub(from).and_then(|nth| counts.get(nth)).copied().unwrap_or(otherwise)).collect()
}

#[test]
fn two_new_groups_of_one_trouble_are_linked_with_their_lead() {
    let later = group(30 * 60 + 15, burst(30, &[40, 80, 60, 30], 0));
    let earlier = group(30 * 60 + 12, burst(30, &[30, 70, 70, 40], 0));
    let links = found(&[later, earlier]);
    let [link] = links.as_slice() else { panic!("{links:?}") };
    assert_eq!((link.earlier, link.later, link.lead, link.exact), (1, 0, 3 * SECOND, true));
    assert!(link.strength > 0.9 && link.strength <= 1.0);
}

#[test]
fn a_group_that_was_there_before_has_a_lead_in_buckets() {
    let old = group(0, burst(31, &[60, 60, 60], 2));
    let new = group(30 * 60 + 59, burst(30, &[20, 60, 60, 60], 0));
    let links = found(&[old, new]);
    let [link] = links.as_slice() else { panic!("{links:?}") };
    assert_eq!((link.earlier, link.later, link.exact), (1, 0, false));
    assert_eq!(link.lead, START + 31 * MINUTE - (START + 30 * MINUTE + 59 * SECOND));
    let together = found(&[group(0, burst(31, &[60, 60, 60], 2)), group(1, burst(31, &[50, 60, 70], 1))]);
    assert_eq!((together.len(), together[0].lead, together[0].exact), (1, 0, false), "within a bucket it cannot be told");
}

#[test]
fn what_is_known_to_the_bucket_only_has_no_lead_within_it() {
    let old = group(0, burst(30, &[60, 60, 60], 2));
    let new = group(30 * 60 + 15, burst(30, &[60, 60, 60], 0));
    assert_eq!(found(&[old, new]).iter().map(|link| (link.lead, link.exact)).collect::<Vec<_>>(), [(0, false)]);
}

#[test]
fn of_leaders_about_as_alike_the_earliest_counts() {
    let last = group(30 * 60 + 20, burst(30, &[50, 80, 50], 0));
    let twin = group(30 * 60 + 10, burst(30, &[50, 80, 50], 0));
    let first = group(30 * 60, burst(30, &[50, 80, 20], 0));
    let links = found(&[last, twin, first]);
    assert_eq!(links.iter().map(|link| (link.earlier, link.later)).collect::<Vec<_>>(), [(2, 1), (2, 0)], "{links:?}");
    assert!(links.iter().all(|link| link.strength < 1.0), "although the twin is more alike");
}

#[test]
fn a_common_beginning_alone_is_no_link() {
    let short = group(30 * 60 + 1, burst(30, &[60, 60, 60], 0));
    let long = group(30 * 60 + 3, burst(30, &[60; 40], 0));
    assert_eq!(found(&[short, long]), []);
}

#[test]
fn chance_seldom_makes_a_group_rise() {
    let mut noise = Noise(9);
    for mean in [0.3, 2.0, 8.0, 100.0] {
        let risen = (0..500).filter(|_| {
            let series: Vec<u64> = (0..BUCKETS).map(|_| noise.poisson(mean)).collect();
            let activity = Activity { first: START, count: 1, series: &series };
            Rise::new(Scale { start: START, width: MINUTE, totals: &[1_000; BUCKETS] }, 0, &activity).is_some()
        });
        let risen = risen.count();
        assert!(risen <= 10, "{mean}: {risen} of 500");
    }
}

#[test]
fn steady_groups_are_not_linked_whatever_their_size() {
    let mut noise = Noise(5);
    for mean in [0.3, 4.0, 50.0, 2_000.0] {
        for _ in 0..20 {
            let groups: Vec<Given> = (0..10).map(|n| group(n, (0..BUCKETS).map(|_| noise.poisson(mean)).collect())).collect();
            assert_eq!(found(&groups), [], "{mean}");
        }
    }
    assert_eq!(found(&[group(0, vec![0; BUCKETS]), group(0, vec![9; BUCKETS]), group(0, Vec::new())]), []);
}

#[test]
fn groups_that_go_with_the_traffic_are_not_linked() {
    let mut noise = Noise(6);
    let traffic: Vec<u64> = (0..BUCKETS).map(|at| 1_000 + 9_000 * u64::from((30..50).contains(&at))).collect();
    let mut with = |share: f64| traffic.iter().map(|total| noise.poisson(share * *total as f64)).collect::<Vec<_>>();
    let groups = [group(0, with(0.02)), group(1, with(0.01)), group(2, with(0.05))];
    assert_eq!(found_among(&traffic, &groups), []);
    assert!(!found(&groups).is_empty(), "were the traffic even, they would be");
}

#[test]
fn bursts_at_other_times_are_not_linked() {
    assert_eq!(found(&[group(600, burst(10, &[50, 50], 0)), group(3_000, burst(50, &[50, 50], 0))]), []);
    let steps = [group(20 * 60, burst(20, &[9; 60], 0)), group(45 * 60, burst(45, &[9; 35], 0))];
    assert_eq!(found(&steps), []);
}

#[test]
fn ten_groups_of_one_trouble_hang_on_the_first() {
    let groups: Vec<Given> = (0..10).map(|n| group(40 * 60 + (n * 7) % 10, burst(40, &[50, 90, 40], 0))).collect();
    let links = found(&groups);
    assert_eq!(links.len(), 9);
    assert!(links.iter().all(|link| link.earlier == 0 && link.exact), "{links:?}");
    assert!(links.is_sorted_by_key(|link| link.lead), "of equal strength the nearest first");
}

#[test]
fn two_troubles_are_two_clusters() {
    let one = |second: i64| group(600 + second, burst(10, &[50, 80, 50], 0));
    let two = |second: i64| group(3_000 + second, burst(50, &[50, 80, 50, 90, 20], 0));
    let links = found(&[one(1), two(1), one(0), two(0)]);
    let mut pairs: Vec<(usize, usize)> = links.iter().map(|link| (link.earlier, link.later)).collect();
    pairs.sort_unstable();
    assert_eq!(pairs, [(2, 0), (3, 1)]);
}

#[test]
fn many_unrelated_bursts_make_few_links() {
    let mut noise = Noise(8);
    let mut links = 0;
    for _ in 0..100 {
        let groups: Vec<Given> = (0..20)
            .map(|_| {
                let (at, length) = (noise.below(70), noise.below(6) + 1);
                let counts: Vec<u64> = (0..length).map(|_| 20 + noise.below(60)).collect();
                let second = i64::try_from(at * 60 + noise.below(60)).expect("small");
                group(second, burst(usize::try_from(at).expect("small"), &counts, 0))
            })
            .collect();
        links += found(&groups).len();
    }
    assert!(links <= 40, "{links} in 100 reports");
}

#[test]
fn many_groups_are_bounded() {
    let groups: Vec<Given> = (0..300).map(|n| group(2_400 + n % 7, burst(40, &[50, 90, 40], 0))).collect();
    assert_eq!(found(&groups).len(), 10);
}
