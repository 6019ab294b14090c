//! Daily and weekly profiles: usual values at a time of the day and at an hour of the week.

use serde::{Deserialize, Serialize};

use super::running::Spread;
use crate::archive::{Archive, Misfit};
use crate::data::series::{Clock, NANOS_PER_DAY};

/// The most slots of a daily profile: a clock with more shares them.
pub(super) const MAX_SLOTS: usize = 96;
const HOURS_PER_WEEK: usize = 168;
const NANOS_PER_HOUR: i64 = NANOS_PER_DAY / 24;
/// About how many days a profile remembers.
const DAYS: u8 = 7;
/// About how many weeks the correction for the hour of the week remembers.
const WEEKS: u8 = 4;
/// An update moves a profile by no more than if it were this many times its spread away.
const CLIP: f64 = 4.0;

/// The daily profile of a channel (level, spread and step of each slot), and how far each hour of the week is off it.
///
/// A slot is updated when the clock leaves it, so a point is compared with earlier days only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Season {
    slots_per_day: u64,
    /// Slots of the clock in a slot of the profile.
    width: u64,
    slots: Box<[Slot]>,
    days: Box<[u8]>,
    visit: Visit,
    week: Box<[f32]>,
    weeks: Box<[u8]>,
    hour: Visit,
    /// The typical distance from the profile, at any time of the day.
    spread: Spread,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Slot {
    level: f32,
    root_spread: f32,
    root_step: f32,
}

/// The points of one slot on one day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Visit {
    /// The slot, counted from 1970.
    id: i64,
    n: f64,
    residuals: f64,
    root_residuals: f64,
    root_steps: f64,
}

/// A point against its season.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SlotComparison {
    /// Value less the level of its time of the day.
    pub(super) residual: f64,
    /// The residual less what it usually is at this hour of the week.
    pub(super) weekly: f64,
    /// The typical residual at this time of the day.
    pub(super) spread: f64,
    /// The typical residual at any time of the day.
    pub(super) any_spread: f64,
    /// The typical step at this time of the day.
    pub(super) step: f64,
    /// The days that the profile of this time of the day has seen, at least 1, at most 255.
    pub(super) days: f64,
}

impl Visit {
    fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        archive.i64(&mut self.id)?;
        for number in [&mut self.n, &mut self.residuals, &mut self.root_residuals, &mut self.root_steps] {
            archive.f64(number)?;
        }
        Ok(())
    }
}

impl Season {
    /// None where the clock has no days, or a day has fewer than two slots.
    pub(super) fn new(clock: Clock) -> Option<Self> {
        let slots_per_day = clock.slots_per_day()?;
        let width = slots_per_day.div_ceil(MAX_SLOTS);
        let n_slots = slots_per_day.div_ceil(width);
        Some(Self {
            slots_per_day: slots_per_day as u64,
            width: width as u64,
            slots: vec![Slot::default(); n_slots].into(),
            days: vec![0; n_slots].into(),
            visit: Visit { id: i64::MIN, ..Visit::default() },
            week: vec![0.0; HOURS_PER_WEEK].into(),
            weeks: vec![0; HOURS_PER_WEEK].into(),
            hour: Visit { id: i64::MIN, ..Visit::default() },
            spread: Spread::default(),
        })
    }

    /// Judges a point by earlier days, and learns from it. None where no earlier day has its slot.
    pub(super) fn push(&mut self, timestamp: i64, value: f64, step: f64, memory: u32) -> Option<SlotComparison> {
        let n_slots = self.slots.len();
        let mut day = timestamp.div_euclid(NANOS_PER_DAY);
        let mut slot_of_day = (Clock::day_fraction(timestamp) * self.slots_per_day as f64).round() as u64;
        if slot_of_day >= self.slots_per_day {
            slot_of_day = 0;
            day += 1;
        }
        let index = (slot_of_day / self.width) as usize;
        let id = day * n_slots as i64 + index as i64;
        if id != self.visit.id {
            self.leave_slot();
            self.visit.id = id;
        }
        let hour = timestamp.div_euclid(NANOS_PER_HOUR);
        if hour != self.hour.id {
            self.leave_hour();
            self.hour.id = hour;
        }

        // The level between the centres of two slots is on the line between theirs.
        let within = (slot_of_day % self.width) as f64 - (self.width - 1) as f64 / 2.0;
        let aside = within / self.width as f64;
        let neighbour = (index + if aside < 0.0 { n_slots - 1 } else { 1 }) % n_slots;
        let slot = self.slots[index];
        let mut level = f64::from(slot.level);
        if self.days[index] > 0 && self.days[neighbour] > 0 {
            level += aside.abs() * (f64::from(self.slots[neighbour].level) - level);
        }
        let residual = value - level;
        self.visit.n += 1.0;
        self.visit.residuals += residual;
        self.visit.root_steps += step.abs().sqrt();
        if self.days[index] == 0 {
            return None;
        }
        self.visit.root_residuals += residual.abs().sqrt();
        self.spread.push(residual, memory);
        self.hour.n += 1.0;
        self.hour.residuals += residual;

        let any_spread = self.spread.get();
        let of_week = hour.rem_euclid(HOURS_PER_WEEK as i64) as usize;
        let weeks = f64::from(self.weeks[of_week]);
        Some(SlotComparison {
            residual,
            weekly: residual - f64::from(self.week[of_week]) * weeks / (weeks + 1.0),
            spread: self.root_spread(index).powi(2),
            any_spread,
            step: f64::from(slot.root_step).powi(2),
            days: f64::from(self.days[index]),
        })
    }

    /// The square root of the typical residual in a slot that an earlier day has.
    ///
    /// A slot that few days have borrows from all others, and a seventh always, so that none is 0 for good.
    fn root_spread(&self, index: usize) -> f64 {
        let days = f64::from(self.days[index].min(DAYS));
        let own = f64::from(self.slots[index].root_spread);
        ((days - 1.0) * own + self.spread.get().sqrt()) / days
    }

    fn leave_slot(&mut self) {
        let visit = std::mem::take(&mut self.visit);
        if visit.n == 0.0 {
            return;
        }
        let index = visit.id.rem_euclid(self.slots.len() as i64) as usize;
        let days = self.days[index];
        let mut residual = visit.residuals / visit.n;
        let mut root = visit.root_residuals / visit.n;
        if days >= 2 {
            let limit = CLIP * self.root_spread(index).powi(2);
            residual = residual.clamp(-limit, limit);
            root = root.min(limit.sqrt());
        }
        let slot = &mut self.slots[index];
        let fade = |days: u8| f64::from(days.saturating_add(1).min(DAYS));
        let follow = |old: f32, new: f64, days: u8| (f64::from(old) + (new - f64::from(old)) / fade(days)) as f32;
        slot.level = (f64::from(slot.level) + residual / fade(days)) as f32;
        slot.root_step = follow(slot.root_step, visit.root_steps / visit.n, days);
        if days >= 1 {
            slot.root_spread = follow(slot.root_spread, root, days - 1);
        }
        self.days[index] = days.saturating_add(1);
    }

    fn leave_hour(&mut self) {
        let visit = std::mem::take(&mut self.hour);
        if visit.n == 0.0 {
            return;
        }
        let index = visit.id.rem_euclid(HOURS_PER_WEEK as i64) as usize;
        let old = f64::from(self.week[index]);
        let limit = if self.weeks[index] >= 2 { CLIP * self.spread.get() } else { f64::INFINITY };
        let change = (visit.residuals / visit.n - old).clamp(-limit, limit);
        self.week[index] = (old + change / f64::from(self.weeks[index].saturating_add(1).min(WEEKS))) as f32;
        self.weeks[index] = self.weeks[index].saturating_add(1);
    }

    /// Moves the origin that values are measured from.
    pub(super) fn shift(&mut self, by: f64) {
        for (slot, _) in self.slots.iter_mut().zip(&self.days).filter(|(_, days)| **days > 0) {
            slot.level = (f64::from(slot.level) - by) as f32;
        }
        // The points of a slot that no earlier day has are measured from the origin.
        let index = self.visit.id.rem_euclid(self.slots.len() as i64) as usize;
        if self.days[index] == 0 {
            self.visit.residuals -= by * self.visit.n;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots) + size_of_val(&*self.days) + size_of_val(&*self.week) + size_of_val(&*self.weeks)
    }

    /// Slots and hours that were never left hold nothing.
    pub(super) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        archive.runs(&mut self.days)?;
        for (slot, days) in self.slots.iter_mut().zip(&self.days).filter(|(_, days)| **days > 0) {
            archive.f32(&mut slot.level)?;
            archive.f32(&mut slot.root_step)?;
            if *days > 1 {
                archive.f32(&mut slot.root_spread)?;
            }
        }
        archive.runs(&mut self.weeks)?;
        for (hour, _) in self.week.iter_mut().zip(&self.weeks).filter(|(_, weeks)| **weeks > 0) {
            archive.f32(hour)?;
        }
        self.visit.archive(archive)?;
        self.hour.archive(archive)?;
        self.spread.archive(archive)
    }
}
