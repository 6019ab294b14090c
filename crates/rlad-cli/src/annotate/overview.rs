//! A long series for a screen: the minimum and maximum of each of a few buckets, from a pyramid of them.

use std::ops::Range;

use rayon::prelude::*;
use rlad::Series;

/// The points of a bucket of the lowest level.
const BASE: usize = 16;
/// The buckets of a level that make one of the next.
const FACTOR: usize = 8;

/// The lowest and highest value of a run of points; NaN where nothing was measured.
pub(crate) type Extent = (f64, f64);

const NOTHING: Extent = (f64::NAN, f64::NAN);

/// Minima and maxima of each channel of a series at several levels, the lowest first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pyramid {
    n_channels: usize,
    /// `[level][bucket * n_channels + channel]`.
    levels: Vec<Vec<Extent>>,
}

impl Pyramid {
    /// The pyramid of a series: a sixteenth of its size.
    pub(crate) fn new(series: &Series) -> Self {
        let n_channels = series.n_channels();
        let lowest: Vec<Extent> = series
            .values()
            .par_chunks(BASE * n_channels)
            .flat_map_iter(|rows| {
                (0..n_channels).map(move |channel| {
                    let values = rows.iter().skip(channel).step_by(n_channels);
                    values.fold(NOTHING, |extent, value| join(extent, (*value, *value)))
                })
            })
            .collect();
        let mut levels = vec![lowest];
        while levels.last().is_some_and(|level| level.len() > FACTOR * n_channels) {
            let below = levels.last().map_or(&[][..], Vec::as_slice);
            let level = below
                .par_chunks(FACTOR * n_channels)
                .flat_map_iter(|buckets| {
                    (0..n_channels).map(move |channel| {
                        buckets.iter().skip(channel).step_by(n_channels).fold(NOTHING, |extent, of| join(extent, *of))
                    })
                })
                .collect();
            levels.push(level);
        }
        Self { n_channels, levels }
    }

    /// The extent of one channel over some points of the series that it is of.
    pub(crate) fn extent(&self, series: &Series, channel: usize, points: Range<usize>) -> Extent {
        let mut extent = NOTHING;
        let mut at = points.start;
        while at < points.end {
            // The largest bucket that begins here and ends within.
            let (mut size, mut level) = (1, None);
            let mut next = BASE;
            for above in 0..self.levels.len() {
                if !at.is_multiple_of(next) || at + next > points.end {
                    break;
                }
                (size, level) = (next, Some(above));
                next *= FACTOR;
            }
            let here = match level {
                Some(level) => self.levels[level][at / size * self.n_channels + channel],
                None => {
                    let value = series.row(at)[channel];
                    (value, value)
                }
            };
            extent = join(extent, here);
            at += size;
        }
        extent
    }
}

/// Minima and maxima leave NaN out where there is anything else.
const fn join(a: Extent, b: Extent) -> Extent {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Some points of a series in buckets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Overview {
    /// The points of a bucket.
    pub(crate) step: usize,
    /// The first point of each bucket.
    pub(crate) first: Vec<usize>,
    /// The lowest value, shape `[n_channels][n_buckets]`.
    pub(crate) low: Vec<Vec<f64>>,
    /// The highest value.
    pub(crate) high: Vec<Vec<f64>>,
}

/// At most `n` buckets of some points, all of one size but for the last. `pyramid` is asked for where there is more than one
/// point a bucket.
pub(crate) fn overview<'a>(
    series: &Series,
    pyramid: impl FnOnce() -> &'a Pyramid,
    points: Range<usize>,
    n: usize,
) -> Overview {
    let step = points.len().div_ceil(n.max(1)).max(1);
    let first: Vec<usize> = points.clone().step_by(step).collect();
    let channels = 0..series.n_channels();
    if step == 1 {
        let low: Vec<Vec<f64>> =
            channels.map(|channel| first.iter().map(|point| series.row(*point)[channel]).collect()).collect();
        return Overview { step, first, high: low.clone(), low };
    }
    let pyramid = pyramid();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for channel in channels {
        let extents = first.iter().map(|&at| pyramid.extent(series, channel, at..(at + step).min(points.end)));
        let (of_low, of_high): (Vec<f64>, Vec<f64>) = extents.unzip();
        low.push(of_low);
        high.push(of_high);
    }
    Overview { step, first, low, high }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rlad::data::TimeFormat;

    use super::*;

    fn series(n: usize, n_channels: usize) -> Series {
        let value = |i: usize| if i % 71 < 9 { f64::NAN } else { ((i * 7919) % 1013) as f64 - (i % 17) as f64 };
        let channels = (0..n_channels).map(|channel| channel.to_string()).collect();
        let values = (0..n * n_channels).map(value).collect();
        Series::new("s", channels, TimeFormat::Index, (0..n as i64).collect(), values, Some(1)).unwrap()
    }

    fn same(a: f64, b: f64) -> bool {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }

    #[test]
    fn extents_are_those_of_the_points() {
        for (n, n_channels) in [(1, 1), (15, 2), (16, 1), (1_000, 3), (5_003, 1)] {
            let series = series(n, n_channels);
            let pyramid = Pyramid::new(&series);
            for (from, to) in [(0, n), (0, 1), (n / 3, n), (n / 7, n / 2 + 1), (n - 1, n)] {
                for channel in 0..n_channels {
                    let points = (from..to).map(|point| series.row(point)[channel]);
                    let expected = points.fold(NOTHING, |extent, value| join(extent, (value, value)));
                    let found = pyramid.extent(&series, channel, from..to);
                    assert!(same(found.0, expected.0) && same(found.1, expected.1), "{n} {from}..{to}");
                }
            }
        }
    }

    #[test]
    fn buckets_cover_the_points_and_are_raw_where_they_can_be() {
        let series = series(1_000, 2);
        let pyramid = Pyramid::new(&series);
        let raw = overview(&series, || panic!("not needed"), 10..30, 100);
        assert_eq!((raw.step, raw.first.clone()), (1, (10..30).collect()));
        assert!(same(raw.low[1][3], series.row(13)[1]) && same(raw.high[1][3], series.row(13)[1]));
        let wide = overview(&series, || &pyramid, 5..1_000, 100);
        assert_eq!((wide.step, wide.first.len(), wide.low.len(), wide.low[0].len()), (10, 100, 2, 100));
        assert!(overview(&series, || &pyramid, 7..7, 100).first.is_empty());
    }

    /// A series of ten million points: it opens in well under a second.
    #[test]
    fn ten_million_points_open_at_once() {
        let series = series(10_000_000, 1);
        let begun = Instant::now();
        let pyramid = Pyramid::new(&series);
        let built = begun.elapsed();
        let begun = Instant::now();
        let whole = overview(&series, || &pyramid, 0..series.len(), 4_000);
        let cut = begun.elapsed();
        assert_eq!(whole.first.len(), 4_000);
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("10 million points: pyramid {built:?}, 4,000 buckets of all of them {cut:?}\n"),
        );
    }
}
