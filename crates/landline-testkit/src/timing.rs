//! Whether how long something takes tells one kind of input from another.
//!
//! After *dudect* (Reparaz, Balasch, Verbauwhede, 2017): inputs of two classes are measured in random order, and Welch's
//! t-test says whether the two lists of times may have one mean. From |t| = 4.5 on, they have not. Nothing is assumed of
//! the processor; what is measured is what an attacker with a perfect line would measure.
//!
//! Both classes use the same memory: an input is made of what is there by changing a byte, and the change is undone.
//! Otherwise what differs would be the caches, and not what is looked for.
//!
//! Not here: what is measured (`secrets_timing`).

use std::hint::black_box;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// From this |t| on, two means are not the same. Source: the paper, and NIST's and ISO's use of the test.
pub const TELLS: f64 = 4.5;

/// Of all times, the slowest are the operating system's: those above this part are left out, for both classes at the same
/// time in nanoseconds.
const KEPT: f64 = 0.90;

/// How many runs are not counted at first, until caches and clocks have settled.
const WARM_UP: usize = 1000;

/// One of the two kinds of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// What differs from the right one at its very beginning.
    First,
    /// What differs at its very end.
    Last,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Welch's t of the two classes.
    pub t: f64,
    /// How many times were kept.
    pub samples: usize,
    /// The difference of the means, in nanoseconds.
    pub difference_ns: f64,
}

impl Measured {
    /// Whether the classes can be told apart.
    pub fn tells(&self) -> bool {
        self.t.abs() >= TELLS
    }
}

/// Measures so many runs. `prepare` makes the next input; `run` is what takes the time.
#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
pub fn measure<T, R>(
    samples: usize,
    seed: u64,
    state: &mut T,
    mut prepare: impl FnMut(&mut T, Class),
    mut run: impl FnMut(&T) -> R,
) -> Measured {
    let mut random = StdRng::seed_from_u64(seed);
    let mut times: Vec<(Class, u64)> = Vec::with_capacity(samples);
    for round in 0..WARM_UP + samples {
        let class = if random.random::<bool>() { Class::First } else { Class::Last };
        prepare(state, class);
        settle();
        let begun = std::time::Instant::now();
        black_box(run(black_box(state)));
        let took = begun.elapsed();
        if round >= WARM_UP {
            times.push((class, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)));
        }
    }
    judge(&times)
}

/// Gives what was written before the time to reach the caches, so that reading it back costs both classes the same.
fn settle() {
    let mut sum = 0_u64;
    for number in 0..64 {
        sum = black_box(sum.wrapping_add(number));
    }
}

fn judge(times: &[(Class, u64)]) -> Measured {
    let mut sorted: Vec<u64> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the length")]
    let most = sorted.get((sorted.len() as f64 * KEPT) as usize).copied().unwrap_or(u64::MAX);
    let of = |wanted: Class| {
        let kept = times.iter().filter(move |(class, time)| *class == wanted && *time <= most);
        Moments::of(kept.map(|(_, time)| *time as f64))
    };
    let (first, last) = (of(Class::First), of(Class::Last));
    Measured {
        t: welch(&first, &last),
        samples: first.count + last.count,
        difference_ns: last.mean - first.mean,
    }
}

/// Mean and variance, by Welford's method.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        values.fold(Self::default(), |mut moments, value| {
            moments.count += 1;
            let delta = value - moments.mean;
            moments.mean += delta / moments.count as f64;
            moments.squares += delta * (value - moments.mean);
            moments
        })
    }

    fn variance_of_mean(&self) -> f64 {
        self.squares / (self.count.saturating_sub(1).max(1) as f64) / self.count.max(1) as f64
    }
}

/// Welch's t; 0 where nothing varies and nothing differs.
fn welch(one: &Moments, other: &Moments) -> f64 {
    let (difference, spread) =
        (one.mean - other.mean, (one.variance_of_mean() + other.variance_of_mean()).sqrt());
    if difference == 0.0 { 0.0 } else { difference / spread }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_of_welch() {
        // Computed by hand: means 3 and 5, variances 2.5 each, five values each.
        let one = Moments::of([1.0, 2.0, 3.0, 4.0, 5.0].into_iter());
        let other = Moments::of([3.0, 4.0, 5.0, 6.0, 7.0].into_iter());
        assert!((welch(&one, &other) + 2.0).abs() < 1e-9, "{}", welch(&one, &other));
        assert_eq!(welch(&one, &one), 0.0);
    }

    #[test]
    fn what_the_operating_system_takes_is_left_out() {
        let mut times: Vec<_> = (0..1000)
            .map(|n| (if n % 2 == 0 { Class::First } else { Class::Last }, 100 + n / 2 % 10))
            .collect();
        let quiet = judge(&times);
        // Now and then one class is interrupted.
        times.iter_mut().step_by(100).for_each(|(_, time)| *time += 1_000_000);
        assert!(!quiet.tells() && !judge(&times).tells(), "{:?}", judge(&times));
        times.iter_mut().skip(1).step_by(2).for_each(|(_, time)| *time += 5);
        assert!(judge(&times).tells(), "{:?}", judge(&times));
    }
}
