//! The picture of a question.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::canvas::{Canvas, Line as Segment, Points};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};
use rlad::Series;
use rlad::data::{NANOS_PER_DAY, TimeFormat};

use super::question::Question;
use super::screen::Screen;
use crate::visible::visible;

/// The smallest terminal that is drawn on.
const MIN_WIDTH: u16 = 40;
const MIN_HEIGHT: u16 = 14;
/// The columns left of a chart, for the values at its top and bottom.
const GUTTER: u16 = 11;
/// A channel gets at least so many rows; channels beyond what fits are not drawn.
const MIN_CHART_HEIGHT: u16 = 4;
/// The rows of the context strip, its title included.
const CONTEXT_HEIGHT: u16 = 5;
/// The context strip shows so many times what the chart may show.
const CONTEXT_FACTOR: usize = 10;

const LINE: Color = Color::Cyan;
const JUDGED: Color = Color::Yellow;
const FAINT: Color = Color::DarkGray;
const PAINTED: Color = Color::Blue;

const KEYS: &str = "a anomaly  n normal  u unsure  s skip  r range  z undo  [ ] zoom  ? help  q stop";

const SESSION_KEYS: &str = "a anomaly  n normal  e expected  u unsure  s skip  r range  z undo  y redo  b f back  c comment  [ ] zoom  ? help  q stop";

/// Keys of a labelling session.
const SESSION_HELP: &[(&str, &str)] = &[
    ("e", "expected: unusual, but wanted"),
    ("y Z", "bring back what was taken back"),
    ("b f", "the answer before, the one after it"),
    ("c", "a remark on the answer that follows"),
];

const HELP: &[(&str, &str)] = &[
    ("a 1", "anomaly: the point and what stands out beside it,"),
    ("", "or the range, and what is unlike it is normal"),
    ("n 0", "normal: the point and what is no odder, or the range;"),
    ("", "all else stays open"),
    ("u", "unsure: I cannot tell"),
    ("s", "skip: I do not want to say"),
    ("r", "start a range at the point; r again ends it,"),
    ("", "and once more moves its other end"),
    ("← →", "move the end of the range (shift: by 10)"),
    ("Home End", "move it to the edge of what is shown"),
    ("Esc", "drop the range"),
    ("z", "take the last answer back"),
    ("[ ]", "zoom out, zoom in"),
    ("q", "stop; the answers so far are kept"),
];

/// Draws a question.
pub(super) fn question(frame: &mut Frame<'_>, question: &Question<'_>, screen: &Screen) {
    let area = frame.area();
    if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
        let text = format!("This window is too small: it takes {MIN_WIDTH} columns and {MIN_HEIGHT} rows.");
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let keys = if screen.is_in_session() { SESSION_KEYS } else { KEYS };
    let footer_height = if usize::from(area.width) >= keys.chars().count() { 1 } else { 2 };
    let [header, charts, times, context, status, footer] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(MIN_CHART_HEIGHT),
        Constraint::Length(2),
        Constraint::Length(CONTEXT_HEIGHT),
        Constraint::Length(1),
        Constraint::Length(footer_height),
    ])
    .areas(area);
    draw_header(frame, header, question);

    let series = question.series;
    let visible = screen.visible();
    let axis = TimeAxis::new(series, &visible);
    let n_drawn = usize::from(charts.height / MIN_CHART_HEIGHT).clamp(1, series.n_channels());
    let areas = Layout::vertical(vec![Constraint::Fill(1); n_drawn]).split(charts);
    for (channel, &area) in areas.iter().enumerate() {
        let chart = Chart { series, channel, points: visible.clone(), axis, point: question.point, day_before: true };
        chart.draw(frame, area, screen.painted(), PAINTED);
    }
    draw_times(frame, times, series, &axis, question.point);
    draw_context(frame, context, question);
    draw_status(frame, status, question, screen, n_drawn);
    frame.render_widget(
        Paragraph::new(keys).wrap(Wrap { trim: true }).style(Style::new().add_modifier(Modifier::DIM)),
        footer,
    );
    if screen.help {
        draw_help(frame, area, screen.is_in_session());
    }
}

/// Draws a line of text in the middle.
pub(super) fn message(frame: &mut Frame<'_>, text: &str) {
    let area = frame.area();
    let [middle] = Layout::vertical([Constraint::Length(1)]).flex(ratatui::layout::Flex::Center).areas(area);
    frame.render_widget(Paragraph::new(visible(text)).centered(), middle);
}

fn draw_header(frame: &mut Frame<'_>, area: Rect, question: &Question<'_>) {
    let series = question.series;
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let first = Line::from(vec![
        Span::raw(format!("question {} of {}  ", question.number, question.budget)),
        Span::styled(visible(series.name()), bold),
        Span::raw(if question.remark.is_empty() { String::new() } else { format!("  {}", visible(&question.remark)) }),
    ]);
    let mut second =
        vec![Span::styled("▲ ", JUDGED), Span::raw(time_text(series, series.timestamps()[question.point]))];
    for (name, value) in series.channels().iter().zip(series.row(question.point)) {
        second.push(Span::raw(format!("  {} ", visible(name))));
        second.push(Span::styled(number_text(*value), bold.fg(JUDGED)));
    }
    frame.render_widget(Paragraph::new(vec![first, Line::from(second)]), area);
}

/// The mark under the judged point, and the times at both ends.
fn draw_times(frame: &mut Frame<'_>, area: Rect, series: &Series, axis: &TimeAxis, point: usize) {
    let plot = plot_area(area);
    let column = axis.column(plot, axis.position(series.timestamps()[point]));
    frame.buffer_mut().set_string(column, area.y, "▲", Style::new().fg(JUDGED));
    let times = Rect { y: area.y + 1, height: 1, ..plot };
    frame.render_widget(Paragraph::new(time_text(series, axis.first)), times);
    let last = time_text(series, axis.last);
    if axis.last > axis.first && usize::from(times.width) > 2 * last.len() {
        frame.render_widget(Paragraph::new(last).right_aligned(), times);
    }
}

fn draw_context(frame: &mut Frame<'_>, area: Rect, question: &Question<'_>) {
    let Question { series, point, shown, .. } = question;
    let before = CONTEXT_FACTOR * (point - shown.start);
    let after = CONTEXT_FACTOR * (shown.end - 1 - point);
    let points = series.around(*point, before, after);
    let [title, strip] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let text = format!("around it: {} points of {}", points.len(), visible(&series.channels()[0]));
    frame.render_widget(Paragraph::new(text).style(FAINT), plot_area(title));
    let axis = TimeAxis::new(series, &points);
    let chart = Chart { series, channel: 0, points, axis, point: *point, day_before: false };
    chart.draw(frame, strip, Some((shown.start, shown.end - 1)), FAINT);
}

fn draw_status(frame: &mut Frame<'_>, area: Rect, question: &Question<'_>, screen: &Screen, n_drawn: usize) {
    let series = question.series;
    let text = match (screen.note, screen.painted()) {
        _ if screen.typed.is_some() => {
            format!("remark: {}_  (Enter keeps it, Esc drops it)", visible(screen.typed.as_deref().unwrap_or_default()))
        }
        (Some(note), _) => note.to_owned(),
        (None, Some((first, last))) => {
            let time = |point: usize| time_text(series, series.timestamps()[point]);
            let how = if screen.is_painting() { "← → move its end, r ends it" } else { "r moves its other end" };
            format!("range of {} points, {} to {}: {how}", last - first + 1, time(first), time(last))
        }
        (None, None) if n_drawn < series.n_channels() => {
            format!("{n_drawn} of {} channels fit; a taller window shows more", series.n_channels())
        }
        (None, None) => String::new(),
    };
    frame.render_widget(Paragraph::new(text).style(JUDGED), area);
}

fn draw_help(frame: &mut Frame<'_>, area: Rect, in_session: bool) {
    let more = if in_session { SESSION_HELP } else { &[] };
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .chain(more)
        .map(|(keys, meaning)| Line::from(vec![Span::styled(format!(" {keys:<9}"), JUDGED), Span::raw(*meaning)]))
        .collect();
    let width = lines.iter().map(Line::width).max().unwrap_or(0) + 3;
    let (width, height) =
        (u16::try_from(width).unwrap_or(u16::MAX), u16::try_from(lines.len() + 2).unwrap_or(u16::MAX));
    let popup = area.centered(Constraint::Max(width), Constraint::Max(height));
    frame.render_widget(Clear, popup);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys: any key goes back ")), popup);
}

/// The part of an area that is right of the gutter.
fn plot_area(area: Rect) -> Rect {
    Rect { x: area.x + GUTTER, width: area.width - GUTTER, ..area }
}

/// Where times stand between the left and the right edge of a chart.
#[derive(Clone, Copy, Debug)]
struct TimeAxis {
    first: i64,
    last: i64,
}

impl TimeAxis {
    fn new(series: &Series, points: &Range<usize>) -> Self {
        Self { first: series.timestamps()[points.start], last: series.timestamps()[points.end - 1] }
    }

    /// The position of a time, 0 at the left edge and 1 at the right one.
    fn position(&self, timestamp: i64) -> f64 {
        // Two times may be further apart than 63 bits count.
        let since_first = |time: i64| (i128::from(time) - i128::from(self.first)) as f64;
        if self.last == self.first { 0.5 } else { since_first(timestamp) / since_first(self.last) }
    }

    /// The column of a position; a column is two braille dots wide, and the canvas rounds to a dot.
    fn column(&self, plot: Rect, position: f64) -> u16 {
        let n_dots = 2 * plot.width;
        plot.x + (position * f64::from(n_dots - 1)).round() as u16 / 2
    }
}

/// One channel of a run of points, drawn in braille.
struct Chart<'a> {
    series: &'a Series,
    channel: usize,
    points: Range<usize>,
    axis: TimeAxis,
    point: usize,
    day_before: bool,
}

impl Chart<'_> {
    /// Draws the chart, the columns of the points `marked` with another background.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, marked: Option<(usize, usize)>, background: Color) {
        let plot = plot_area(area);
        let now: Vec<(i64, f64)> =
            self.points.clone().map(|point| (self.timestamp(point), self.value(point))).collect();
        let before = if self.day_before { self.a_day_before() } else { Vec::new() };
        let values = now.iter().chain(&before).map(|(_, value)| *value).filter(|value| value.is_finite());
        let Some((low, high)) = bounds(values) else {
            frame.render_widget(Paragraph::new("no values").centered().style(FAINT), plot);
            return;
        };
        let gutter = Rect { width: GUTTER - 1, height: 1, ..area };
        frame.render_widget(Paragraph::new(number_text(high)).right_aligned().style(FAINT), gutter);
        let bottom = Rect { y: area.bottom() - 1, ..gutter };
        frame.render_widget(Paragraph::new(number_text(low)).right_aligned().style(FAINT), bottom);
        if self.day_before && self.series.n_channels() > 1 && area.height > 2 {
            let name = Rect { y: area.y + 1, ..gutter };
            frame.render_widget(Paragraph::new(visible(&self.series.channels()[self.channel])).right_aligned(), name);
        }

        // Halved before they are subtracted, so that no finite values overflow.
        let height = |value: f64| (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        let position = |(timestamp, value): (i64, f64)| (self.axis.position(timestamp), height(value));
        let judged = position((self.timestamp(self.point), self.value(self.point)));
        let canvas =
            Canvas::default().marker(Marker::Braille).x_bounds([0.0, 1.0]).y_bounds([0.0, 1.0]).paint(|context| {
                let mark: Vec<(f64, f64)> = (0..=u32::from(2 * plot.height))
                    .map(|row| (judged.0, f64::from(row) / f64::from(2 * plot.height)))
                    .collect();
                context.draw(&Points { coords: &mark, color: JUDGED });
                for (line, color) in [(&before, FAINT), (&now, LINE)] {
                    // Each layer keeps its own colour where it crosses the one below.
                    context.layer();
                    for pair in line.windows(2).filter(|pair| self.are_joined(pair[0], pair[1])) {
                        let ((x1, y1), (x2, y2)) = (position(pair[0]), position(pair[1]));
                        context.draw(&Segment { x1, y1, x2, y2, color });
                    }
                    let dots: Vec<(f64, f64)> =
                        line.iter().filter(|(_, value)| value.is_finite()).map(|&dot| position(dot)).collect();
                    context.draw(&Points { coords: &dots, color });
                }
            });
        frame.render_widget(canvas, plot);
        if judged.1.is_finite() {
            let n_dots = 4 * plot.height;
            let row = plot.y + ((1.0 - judged.1) * f64::from(n_dots - 1)).round() as u16 / 4;
            frame.buffer_mut().set_string(self.axis.column(plot, judged.0), row, "●", Style::new().fg(JUDGED));
        }
        if let Some((first, last)) = marked {
            let column = |point: usize| self.axis.column(plot, self.axis.position(self.timestamp(point)));
            for x in column(first)..=column(last) {
                for y in plot.top()..plot.bottom() {
                    if let Some(cell) = frame.buffer_mut().cell_mut(Position { x, y }) {
                        cell.set_bg(background);
                        if cell.fg == background {
                            cell.set_fg(Color::Reset);
                        }
                    }
                }
            }
        }
    }

    fn timestamp(&self, point: usize) -> i64 {
        self.series.timestamps()[point]
    }

    fn value(&self, point: usize) -> f64 {
        self.series.row(point)[self.channel]
    }

    /// Two neighbours are joined by a line unless a value or a slot between them is missing.
    fn are_joined(&self, a: (i64, f64), b: (i64, f64)) -> bool {
        let clock = self.series.clock();
        a.1.is_finite() && b.1.is_finite() && clock.slot(b.0).saturating_sub(clock.slot(a.0)) <= 1
    }

    /// The values at the same clock times a day before, at the times of the points that are shown.
    fn a_day_before(&self) -> Vec<(i64, f64)> {
        let clock = self.series.clock();
        if clock.slots_per_day().is_none() {
            return Vec::new();
        }
        let timestamps = self.series.timestamps();
        self.points
            .clone()
            .filter_map(|point| {
                let slot = clock.slot(self.timestamp(point).checked_sub(NANOS_PER_DAY)?);
                let then = timestamps.partition_point(|&timestamp| clock.slot(timestamp) < slot);
                (clock.slot(*timestamps.get(then)?) == slot).then(|| (self.timestamp(point), self.value(then)))
            })
            .collect()
    }
}

/// The lowest and the highest value; apart from each other even if all are the same.
fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) =
        values.map(|value| (value, value)).reduce(|(low, high), (value, _)| (low.min(value), high.max(value)))?;
    if low < high {
        return Some((low, high));
    }
    let margin = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
    Some((low - margin, low + margin))
}

/// A timestamp as a person reads it: a time in UTC, or the index.
fn time_text(series: &Series, timestamp: i64) -> String {
    match series.time_format() {
        TimeFormat::Index => format!("point {timestamp}"),
        _ => jiff::Timestamp::from_nanosecond(timestamp.into())
            .expect("64 bits of nanoseconds are in range")
            .strftime("%Y-%m-%d %H:%M:%S%.f")
            .to_string(),
    }
}

/// A value in at most ten columns.
fn number_text(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "missing".to_owned()
    } else if value == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e6).contains(&size) {
        let n_decimals = if size < 1.0 {
            5
        } else if size < 1000.0 {
            3
        } else {
            1
        };
        let text = format!("{value:.n_decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.3e}")
    }
}

#[cfg(test)]
mod tests;
