//! What value was to be expected at a point, from those before it, and how far off the point is.

use super::running::Spread;
use super::season::Season;
use super::trailing::Recent;
use crate::archive::{Archive, Misfit};
use crate::data::series::Clock;

/// The last values whose median is the level.
const N_RECENT: u8 = 60;
/// No value goes further from the first one than this.
const FAR: f64 = 1e30;

/// The running expectation of one series: causal, of bounded memory, the same in a stream as in a batch.
///
/// The expected value of a channel is its usual one at this time of the day and hour of the week, as the seasonal features know it, and
/// the median of how far the last 60 values (at most; missing ones left out) were off that. Without a clock, and on the first day, it is
/// the median of the last 60 values. The point itself is not in it.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    channels: Vec<Channel>,
}

/// The distance of a point from what was expected, in the channel where it is the most times the usual one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deviation {
    /// Value less expected value, in units of the value.
    pub(crate) distance: f64,
    pub(crate) expected: f64,
    pub(crate) channel: usize,
    /// The usual distance from the expected value, of the points before this one; 0 where there is none.
    pub(crate) usual: f64,
    /// The distance in units of the usual one, this point included; at least 0.
    pub(crate) times: f64,
}

#[derive(Clone, Debug)]
struct Channel {
    season: Option<Season>,
    /// The points that running statistics remember.
    memory: u32,
    /// The first value, from which the others are measured.
    origin: Option<f64>,
    last: f64,
    /// The last values, less their season where it is known.
    recent: Recent,
    is_seasonal: bool,
    /// The usual distance from the expected value.
    spread: Spread,
}

impl Expected {
    pub(crate) fn new(clock: Clock, n_channels: usize) -> Self {
        let points_per_week = clock.slots_per_day().unwrap_or(288).saturating_mul(7);
        let channel = Channel {
            season: Season::new(clock),
            memory: u32::try_from(points_per_week.clamp(1_000, 20_000)).unwrap_or(20_000),
            origin: None,
            last: 0.0,
            recent: Recent::new(&[N_RECENT], 1),
            is_seasonal: false,
            spread: Spread::default(),
        };
        Self { channels: vec![channel; n_channels] }
    }

    /// The memory that it takes on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let of_channel = |channel: &Channel| channel.recent.bytes() + channel.season.as_ref().map_or(0, Season::bytes);
        self.channels.capacity() * size_of::<Channel>() + self.channels.iter().map(of_channel).sum::<usize>()
    }

    /// What it remembers; clock and channels are those that it was made with.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        self.channels.iter_mut().try_for_each(|channel| channel.archive(archive))
    }

    /// Judges a point by those before it, and learns from it. `None` where no channel has a value and one before it.
    pub(crate) fn push(&mut self, timestamp: i64, values: &[f64]) -> Option<Deviation> {
        let mut most: Option<Deviation> = None;
        for deviation in self.push_each(timestamp, values) {
            if most.is_none_or(|most| deviation.times > most.times) {
                most = Some(deviation);
            }
        }
        most
    }

    /// [`Self::push`] with the deviation of each channel that has a value and one before it. What is not taken is not learned from.
    pub(crate) fn push_each<'a>(
        &'a mut self,
        timestamp: i64,
        values: &'a [f64],
    ) -> impl Iterator<Item = Deviation> + use<'a> {
        self.channels.iter_mut().zip(values).enumerate().filter_map(move |(index, (channel, &value))| {
            let before = channel.spread.get();
            let (distance, expected) = channel.push(timestamp, value)?;
            let usual = channel.spread.get();
            let times = if usual > 0.0 { distance.abs() / usual } else { 0.0 };
            Some(Deviation { distance, expected, channel: index, usual: before, times })
        })
    }
}

impl Channel {
    /// The distance from the expected value, and that value.
    fn push(&mut self, timestamp: i64, value: f64) -> Option<(f64, f64)> {
        if !value.is_finite() {
            return None;
        }
        let origin = *self.origin.get_or_insert(value);
        let x = (value - origin).clamp(-FAR, FAR);
        let step = x - std::mem::replace(&mut self.last, x);
        let season = self.season.as_mut().and_then(|season| season.push(timestamp, x, step, self.memory));
        let off_season = season.map_or(x, |season| season.weekly);
        if season.is_some() != self.is_seasonal {
            // What was kept was measured from elsewhere.
            self.is_seasonal = season.is_some();
            self.recent = Recent::new(&[N_RECENT], 1);
        }
        let line = self.recent.line();
        let level = self.recent.summaries(&line, 0)[0].map(|window| window.median);
        self.recent.push(&line, off_season as f32);
        let level = level.or(self.is_seasonal.then_some(0.0))?;
        let distance = off_season - level;
        self.spread.push(distance, self.memory);
        // Of a value that is too far to be measured from the first one, what is expected is known all the same.
        let is_far = (value - origin).abs() > FAR;
        Some((distance, if is_far { origin + (x - off_season) + level } else { value - distance }))
    }

    fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        self.season.iter_mut().try_for_each(|season| season.archive(archive))?;
        archive.option(&mut self.origin, Default::default, |origin, archive| archive.f64(origin))?;
        archive.f64(&mut self.last)?;
        self.recent.archive(archive)?;
        archive.flag(&mut self.is_seasonal)?;
        self.spread.archive(archive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::series::NANOS_PER_DAY;

    const NO_DAYS: Clock = Clock { step: 1, has_days: false };

    fn of_values(values: &[f64]) -> Vec<Option<(f64, f64)>> {
        let mut expected = Expected::new(NO_DAYS, 1);
        let push = |(at, value): (i64, &f64)| expected.push(at, &[*value]).map(|d| (d.expected, d.distance));
        (0..).zip(values).map(push).collect()
    }

    #[test]
    fn without_a_clock_it_is_the_median_of_the_values_before() {
        let got = of_values(&[5.0, 7.0, f64::NAN, 6.0, 16.0, 2.0]);
        assert_eq!(got, [None, Some((5.0, 2.0)), None, Some((6.0, 0.0)), Some((6.0, 10.0)), Some((6.5, -4.5))]);
        let mut long = vec![100.0; 50];
        long.extend([3.0; 61]);
        assert_eq!(of_values(&long)[110], Some((3.0, 0.0)), "the last 60 values are all that count");
    }

    #[test]
    fn of_a_value_that_is_too_far_the_expected_one_is_told() {
        assert_eq!(of_values(&[5.0, 7.0, 1e300]), [None, Some((5.0, 2.0)), Some((6.0, FAR - 1.0))]);
    }

    #[test]
    fn with_a_clock_it_follows_the_day_and_a_shift_of_the_level() {
        let hour = NANOS_PER_DAY / 24;
        let mut expected = Expected::new(Clock { step: hour, has_days: true }, 1);
        // Twelve days of a daily cycle; at the tenth, the level goes up for good by 50.
        let value = |at: i64| (at % 24) as f64 * 10.0 + if at >= 240 { 50.0 } else { 0.0 };
        let deviations: Vec<_> = (0..290).map(|at| expected.push(at * hour, &[value(at)])).collect();
        let off = |at: usize| deviations[at].unwrap().distance;
        assert!((120..240).all(|at| off(at).abs() < 1e-3), "the cycle is expected");
        assert!((off(240) - 50.0).abs() < 1e-3, "{}", off(240));
        assert!(off(289).abs() < 12.0, "the new level is known: {}", off(289));
    }

    #[test]
    fn of_several_channels_the_one_that_is_the_most_off_speaks() {
        let mut expected = Expected::new(NO_DAYS, 2);
        for at in 0..100 {
            expected.push(at, &[f64::from(at as i32 % 2), 1000.0 * f64::from(at as i32 % 3)]);
        }
        // 9 is far for the first channel; 3,000 is hardly more than usual for the second.
        let far = expected.push(100, &[9.0, 3000.0]).unwrap();
        assert!(far.distance > 8.0 && far.distance < 10.0, "{far:?}");
        assert!(far.channel == 0 && far.usual > 0.0 && far.usual < 1.0 && far.times > 8.0, "{far:?}");
        assert_eq!(expected.push(101, &[f64::NAN, f64::NAN]), None);
    }
}
