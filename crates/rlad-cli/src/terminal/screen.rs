//! The keys of a question: a state machine without a terminal.

use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rlad::active::{Mark, Reply};
use rlad::config::AnswerKind;
use rlad::{Answer, Label};

/// The chart keeps at least this many points on each side of the judged one, where there are so many.
const MIN_SIDE: usize = 5;
/// The points that an arrow moves the end of a range by, with shift.
const STRIDE: usize = 10;

/// The input of an expert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A reply that every expert at a terminal can give.
    Reply(Reply),
    /// The first and the last point of an expected event.
    ExpectedEvent(usize, usize),
    /// The first and the last point of an alarm that was right and late.
    Late(usize, usize),
    /// To bring back what was taken back last.
    Redo,
    /// To look at the answer before, or at the one after it.
    Back,
    Forward,
    /// To put a remark to the answer.
    Comment(String),
}

/// The state of the screen of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    point: usize,
    shown: Range<usize>,
    kind: AnswerKind,
    zoom: u32,
    range: Option<PaintedRange>,
    /// Whether the keys of a labelling session are there.
    in_session: bool,
    /// Whether it is about an alarm, whose points are painted at first.
    is_alarm: bool,
    /// The remark that is being typed.
    pub(super) typed: Option<String>,
    /// Whether the keys are explained.
    pub(super) help: bool,
    /// The reason why the last key did nothing.
    pub(super) note: Option<&'static str>,
}

/// A range that is being painted. It always holds the judged point, which the answer is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PaintedRange {
    ends: [usize; 2],
    /// The end that the arrows move, where they do.
    moving: Option<usize>,
    /// The end that moved last.
    last_moved: usize,
}

impl Screen {
    /// The screen of a question about `point`, with the points `shown` around it. Where an answer is a range, they may be
    /// painted.
    ///
    /// # Panics
    /// If `point` is not shown.
    pub(super) fn new(point: usize, shown: Range<usize>, kind: AnswerKind) -> Self {
        assert!(shown.contains(&point), "the judged point is shown");
        Self {
            point,
            shown,
            kind,
            zoom: 0,
            range: None,
            in_session: false,
            is_alarm: false,
            typed: None,
            help: false,
            note: None,
        }
    }

    /// The same screen with the keys of a labelling session.
    pub(super) fn in_session(self) -> Self {
        Self { in_session: true, ..self }
    }

    /// The same screen of a question about an alarm, whose points are painted.
    pub(super) fn about_alarm(self, first: usize, last: usize) -> Self {
        let range = PaintedRange { ends: [first, last], moving: None, last_moved: 1 };
        Self { range: Some(range), is_alarm: true, ..self }
    }

    /// Whether the keys of a labelling session are there.
    pub(super) const fn is_in_session(&self) -> bool {
        self.in_session
    }

    /// The points that the chart shows: all that are shown, fewer when zoomed in; the painted range is always in it.
    pub(super) fn visible(&self) -> Range<usize> {
        let before = self.point - self.shown.start;
        let after = self.shown.end - 1 - self.point;
        let first = self.point - side(before, self.zoom);
        let last = self.point + side(after, self.zoom);
        match self.painted() {
            Some((from, to)) => first.min(from)..last.max(to) + 1,
            None => first..last + 1,
        }
    }

    /// The first and the last point of the painted range.
    pub(super) fn painted(&self) -> Option<(usize, usize)> {
        let [a, b] = self.range.as_ref()?.ends;
        Some((a.min(b).min(self.point), a.max(b).max(self.point)))
    }

    /// Whether the arrows move an end of the range.
    pub(super) fn is_painting(&self) -> bool {
        self.range.as_ref().is_some_and(|range| range.moving.is_some())
    }

    /// Takes a key, and returns the reply of the expert once that is clear.
    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Reply> {
        match self.input(key)? {
            Input::Reply(reply) => Some(reply),
            // Only a labelling session has these.
            _ => None,
        }
    }

    /// Takes a key, and returns the input of the expert once that is clear.
    pub(super) fn input(&mut self, key: KeyEvent) -> Option<Input> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        self.note = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('c')).then_some(Input::Reply(Reply::Stop));
        }
        if self.typed.is_some() {
            return self.type_on(key.code);
        }
        if self.help {
            self.help = false;
            return None;
        }
        let stride = if key.modifiers.contains(KeyModifiers::SHIFT) { STRIDE } else { 1 };
        match key.code {
            KeyCode::Char('a' | '1') => return Some(Input::Reply(self.mark(Label::Anomaly))),
            KeyCode::Char('n' | '0') => return Some(Input::Reply(self.mark(Label::Normal))),
            KeyCode::Char('u') => return Some(Input::Reply(Reply::Answer(Answer::Unsure))),
            KeyCode::Char('s') => return Some(Input::Reply(Reply::Answer(Answer::Skip))),
            KeyCode::Char('z') => return Some(Input::Reply(Reply::Undo)),
            KeyCode::Char('q') => return Some(Input::Reply(Reply::Stop)),
            KeyCode::Char('e') if self.in_session => {
                let (first, last) = self.painted().unwrap_or((self.point, self.point));
                return Some(Input::ExpectedEvent(first, last));
            }
            KeyCode::Char('2' | 'L') if self.is_alarm => {
                let (first, last) = self.painted().unwrap_or((self.point, self.point));
                return Some(Input::Late(first, last));
            }
            KeyCode::Char('y' | 'Z') if self.in_session => return Some(Input::Redo),
            KeyCode::Char('b') if self.in_session => return Some(Input::Back),
            KeyCode::Char('f') if self.in_session => return Some(Input::Forward),
            KeyCode::Char('c') if self.in_session => self.typed = Some(String::new()),
            KeyCode::Char('r') if self.kind == AnswerKind::Point => {
                self.note = Some("this session asks about single points");
            }
            KeyCode::Char('r') => self.start_or_end_range(),
            KeyCode::Left => self.move_end(|end, first, _| end.saturating_sub(stride).max(first)),
            KeyCode::Right => self.move_end(|end, _, last| (end + stride).min(last)),
            KeyCode::Home => self.move_end(|_, first, _| first),
            KeyCode::End => self.move_end(|_, _, last| last),
            KeyCode::Char(']') => self.zoom_in(),
            KeyCode::Char('[') => self.zoom = self.zoom.saturating_sub(1),
            KeyCode::Char('?') => self.help = true,
            KeyCode::Esc => self.range = None,
            _ => self.note = Some("no such key: ? shows all keys"),
        }
        None
    }

    /// Takes a key into the remark that is being typed.
    fn type_on(&mut self, code: KeyCode) -> Option<Input> {
        let typed = self.typed.as_mut()?;
        match code {
            KeyCode::Char(letter) => typed.push(letter),
            KeyCode::Backspace => _ = typed.pop(),
            KeyCode::Enter => return self.typed.take().map(Input::Comment),
            KeyCode::Esc => self.typed = None,
            _ => {}
        }
        None
    }

    /// A mark on what is painted, or on the point.
    fn mark(&self, label: Label) -> Reply {
        Reply::Mark(Mark { point: self.point, painted: self.painted(), label })
    }

    fn start_or_end_range(&mut self) {
        match &mut self.range {
            None => self.range = Some(PaintedRange { ends: [self.point; 2], moving: Some(0), last_moved: 0 }),
            Some(range) if range.moving.is_some() => range.moving = None,
            Some(range) => {
                range.last_moved = 1 - range.last_moved;
                range.moving = Some(range.last_moved);
            }
        }
    }

    fn move_end(&mut self, to: impl Fn(usize, usize, usize) -> usize) {
        match &mut self.range {
            Some(PaintedRange { ends, moving: Some(end), .. }) => {
                ends[*end] = to(ends[*end], self.shown.start, self.shown.end - 1);
            }
            Some(_) => self.note = Some("r moves the other end of the range, Esc drops it"),
            None => self.note = Some("r starts a range, then the arrows move its end"),
        }
    }

    fn zoom_in(&mut self) {
        let before = self.point - self.shown.start;
        let after = self.shown.end - 1 - self.point;
        if side(before, self.zoom) > MIN_SIDE || side(after, self.zoom) > MIN_SIDE {
            self.zoom += 1;
        }
    }
}

/// The points on one side of the judged one, of `n` that may be seen.
fn side(n: usize, zoom: u32) -> usize {
    (n >> zoom).max(n.min(MIN_SIDE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types keys into a screen of the points `100..200` with the judged point 150: `<` and `>` are arrows, `(` and `)`
    /// the same with shift, `{` and `}` Home and End, `!` Esc. Stops at the first outcome.
    fn type_keys(keys: &str) -> (Screen, Option<Reply>) {
        let mut screen = Screen::new(150, 100..200, AnswerKind::Range);
        for key in keys.chars() {
            let (code, modifiers) = match key {
                '<' => (KeyCode::Left, KeyModifiers::NONE),
                '>' => (KeyCode::Right, KeyModifiers::NONE),
                '(' => (KeyCode::Left, KeyModifiers::SHIFT),
                ')' => (KeyCode::Right, KeyModifiers::SHIFT),
                '{' => (KeyCode::Home, KeyModifiers::NONE),
                '}' => (KeyCode::End, KeyModifiers::NONE),
                '!' => (KeyCode::Esc, KeyModifiers::NONE),
                other => (KeyCode::Char(other), KeyModifiers::NONE),
            };
            let outcome = screen.press(KeyEvent::new(code, modifiers));
            if outcome.is_some() {
                return (screen, outcome);
            }
        }
        (screen, None)
    }

    /// A mark on a painted range.
    fn painted(first: usize, last: usize, label: Label) -> Option<Reply> {
        Some(Reply::Mark(Mark { point: 150, painted: Some((first, last)), label }))
    }

    fn anomaly(first: usize, last: usize) -> Option<Reply> {
        painted(first, last, Label::Anomaly)
    }

    fn marked(label: Label) -> Option<Reply> {
        Some(Reply::Mark(Mark::of_point(150, label)))
    }

    #[test]
    fn one_key_marks_the_point() {
        for key in ["a", "1"] {
            assert_eq!(type_keys(key).1, marked(Label::Anomaly), "{key}");
        }
        for key in ["n", "0"] {
            assert_eq!(type_keys(key).1, marked(Label::Normal), "{key}");
        }
        assert_eq!(type_keys("u").1, Some(Reply::Answer(Answer::Unsure)));
        assert_eq!(type_keys("s").1, Some(Reply::Answer(Answer::Skip)));
        assert_eq!(type_keys("z").1, Some(Reply::Undo));
        assert_eq!(type_keys("q").1, Some(Reply::Stop));
    }

    #[test]
    fn one_key_answers_about_the_point_alone_where_points_are_asked_about() {
        for (key, label) in [('a', Label::Anomaly), ('n', Label::Normal)] {
            let mut screen = Screen::new(150, 100..200, AnswerKind::Point);
            assert_eq!(screen.press(KeyCode::Char('r').into()), None);
            assert!(screen.note.is_some() && screen.painted().is_none());
            assert_eq!(screen.press(KeyCode::Char(key).into()), marked(label));
        }
    }

    #[test]
    fn a_labelling_session_has_more_keys() {
        let press = |screen: &mut Screen, key: char| screen.input(KeyCode::Char(key).into());
        let new = || Screen::new(150, 100..200, AnswerKind::Range).in_session();
        for (key, input) in [
            ('e', Input::ExpectedEvent(150, 150)),
            ('y', Input::Redo),
            ('Z', Input::Redo),
            ('b', Input::Back),
            ('f', Input::Forward),
            ('u', Input::Reply(Reply::Answer(Answer::Unsure))),
        ] {
            assert_eq!(press(&mut new(), key), Some(input), "{key}");
        }
        let mut screen = new();
        press(&mut screen, 'r');
        screen.input(KeyCode::Right.into());
        assert_eq!(press(&mut screen, 'e'), Some(Input::ExpectedEvent(150, 151)));
        for key in "cbad".chars() {
            assert_eq!(press(&mut screen, key), None, "letters are typed");
        }
        screen.input(KeyCode::Backspace.into());
        assert_eq!(screen.input(KeyCode::Enter.into()), Some(Input::Comment("ba".to_owned())));
        press(&mut screen, 'c');
        assert_eq!((screen.input(KeyCode::Esc.into()), screen.typed), (None, None));
        assert!(type_keys("e").0.note.is_some(), "elsewhere there is no such key");
    }

    #[test]
    fn control_c_stops_even_in_help() {
        let mut screen = type_keys("?").0;
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(screen.press(key), Some(Reply::Stop));
        assert_eq!(screen.press(KeyEvent::new(KeyCode::Char('a'), KeyModifiers::CONTROL)), None);
    }

    #[test]
    fn the_release_of_a_key_does_nothing() {
        let mut screen = Screen::new(5, 0..10, AnswerKind::Range);
        let release = KeyEvent::new_with_kind(KeyCode::Char('a'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(screen.press(release), None);
    }

    #[test]
    fn a_range_takes_the_label_of_the_answer() {
        assert_eq!(type_keys("r>>>a").1, anomaly(150, 153));
        assert_eq!(type_keys("r<<ra").1, anomaly(148, 150));
        assert_eq!(type_keys("r((<rr))>n").1, painted(129, 171, Label::Normal));
        assert_eq!(type_keys("r{rr}n").1, painted(100, 199, Label::Normal));
    }

    #[test]
    fn a_range_always_holds_the_judged_point_and_nothing_that_is_not_shown() {
        assert_eq!(type_keys("r<<<rr<a").1, anomaly(147, 150));
        assert_eq!(type_keys("r))))))))a").1, anomaly(150, 199));
        assert_eq!(type_keys("r((((((((a").1, anomaly(100, 150));
    }

    #[test]
    fn an_ended_range_stays_until_it_is_moved_or_dropped() {
        let (screen, _) = type_keys("r>>r>");
        assert_eq!((screen.painted(), screen.is_painting(), screen.note.is_some()), (Some((150, 152)), false, true));
        assert_eq!(type_keys("r>>r!a").1, marked(Label::Anomaly));
        assert!(type_keys(">").0.note.is_some(), "an arrow without a range says what to do");
        assert!(type_keys("x").0.note.is_some_and(|note| note.contains('?')));
        assert_eq!(type_keys("xr").0.note, None, "a note goes with the next key");
    }

    #[test]
    fn zoom_halves_around_the_point_and_ends_at_a_few_points() {
        let visible = |keys: &str| type_keys(keys).0.visible();
        assert_eq!(visible(""), 100..200);
        assert_eq!(visible("]"), 125..175);
        assert_eq!(visible("]]]]]]]]]"), 145..156);
        assert_eq!(visible("]]]]]]]]][[[[[[["), 100..200, "zoom is not stored beyond its end");
        assert_eq!(visible("[["), 100..200);
        assert_eq!(visible("]]]]r)))"), 145..181, "the chart grows with the range");
    }

    #[test]
    fn a_point_at_the_edge_can_be_zoomed() {
        let mut screen = Screen::new(9, 0..10, AnswerKind::Range);
        screen.press(KeyEvent::new(KeyCode::Char(']'), KeyModifiers::NONE));
        assert_eq!(screen.visible(), 4..10);
        assert_eq!(Screen::new(0, 0..1, AnswerKind::Point).visible(), 0..1);
    }

    #[test]
    fn any_key_closes_help_and_does_nothing_else() {
        assert!(type_keys("?").0.help);
        let (screen, outcome) = type_keys("?a");
        assert!(!screen.help && outcome.is_none());
    }

    #[test]
    fn the_points_of_an_alarm_are_painted_and_it_may_be_late() {
        let press = |screen: &mut Screen, key| screen.input(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
        let alarm = || Screen::new(150, 100..200, AnswerKind::Range).in_session().about_alarm(148, 160);
        assert_eq!(alarm().painted(), Some((148, 160)));
        assert_eq!(press(&mut alarm(), 'a').map(|input| matches!(input, Input::Reply(_))), Some(true));
        assert_eq!(press(&mut alarm(), '2'), Some(Input::Late(148, 160)));
        assert_eq!(press(&mut alarm(), 'e'), Some(Input::ExpectedEvent(148, 160)));
        let mut question = Screen::new(150, 100..200, AnswerKind::Range).in_session();
        assert_eq!((press(&mut question, '2'), question.note.is_some()), (None, true), "no alarm is late");
    }
}
