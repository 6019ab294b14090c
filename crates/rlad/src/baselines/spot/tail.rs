//! The tail of a distribution above a threshold: a generalised Pareto distribution, fitted by maximum likelihood to the
//! excesses over the threshold and kept fitted while excesses are added.
//!
//! Grimshaw's trick reduces the fit to one unknown, `x = γ/σ`. For a given `x` the likelihood is largest at the shape
//! `γ(x) = mean log(1 + x Y)`, so that what is left is the root of
//!
//! `s(x) = 1/x − γ'(x) (1 + 1/γ(x))`, where `γ'(x) = mean Y / (1 + x Y)`,
//!
//! the slope of that profile likelihood, per excess. It is Grimshaw's `u(x) v(x) − 1` divided by `x γ(x)`, which takes away
//! his false root at 0 and leaves a function that is smooth there, so that an exponential tail needs no case of its own.
//!
//! **In constant time.** With `Z = Y / (1 + c Y)` for a centre `c` near the root and `d = x − c`,
//! `log(1 + x Y) = log(1 + c Y) + log(1 + d Z)`, and the sums of the first powers of `Z` give both means at any `x` for
//! which `|d| Z` stays small. An excess is added to those sums, and the root found from them, without a walk over the
//! excesses; the walk is needed only when the root has left the neighbourhood of the centre.

/// The powers of `Z` that are summed.
const N_POWERS: usize = 8;

/// The largest `|d| Z`: the terms that are left out are below `REACH^N_POWERS`, 1e-12 of the first one.
const REACH: f64 = 1.0 / 32.0;

/// The halvings of an interval as wide as the reach: its width is then 1e-14 of the reach.
const N_HALVINGS: usize = 46;

/// The most points of the grid above 0: each is three times the one before it.
const N_ABOVE: usize = 60;

/// The least shape of an exact fit.
const LEAST_SHAPE: f64 = -0.5;

/// A generalised Pareto distribution of excesses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pareto {
    /// The shape γ: above 0 for a heavy tail, 0 for an exponential one, below 0 for one that ends at `-σ/γ`.
    pub(crate) shape: f64,
    /// The scale σ, in the unit of the excesses; 0 where there was no excess to fit.
    pub(crate) scale: f64,
}

impl Pareto {
    /// The excess that is exceeded with a probability: `σ/γ (p^(-γ) − 1)`, `-σ log p` for `γ = 0`.
    pub(crate) fn quantile(self, probability: f64) -> f64 {
        let log = probability.ln();
        if self.shape == 0.0 { -self.scale * log } else { self.scale * (-self.shape * log).exp_m1() / self.shape }
    }

    /// The natural logarithm of the probability of a larger excess: `-log(1 + γ y / σ) / γ`, `-y/σ` for `γ = 0`, and minus
    /// infinity from the end of the tail on, which is at once where there was no excess to fit.
    pub(crate) fn log_survival(self, excess: f64) -> f64 {
        let relative = excess / self.scale;
        if relative.is_nan() || relative * self.shape <= -1.0 {
            f64::NEG_INFINITY
        } else if self.shape == 0.0 {
            -relative
        } else {
            -(self.shape * relative).ln_1p() / self.shape
        }
    }
}

/// How the fits are compared, and which ones are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TailFit {
    /// The largest likelihood among all shapes of at least −1/2: below, maximum likelihood has none of its usual
    /// properties (Smith, *Maximum likelihood estimation in a class of nonregular cases*, 1985), and below −1 the likelihood
    /// has no maximum. Does not depend on the unit of the values.
    #[default]
    Exact,
    /// As in the program that the authors of SPOT released: the exponential tail competes with `+n (1 + log mean)`, which is
    /// its log-likelihood with the wrong sign, so that it wins nearly always where the mean excess is above `1/e` and hardly
    /// ever below. The result depends on the unit of the values. For comparison with published numbers.
    Released,
}

/// The shape and the slope of the profile likelihood at one `x`.
#[derive(Clone, Copy, Debug)]
struct Profile {
    /// γ(x), before it is held to the least shape.
    shape: f64,
    /// σ for that shape: `γ(x) / x`.
    scale: f64,
    /// `s(x)`.
    slope: f64,
}

/// The excesses over a threshold, with their fit.
#[derive(Clone, Debug)]
pub(crate) struct Excesses {
    fit: TailFit,
    /// The unit of the excesses below: the mean of the first ones.
    unit: f64,
    excesses: Vec<f64>,
    sum: f64,
    largest: f64,
    /// `c`.
    centre: f64,
    /// The sum of `log(1 + c Y)`.
    log_sum: f64,
    /// The sums of `Z^1, Z^2, …`.
    powers: [f64; N_POWERS],
    /// The root that is followed; none where there is none, which only [`TailFit::Released`] can lead to.
    root: Option<f64>,
    /// The number of excesses from which on all roots are compared again.
    n_next_search: usize,
}

impl Excesses {
    /// The excesses of the calibration, each above 0 and finite.
    pub(crate) fn new(excesses: Vec<f64>, fit: TailFit) -> Self {
        let mut new = Self {
            fit,
            unit: 1.0,
            excesses,
            sum: 0.0,
            largest: 0.0,
            centre: 0.0,
            log_sum: 0.0,
            powers: [0.0; N_POWERS],
            root: None,
            n_next_search: 1,
        };
        if !new.excesses.is_empty() {
            new.set_unit();
            new.refit();
        }
        new
    }

    /// The number of excesses, `N_t`.
    pub(crate) fn len(&self) -> usize {
        self.excesses.len()
    }

    /// Adds one excess, above 0 and finite.
    pub(crate) fn push(&mut self, excess: f64) {
        if self.excesses.is_empty() {
            self.excesses.push(excess);
            self.set_unit();
        } else {
            let y = excess / self.unit;
            self.excesses.push(y);
            self.sum += y;
            self.largest = self.largest.max(y);
            if 1.0 + self.centre * y <= f64::EPSILON {
                // The tail at the centre ends below this excess.
                self.n_next_search = 0;
            } else {
                self.add_to_sums(y);
            }
        }
        self.refit();
    }

    /// The fitted tail, `Pareto { shape: 0, scale: 0 }` without excesses.
    pub(crate) fn pareto(&self) -> Pareto {
        if self.excesses.is_empty() {
            return Pareto { shape: 0.0, scale: 0.0 };
        }
        let n = self.excesses.len() as f64;
        let exponential = Pareto { shape: 0.0, scale: self.unit * self.sum / n };
        let Some(root) = self.root else { return exponential };
        let (pareto, likelihood) = self.at(self.profile(root), root);
        match self.fit {
            TailFit::Exact => pareto,
            TailFit::Released if likelihood - self.unit.ln() > 1.0 + exponential.scale.ln() => pareto,
            TailFit::Released => exponential,
        }
    }

    /// Takes the mean as the unit, and 0 as the centre.
    fn set_unit(&mut self) {
        let n = self.excesses.len() as f64;
        self.unit = self.excesses.iter().map(|excess| excess / n).sum();
        for excess in &mut self.excesses {
            *excess /= self.unit;
        }
        self.sum = self.excesses.iter().sum();
        self.largest = self.excesses.iter().copied().fold(0.0, f64::max);
        self.centre_at(0.0);
    }

    /// Finds the root again: the one that was followed, or the best of all where the excesses are a quarter more than at the
    /// last comparison, or the followed one is lost.
    fn refit(&mut self) {
        if self.excesses.len() >= self.n_next_search || !self.follow() {
            self.search();
            self.n_next_search = self.excesses.len() + self.excesses.len() / 4 + 1;
        }
    }

    /// Follows the root uphill from the centre; false where it is not found within a few steps.
    fn follow(&mut self) -> bool {
        if self.root.is_none() {
            return true;
        }
        for _ in 0..8 {
            let (low, high) = self.reach();
            let (at_low, at_high) = (self.profile(low).slope, self.profile(high).slope);
            if at_low >= 0.0 && at_high <= 0.0 {
                self.root = Some(self.bisect(low, high));
                return true;
            }
            self.centre_at(if at_high > 0.0 { high } else { low });
        }
        false
    }

    /// Compares all roots: the slope changes its sign between two neighbours of a grid that is dense near 0, near the end
    /// `-1/max Y`, and logarithmic above.
    fn search(&mut self) {
        let mut grid: Vec<f64> = Vec::with_capacity(64);
        grid.extend((1..=20).rev().map(|k| -(1.0 - 0.25_f64.powi(k)) / self.largest));
        grid.extend([0.5, 0.25, 0.1, 0.03].map(|x| -x / self.largest));
        let mut x = 0.03 / self.largest;
        let mean = self.sum / self.excesses.len() as f64;
        for _ in 0..N_ABOVE {
            grid.push(x);
            if x * mean > 1e9 {
                break;
            }
            x *= 3.0;
        }
        let mut best: Option<(f64, f64)> = None;
        let mut consider = |this: &Self, x: f64| {
            let likelihood = this.at(this.profile(x), x).1;
            if best.is_none_or(|(_, most)| likelihood > most) {
                best = Some((x, likelihood));
            }
        };
        let mut before = (grid[0], self.profile_of_all(grid[0]).slope);
        for &x in &grid[1..] {
            let slope = self.profile_of_all(x).slope;
            if (before.1 > 0.0) != (slope > 0.0) {
                let root = self.narrow(before, x);
                consider(self, root);
            }
            before = (x, slope);
        }
        if before.1 > 0.0 {
            // Excesses over so many orders of magnitude that the likelihood still rises at the end of the grid.
            self.centre_at(before.0);
            consider(self, before.0);
        }
        self.root = best.map(|(x, _)| x);
        self.centre_at(self.root.unwrap_or(0.0));
    }

    /// The root between two points where the slope has different signs; the centre is then near it.
    fn narrow(&mut self, (mut low, slope_at_low): (f64, f64), mut high: f64) -> f64 {
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            self.centre_at(middle);
            let (least, most) = self.reach();
            if least <= low && high <= most {
                break;
            }
            if (self.profile_of_all(middle).slope > 0.0) == (slope_at_low > 0.0) {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.bisect(low, high)
    }

    /// The root between two points within reach of the centre.
    fn bisect(&self, mut low: f64, mut high: f64) -> f64 {
        let rises = self.profile(low).slope > 0.0;
        for _ in 0..N_HALVINGS {
            let middle = f64::midpoint(low, high);
            if (self.profile(middle).slope > 0.0) == rises {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    }

    /// Moves the centre and sums anew, over all excesses. A centre near 0 is put at 0, where sums keep their digits.
    fn centre_at(&mut self, centre: f64) {
        self.centre = if centre.abs() * self.largest <= REACH { 0.0 } else { centre };
        self.log_sum = 0.0;
        self.powers = [0.0; N_POWERS];
        for point in 0..self.excesses.len() {
            self.add_to_sums(self.excesses[point]);
        }
    }

    fn add_to_sums(&mut self, y: f64) {
        self.log_sum += (self.centre * y).ln_1p();
        let z = y / (1.0 + self.centre * y);
        let mut power = z;
        for sum in &mut self.powers {
            *sum += power;
            power *= z;
        }
    }

    /// The neighbourhood of the centre in which the sums give the profile. Beside a centre that is not 0 it is half as wide,
    /// so that it ends before 0.
    fn reach(&self) -> (f64, f64) {
        let least_divisor = (1.0 + self.centre * self.largest).max(f64::EPSILON);
        let fraction = if self.centre == 0.0 { REACH } else { REACH / 2.0 };
        let reach = fraction * least_divisor / self.largest;
        (self.centre - reach, self.centre + reach)
    }

    /// The profile at an `x` within reach, from the sums.
    fn profile(&self, x: f64) -> Profile {
        let n = self.excesses.len() as f64;
        let d = x - self.centre;
        // Horner's scheme, from the highest power down: Σ (-d)^(k-1) P_k / k, Σ (-d)^(k-1) P_k, Σ (-d)^(k-2) P_k (1 - 1/k).
        let (mut logarithm, mut derivative, mut curvature) = (0.0, 0.0, 0.0);
        for (index, power) in self.powers.iter().enumerate().rev() {
            let k = (index + 1) as f64;
            logarithm = power / k - d * logarithm;
            derivative = power - d * derivative;
            if index > 0 {
                curvature = power * (1.0 - 1.0 / k) - d * curvature;
            }
        }
        if self.centre == 0.0 {
            // 1/x − γ'/γ is the quotient of two series in x.
            let scale = logarithm / n;
            Profile { shape: x * scale, scale, slope: curvature / logarithm - derivative / n }
        } else {
            self.profile_from((self.log_sum + d * logarithm) / n, derivative / n, x)
        }
    }

    /// The profile at any `x` but 0, from all excesses.
    fn profile_of_all(&self, x: f64) -> Profile {
        let n = self.excesses.len() as f64;
        let (mut logarithm, mut derivative) = (0.0, 0.0);
        for y in &self.excesses {
            logarithm += (x * y).ln_1p();
            derivative += y / (1.0 + x * y);
        }
        self.profile_from(logarithm / n, derivative / n, x)
    }

    fn profile_from(&self, shape: f64, derivative: f64, x: f64) -> Profile {
        Profile { shape, scale: shape / x, slope: 1.0 / x - derivative * (1.0 + 1.0 / self.allowed(shape)) }
    }

    /// The shape, or the least one that is allowed.
    fn allowed(&self, shape: f64) -> f64 {
        match self.fit {
            TailFit::Exact => shape.max(LEAST_SHAPE),
            TailFit::Released => shape,
        }
    }

    /// The distribution at an `x` in the unit of the data, and its log-likelihood per excess in our unit.
    fn at(&self, profile: Profile, x: f64) -> (Pareto, f64) {
        let shape = self.allowed(profile.shape);
        if shape > profile.shape {
            let scale = shape / x;
            let likelihood = -scale.ln() - (1.0 + 1.0 / shape) * profile.shape;
            return (Pareto { shape, scale: self.unit * scale }, likelihood);
        }
        (Pareto { shape, scale: self.unit * profile.scale }, -profile.scale.ln() - 1.0 - profile.shape)
    }
}
