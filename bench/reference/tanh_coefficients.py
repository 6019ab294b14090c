"""Fits the rational approximation of tanh in `crates/rlad/src/activation.rs` and prints its coefficients.

tanh(x) = x P(x²) / Q(x²) on |x| <= BOUND with P(0) = Q(0) = 1, by weighted least squares on the linearised error, where
the weights are raised at the largest relative errors (Lawson's algorithm), so that the largest error comes down.

Run: python bench/reference/tanh_coefficients.py    (numpy 2.x)
"""

import numpy as np

BOUND = 9.0
P_DEGREE, Q_DEGREE = 4, 4
N_POINTS = 4000

x = BOUND * (1 - np.cos(np.linspace(0, np.pi / 2, N_POINTS + 1)[1:]))
y = np.tanh(x)
u = (x / BOUND) ** 2

# Rows: (x P - y Q) / y = 0 with P = 1 + sum p_k u^k, Q = 1 + sum q_k u^k.
columns = [x * u**k / y for k in range(1, P_DEGREE + 1)] + [-(u**k) for k in range(1, Q_DEGREE + 1)]
matrix = np.stack(columns, axis=1)
right = 1 - x / y
denominator = np.ones_like(x)
lawson = np.ones_like(x)
best = (np.inf, None)
for _ in range(400):
    weight = np.sqrt(lawson) / denominator
    solution = np.linalg.lstsq(matrix * weight[:, None], right * weight, rcond=None)[0]
    p = np.concatenate([[1.0], solution[:P_DEGREE]])
    q = np.concatenate([[1.0], solution[P_DEGREE:]])
    denominator = np.polynomial.polynomial.polyval(u, q)
    error = np.abs(x * np.polynomial.polynomial.polyval(u, p) / denominator / y - 1)
    if error.max() < best[0] and denominator.min() > 0:
        best = (error.max(), (p, q))
    lawson = lawson * (error / error.max() + 1e-3)
    lawson /= lawson.sum()

worst, (p, q) = best
print(f"largest relative error {worst:.3g} in exact arithmetic, numpy {np.__version__}")
print("P:", ", ".join(f"{np.float32(c / BOUND ** (2 * k))!r}" for k, c in enumerate(p)))
print("Q:", ", ".join(f"{np.float32(c / BOUND ** (2 * k))!r}" for k, c in enumerate(q)))

p32 = [np.float32(c / BOUND ** (2 * k)) for k, c in enumerate(p)]
q32 = [np.float32(c / BOUND ** (2 * k)) for k, c in enumerate(q)]
points = np.linspace(-BOUND, BOUND, 2_000_001).astype(np.float32)
square = points * points
top, bottom = np.float32(0), np.float32(0)
for c in reversed(p32):
    top = top * square + c
for c in reversed(q32):
    bottom = bottom * square + c
got = (points * top / bottom).astype(np.float32)
exact = np.tanh(points.astype(np.float64))
print(f"largest absolute error in f32 {np.abs(got - exact).max():.3g}, largest value {got.max()!r}")
