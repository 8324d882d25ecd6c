"""The Helmholtz equation with an absorbing layer, for tensors of PyTorch and JAX alike; the same as in crates/siren-wave/src/pml.rs.

In divergence form, d/dx (e_y/e_x u_x) + d/dy (e_x/e_y u_y) + e_x e_y m k^2 u = f with e = 1 - i s(x). Pairs are real and imaginary parts.
"""

import cases

WAVENUMBER = 20.0


def absorption(x):
    """s(x) = a0 (d / L)^2 at the depth d in the layer."""
    depth = (abs(x) - (1 - cases.PML_WIDTH)).clip(min=0)
    return cases.PML_STRENGTH * (depth / cases.PML_WIDTH) ** 2


def product(a, b):
    """The product of two complex numbers."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def fluxes(coords, slopes_x, slopes_y):
    """e_y/e_x u_x and e_x/e_y u_y, as four tensors, from the pairs u_x and u_y at coords (..., 2)."""
    s, t = absorption(coords[..., 0]), absorption(coords[..., 1])
    # (1 - i t) / (1 - i s) = (1 + s t + i (s - t)) / (1 + s^2)
    norm_x, norm_y = 1 + s * s, 1 + t * t
    ratio_x = ((1 + s * t) / norm_x, (s - t) / norm_x)
    ratio_y = ((1 + s * t) / norm_y, (t - s) / norm_y)
    return [*product(ratio_x, slopes_x), *product(ratio_y, slopes_y)]


def loss(coords, medium, value, divergence, source, weights):
    """Weighted sum of the absolute values of both parts of the residual. `value` and `divergence` are pairs (points,)."""
    s, t = absorption(coords[..., 0]), absorption(coords[..., 1])
    waves = product((1 - s * t, -(s + t)), value)
    residuals = [
        divergence[part] + WAVENUMBER**2 * medium * waves[part] - source[..., part] for part in (0, 1)
    ]
    return (weights * (abs(residuals[0]) + abs(residuals[1]))).sum()
