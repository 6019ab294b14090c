use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use rlad::config::AnswerKind;
use rlad::data::NANOS_PER_SECOND;

use super::*;
use crate::terminal::Question;

const FIVE_MINUTES: i64 = 300 * NANOS_PER_SECOND;
/// 2014-04-01 00:00:00.
const START: i64 = 1_396_310_400 * NANOS_PER_SECOND;

/// Two days of a daily wave in `n_channels` channels, a spike at point 430, and no point in `450..456`.
fn waves(n_channels: usize, time_format: TimeFormat) -> Series {
    let points = (0..576_i64).filter(|point| !(450..456).contains(point));
    let (mut timestamps, mut values) = (Vec::new(), Vec::new());
    for point in points {
        timestamps.push(if time_format == TimeFormat::Index { point } else { START + point * FIVE_MINUTES });
        for channel in 0..n_channels {
            let wave = (point as f64 / 288.0 * std::f64::consts::TAU * (channel + 1) as f64).sin();
            let drift = if point >= 288 { 0.3 } else { 0.0 };
            values.push(if point == 430 { 3.0 } else { wave + drift });
        }
    }
    let channels = (0..n_channels).map(|channel| format!("channel {channel}")).collect();
    Series::new("web/cpu", channels, time_format, timestamps, values, None).unwrap()
}

fn draw(series: &Series, width: u16, height: u16, keys: &[(KeyCode, KeyModifiers)]) -> Terminal<TestBackend> {
    let asked = Question {
        series,
        point: 430,
        shown: 400..480,
        alarm: None,
        kind: AnswerKind::Range,
        number: 12,
        budget: 500,
        remark: String::new(),
    };
    let mut screen = Screen::new(asked.point, asked.shown.clone(), asked.kind);
    for &(code, modifiers) in keys {
        assert_eq!(screen.press(KeyEvent::new(code, modifiers)), None);
    }
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| question(frame, &asked, &screen)).unwrap();
    terminal
}

fn columns_with_background(buffer: &Buffer, y: u16, color: Color) -> Vec<u16> {
    (0..buffer.area.width).filter(|&x| buffer[(x, y)].bg == color).collect()
}

const fn key(key: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(key), KeyModifiers::NONE)
}

#[test]
fn a_question_is_as_reviewed() {
    insta::assert_snapshot!(draw(&waves(1, TimeFormat::Seconds), 100, 30, &[]).backend());
}

#[test]
fn channels_are_stacked() {
    insta::assert_snapshot!(draw(&waves(3, TimeFormat::Seconds), 80, 32, &[key(']')]).backend());
}

#[test]
fn channels_that_do_not_fit_are_counted() {
    let text = draw(&waves(9, TimeFormat::Seconds), 80, 24, &[]).backend().to_string();
    assert!(text.contains("3 of 9 channels fit"), "{text}");
}

#[test]
fn help_covers_the_charts() {
    insta::assert_snapshot!(draw(&waves(1, TimeFormat::Index), 80, 24, &[key('?')]).backend());
}

#[test]
fn a_painted_range_is_told_and_shaded() {
    let keys = [key('r'), (KeyCode::Right, KeyModifiers::SHIFT), (KeyCode::Left, KeyModifiers::NONE)];
    let terminal = draw(&waves(1, TimeFormat::Seconds), 91, 24, &keys);
    let text = terminal.backend().to_string();
    assert!(text.contains("range of 10 points, 2014-04-02 11:50:00 to 2014-04-02 12:35:00"), "{text}");
    // 86 slots from edge to edge over 80 columns of two dots, right of the gutter.
    let column = |slot: f64| GUTTER + (slot / 85.0 * 159.0).round() as u16 / 2;
    let expected: Vec<u16> = (column(30.0)..=column(39.0)).collect();
    assert_eq!(columns_with_background(terminal.backend().buffer(), 5, PAINTED), expected);
}

#[test]
fn a_gap_is_not_joined() {
    let series = waves(1, TimeFormat::Seconds);
    let buffer = draw(&series, 91, 24, &[]).backend().buffer().clone();
    let is_blank = |x: u16| (2..13).all(|y| matches!(buffer[(x, y)].symbol(), " " | "⠀") || buffer[(x, y)].fg != LINE);
    // Slots 450 to 455 are empty; the last point before them and the first behind them are 49 and 56 slots in.
    let column = |slot: f64| GUTTER + (slot / 85.0 * 159.0).round() as u16 / 2;
    assert!((column(49.0) + 1..column(56.0)).all(is_blank));
    assert!(!is_blank(column(49.0)) && !is_blank(column(56.0)));
}

#[test]
fn the_day_before_is_drawn_where_there_is_one() {
    let has_faint_line = |series: &Series| {
        let buffer = draw(series, 91, 24, &[]).backend().buffer().clone();
        (2..13).any(|y| (GUTTER..91).any(|x| buffer[(x, y)].fg == FAINT))
    };
    assert!(has_faint_line(&waves(1, TimeFormat::Seconds)));
    assert!(!has_faint_line(&waves(1, TimeFormat::Index)), "an index has no days");
}

#[test]
fn missing_and_extreme_values_are_drawn() {
    for values in [[f64::NAN; 3], [1.0, f64::NAN, 1.0], [f64::MIN, 0.0, f64::MAX], [0.0; 3], [1e-300, 2e-300, 0.0]] {
        let channels = vec!["value".to_owned()];
        let series = Series::new("s", channels, TimeFormat::Index, vec![0, 1, 9], values.to_vec(), Some(1)).unwrap();
        for (point, shown) in [(1, 0..3), (0, 0..1), (2, 2..3)] {
            let asked = Question {
                series: &series,
                point,
                shown: shown.clone(),
                alarm: None,
                kind: AnswerKind::Range,
                number: 1,
                budget: 1,
                remark: String::new(),
            };
            for (width, height) in [(MIN_WIDTH, MIN_HEIGHT), (80, 24), (300, 90)] {
                let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
                terminal
                    .draw(|frame| question(frame, &asked, &Screen::new(point, shown.clone(), AnswerKind::Range)))
                    .unwrap();
                let text = terminal.backend().to_string();
                assert_eq!(
                    text.contains("no values"),
                    values[shown.clone()].iter().all(|value| value.is_nan()),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn a_window_that_is_too_small_says_so() {
    for (width, height) in [(MIN_WIDTH - 1, 40), (100, MIN_HEIGHT - 1), (1, 1), (20, 5)] {
        let text = draw(&waves(1, TimeFormat::Seconds), width, height, &[]).backend().to_string();
        assert!(width < 20 || text.contains("This window"), "{text}");
    }
}

#[test]
fn a_message_stands_in_the_middle() {
    let mut terminal = Terminal::new(TestBackend::new(20, 3)).unwrap();
    terminal.draw(|frame| message(frame, "learning")).unwrap();
    terminal.backend().assert_buffer_lines(["                    ", "      learning      ", "                    "]);
}

#[test]
fn numbers_take_at_most_ten_columns() {
    for (value, text) in [
        (0.0, "0"),
        (12.0, "12"),
        (-0.25, "-0.25"),
        (123.456_789, "123.457"),
        (123_456.789, "123456.8"),
        (-1.0e-200, "-1.000e-200"),
        (f64::NAN, "missing"),
        (2.5e7, "2.500e7"),
    ] {
        assert_eq!(number_text(value), text);
    }
}
