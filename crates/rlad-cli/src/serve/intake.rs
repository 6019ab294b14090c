//! How the samples of a series become its points: a counter becomes a rate, what comes late or twice is left out, and the step is found.

use super::bytes::{Reader, Writer};

/// The points by whose distances the step of a series is found.
const N_TO_FIND_STEP: usize = 5;
/// Steps that clocks have, in seconds: one that is nearly one of these is taken for it.
const USUAL_STEPS: [i64; 17] = [1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1_800, 3_600, 21_600, 86_400];
/// How far a sample may lie ahead of the clock of this machine, in milliseconds.
pub(crate) const MAX_AHEAD_MS: i64 = 10 * 60 * 1_000;

/// A point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// Its value; finite.
    pub(crate) value: f64,
}

/// Why a sample is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// It is older than one before.
    Late,
    /// It has the time of the one before, or is nearer to it than half a step: another sender of the series.
    Double,
    /// Its time lies ahead of this machine's clock.
    Ahead,
    /// It is no number.
    NotANumber,
    /// No query and no selector watches its series.
    Unwatched,
    /// There are as many series as there may be, or as many new ones in this minute.
    TooMany,
    /// It is of a histogram's bucket.
    Bucket,
}

impl Reason {
    /// All of them.
    pub(crate) const ALL: [Self; 7] =
        [Self::Late, Self::Double, Self::Ahead, Self::NotANumber, Self::Unwatched, Self::TooMany, Self::Bucket];

    /// Its name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Double => "double",
            Self::Ahead => "ahead",
            Self::NotANumber => "not_a_number",
            Self::Unwatched => "unwatched",
            Self::TooMany => "too_many_series",
            Self::Bucket => "histogram_bucket",
        }
    }
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It made points, one or those that waited for the step.
    Points,
    /// It was taken in, and makes no point yet.
    Waits,
    /// The series ends here, or pauses.
    Gap,
    /// It was left out; nothing has changed.
    Dropped(Reason),
}

/// The samples of one series so far, as far as the next one asks about them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Intake {
    /// Whether its points are the rate of a counter, a second.
    is_rate: bool,
    /// The time between two points, in milliseconds; not known at first, where nobody said it.
    step: Option<i64>,
    /// The sample before, as it came.
    last: Option<Point>,
    /// Whether `last` can be subtracted from: not after a gap.
    goes_on: bool,
    /// The points that wait for the step.
    waiting: Vec<Point>,
}

impl Intake {
    /// The intake of a new series.
    pub(crate) const fn new(is_rate: bool, step: Option<i64>) -> Self {
        Self { is_rate, step, last: None, goes_on: false, waiting: Vec::new() }
    }

    /// Whether its points are rates.
    pub(crate) const fn is_rate(&self) -> bool {
        self.is_rate
    }

    /// The time between two points, in milliseconds, as far as it is known.
    pub(crate) const fn step(&self) -> Option<i64> {
        self.step
    }

    /// The time of the last sample, in milliseconds.
    pub(crate) fn last_at(&self) -> Option<i64> {
        self.last.map(|last| last.at)
    }

    /// Takes in the next sample and appends the points that it makes. `is_stale`: it is the marker of a series that ends.
    pub(crate) fn take(&mut self, at: i64, value: f64, is_stale: bool, points: &mut Vec<Point>) -> Taken {
        if let Some(last) = self.last {
            let nearest = self.step.map_or(1, |step| (step / 2).max(1));
            match at - last.at {
                ..0 => return Taken::Dropped(Reason::Late),
                passed if passed < nearest && !is_stale => return Taken::Dropped(Reason::Double),
                _ => {}
            }
        }
        if is_stale {
            self.goes_on = false;
            return Taken::Gap;
        }
        if !value.is_finite() {
            return Taken::Dropped(Reason::NotANumber);
        }
        let before = self.last.replace(Point { at, value }).filter(|_| self.goes_on);
        self.goes_on = true;
        let value = match (self.is_rate, before) {
            (false, _) => value,
            (true, None) => return Taken::Waits,
            // A counter that fell began anew at 0.
            (true, Some(before)) => {
                let grown = if value < before.value { value } else { value - before.value };
                grown * 1_000.0 / (at - before.at) as f64
            }
        };
        let point = Point { at, value };
        if self.step.is_some() {
            points.push(point);
            return Taken::Points;
        }
        self.waiting.push(point);
        if self.waiting.len() < N_TO_FIND_STEP {
            return Taken::Waits;
        }
        self.step = Some(step_of(&self.waiting));
        points.append(&mut std::mem::take(&mut self.waiting));
        Taken::Points
    }

    /// Writes it.
    pub(crate) fn write(&self, to: &mut Writer) {
        to.u8(u8::from(self.is_rate) | u8::from(self.goes_on) << 1 | u8::from(self.last.is_some()) << 2);
        to.i64(self.step.unwrap_or(0));
        if let Some(last) = self.last {
            to.i64(last.at);
            to.f64(last.value);
        }
        to.u8(self.waiting.len() as u8);
        for point in &self.waiting {
            to.i64(point.at);
            to.f64(point.value);
        }
    }

    /// Reads it; `None` where the bytes are none.
    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let flags = from.u8()?;
        let step = Some(from.i64()?).filter(|step| *step > 0);
        let point = |from: &mut Reader<'_>| Some(Point { at: from.i64()?, value: from.f64()? });
        let last = if flags & 4 > 0 { Some(point(from)?) } else { None };
        let n = from.u8()?;
        let waiting = (0..n).map(|_| point(from)).collect::<Option<_>>()?;
        Some(Self { is_rate: flags & 1 > 0, goes_on: flags & 2 > 0, step, last, waiting })
    }
}

/// The median distance of points in time, in milliseconds; the usual step that it is nearly, where it is.
fn step_of(points: &[Point]) -> i64 {
    let mut distances: Vec<i64> = points.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    distances.sort_unstable();
    let median = distances[distances.len() / 2].max(1);
    let usual = USUAL_STEPS.into_iter().map(|seconds| seconds * 1_000);
    usual.min_by_key(|step| (step - median).abs()).filter(|step| (step - median).abs() * 10 <= median).unwrap_or(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(intake: &mut Intake, samples: &[(i64, f64)]) -> (Vec<Taken>, Vec<(i64, f64)>) {
        let mut points = Vec::new();
        let taken = samples.iter().map(|&(at, value)| intake.take(at, value, value.to_bits() == STALE, &mut points));
        (taken.collect(), points.iter().map(|point| (point.at, point.value)).collect())
    }

    const STALE: u64 = 0x7ff0_0000_0000_0002;
    const LATE: Taken = Taken::Dropped(Reason::Late);
    const DOUBLE: Taken = Taken::Dropped(Reason::Double);

    #[test]
    fn what_comes_late_twice_or_from_a_second_sender_is_left_out() {
        let mut intake = Intake::new(false, Some(15_000));
        let samples =
            [(0, 1.0), (0, 1.0), (7_000, 2.0), (15_000, 3.0), (8_000, 4.0), (30_100, f64::NAN), (29_900, 5.0)];
        let (what, points) = taken(&mut intake, &samples);
        let not_a_number = Taken::Dropped(Reason::NotANumber);
        assert_eq!(what, [Taken::Points, DOUBLE, DOUBLE, Taken::Points, LATE, not_a_number, Taken::Points]);
        assert_eq!(points, [(0, 1.0), (15_000, 3.0), (29_900, 5.0)]);
    }

    #[test]
    fn a_counter_becomes_a_rate_over_resets_and_gaps() {
        let mut intake = Intake::new(true, Some(10_000));
        let stale = f64::from_bits(STALE);
        let samples = [(0, 100.0), (10_000, 120.0), (20_000, 5.0), (30_000, stale), (60_000, 50.0), (70_000, 51.0)];
        let (what, points) = taken(&mut intake, &samples);
        assert_eq!(what, [Taken::Waits, Taken::Points, Taken::Points, Taken::Gap, Taken::Waits, Taken::Points]);
        assert_eq!(points, [(10_000, 2.0), (20_000, 0.5), (70_000, 0.1)]);
    }

    #[test]
    fn the_step_is_found_from_the_first_points_which_wait_for_it() {
        let mut intake = Intake::new(false, None);
        let (what, points) = taken(&mut intake, &[(3, 1.0), (15_020, 2.0), (29_950, 3.0), (60_010, 4.0)]);
        assert_eq!((what, points.len(), intake.step()), (vec![Taken::Waits; 4], 0, None));
        let (what, points) = taken(&mut intake, &[(75_000, 5.0)]);
        assert_eq!((what, points.len(), intake.step()), (vec![Taken::Points], 5, Some(15_000)));
        let odd = [0, 7_777, 15_554, 23_331, 31_108].map(|at| Point { at, value: 0.0 });
        assert_eq!(step_of(&odd), 7_777);
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        for is_rate in [false, true] {
            let mut intake = Intake::new(is_rate, None);
            for at in 0..8 {
                let mut bytes = Writer::default();
                intake.write(&mut bytes);
                let bytes = bytes.into_bytes();
                let mut reader = Reader::new(&bytes);
                assert_eq!(Intake::read(&mut reader).as_ref(), Some(&intake));
                assert!((0..bytes.len()).all(|n| Intake::read(&mut Reader::new(&bytes[..n])).is_none()));
                intake.take(at * 60_000, at as f64, at == 3, &mut Vec::new());
            }
        }
    }
}
