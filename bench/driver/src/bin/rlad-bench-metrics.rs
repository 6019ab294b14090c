//! Times of evaluations, for `bench/speed/metrics.py`.
//!
//! The file in the first argument holds little-endian 64-bit floats: for each series its number of points, its threshold, the
//! truth of each point (0 or 1) and the score of each point. Each line of standard input asks for one evaluation, `all` or
//! the number of one series, then the buffer of the volumes, `-`, or `affiliation` for that metric alone, then `nab`, `nab-probation` or `-`. The answer is one line of
//! JSON: the seconds that it took, and what it gave.

#![expect(clippy::print_stdout, reason = "the driver reads the answers from here")]

use std::error::Error;
use std::io::BufRead;
use std::time::Instant;

use rlad::metrics::{EvaluateOptions, NabOptions, ScoredSeries, affiliation};
use rlad::{Label, evaluate};
use serde_json::json;

/// Truth, scores and threshold of a series.
type Input = (Vec<Option<Label>>, Vec<f64>, f64);

fn read(path: &str) -> Result<Vec<Input>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let mut numbers = bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
    let mut series = Vec::new();
    while let Some(n_points) = numbers.next() {
        let n_points = n_points as usize;
        let threshold = numbers.next().ok_or("a series has a threshold")?;
        let label = |truth: f64| Some(if truth > 0.5 { Label::Anomaly } else { Label::Normal });
        let truth: Vec<_> = numbers.by_ref().take(n_points).map(label).collect();
        let scores: Vec<_> = numbers.by_ref().take(n_points).collect();
        if scores.len() != n_points {
            return Err("the file ends within a series".into());
        }
        series.push((truth, scores, threshold));
    }
    Ok(series)
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name the file with the scores")?;
    let series = read(&path)?;
    let scored: Vec<ScoredSeries<'_>> = series
        .iter()
        .map(|(truth, scores, threshold)| ScoredSeries::new(truth, scores, *threshold))
        .collect::<Result<_, _>>()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [which, buffer, nab] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err("a line names series, buffer and NAB".into());
        };
        let scored = if which == "all" { &scored[..] } else { std::slice::from_ref(&scored[which.parse::<usize>()?]) };
        if buffer == "affiliation" {
            let start = Instant::now();
            let quality = affiliation(scored);
            let seconds = start.elapsed().as_secs_f64();
            println!("{}", json!({ "seconds": seconds, "evaluation": { "affiliation": quality } }));
            continue;
        }
        let options = EvaluateOptions {
            delay: 7,
            vus_buffer: if buffer == "-" { None } else { Some(buffer.parse()?) },
            nab: (nab != "-").then_some(NabOptions { probation: nab == "nab-probation" }),
        };
        let start = Instant::now();
        let evaluation = evaluate(scored, &options);
        let seconds = start.elapsed().as_secs_f64();
        println!("{}", json!({ "seconds": seconds, "evaluation": evaluation }));
    }
    Ok(())
}
