"""What the numba code of several modules shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

CONTRACT = {"contract"}  # fused multiply-add; no other liberty with the order of operations
# Division as numpy's: a check for zero, with an exception, would keep loops that divide from being vectorised.
VECTORISED: dict[str, Any] = {"fastmath": CONTRACT, "error_model": "numpy"}


# tanh as a ratio of polynomials (Eigen's coefficients): within 3e-7 of tanh, and unlike libm's it vectorises
_ODD = np.array([4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
                 -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16], np.float32)  # fmt: skip
_EVEN = np.array([4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06], np.float32)
_FLAT = np.float32(7.99881172180175781)  # from here on it is 1, exactly


@njit(inline="always", **VECTORISED)
def tanh(x):  # type: ignore[no-untyped-def]
    """The hyperbolic tangent of a float32."""
    x = min(max(x, -_FLAT), _FLAT)
    s, a, b = x * x, _ODD, _EVEN
    odd = x * (a[0] + s * (a[1] + s * (a[2] + s * (a[3] + s * (a[4] + s * (a[5] + s * a[6]))))))
    return odd / (b[0] + s * (b[1] + s * (b[2] + s * b[3])))


@njit(inline="always", fastmath=CONTRACT)
def propagate(pre, w, post):  # type: ignore[no-untyped-def]
    """``post = pre @ w``, four inputs at a time, so that the sums are read and written a quarter as often."""
    post[:] = 0
    fours = len(pre) - len(pre) % 4
    for i in range(0, fours, 4):
        x0, x1, x2, x3 = pre[i], pre[i + 1], pre[i + 2], pre[i + 3]
        w0, w1, w2, w3 = w[i], w[i + 1], w[i + 2], w[i + 3]
        for j in range(len(post)):
            post[j] = post[j] + x0 * w0[j] + x1 * w1[j] + x2 * w2[j] + x3 * w3[j]
    for i in range(fours, len(pre)):
        x = pre[i]
        for j in range(len(post)):
            post[j] += x * w[i, j]
