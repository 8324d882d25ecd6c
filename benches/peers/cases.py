"""Network shape, initialization and data that the Python engines share; the same as in benches/src/inputs.rs."""

import numpy as np

HIDDEN_LAYERS = 3
OMEGA = 30.0
LEARNING_RATE = 1e-4
# Radius of the sphere that shape cases fit.
RADIUS = 0.5
# Index of the first random number of the points in the volume, beyond those of the parameters.
VOLUME = 1 << 32
# Kinds of cases whose steps return a loss on which all engines agree.
COMPARED = ("value", "gradient", "laplacian", "hessian", "shape", "helmholtz")
# Weights of the loss of signed distance functions in the authors' code, and the decay of its penalty off the surface.
SURFACE, OFF_SURFACE, NORMAL, EIKONAL = 3e3, 1e2, 1e2, 5e1
SHARPNESS = 100.0
# Absorbing layer of the Helmholtz equation in the authors' code.
PML_WIDTH, PML_STRENGTH = 0.5, 5.0
# Variance of its source, real and imaginary part of its integral, and the value below which it is zero.
SOURCE_VARIANCE, SOURCE_STRENGTH, SOURCE_CUTOFF = 1e-4, (1.0, 1.0), 1e-5
# One of so many points of the interior is moved towards the source, ten times as close.
NEAR_SOURCE = 64
# Divisor of the weight of points in the source, which is that of the other points times their number.
SOURCE_DIVISOR = 1e3


def uniform(start, count):
    """Returns the random numbers of these indices, uniform in [-1, 1): SplitMix64 with the seed 0."""
    bits = (np.arange(start, start + count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(11)) / 2.0**52 - 1.0


def layers(case):
    """Returns weights (fan_out, fan_in) and biases (fan_out,) in float32, with the bounds of the paper."""
    sizes = [case["in_features"]] + [case["width"]] * (HIDDEN_LAYERS + 1) + [case["out_features"]]
    drawn, start = [], 0
    for index, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
        bound = 1 / fan_in if index == 0 else np.sqrt(6 / fan_in) / OMEGA
        weight = bound * uniform(start, fan_out * fan_in).reshape(fan_out, fan_in)
        start += fan_out * fan_in
        bias = uniform(start, fan_out) / np.sqrt(fan_in)
        start += fan_out
        drawn.append((weight.astype(np.float32), bias.astype(np.float32)))
    return drawn


def data(case):
    """Returns coordinates (points, dims) on a grid, the last axis fastest, and targets (points, components); both have a leading axis of fields for `batched`."""
    dims, points, fields = case["in_features"], case["points"], case["fields"]
    side = round(points ** (1 / dims))
    axis = np.linspace(-case["extent"], case["extent"], side)
    grid = np.stack(np.meshgrid(*[axis] * dims, indexing="ij"), -1).reshape(-1, dims)
    per_point = {
        "gradient": case["out_features"] * dims,
        "hessian": case["out_features"] * dims * (dims + 1) // 2,
    }.get(case["kind"], case["out_features"])
    targets = np.sin(0.001 * np.arange(points * fields * per_point)).reshape(fields, points, per_point)
    coords = np.broadcast_to(grid, (fields, points, dims))
    if case["kind"] != "batched":
        coords, targets = coords[0], targets[0]
    return np.ascontiguousarray(coords, np.float32), targets.astype(np.float32)


def shape(case):
    """Returns coordinates (points, 3) and normals (points / 2, 3): a spiral on the sphere, then random points in the volume."""
    count = case["points"] // 2
    point = np.arange(count)
    z = 1 - (2 * point + 1) / count
    radius, angle = np.sqrt(1 - z * z), np.pi * (3 - np.sqrt(5)) * point
    normals = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], 1)
    volume = uniform(VOLUME, 3 * count).reshape(count, 3)
    return np.concatenate([RADIUS * normals, volume]).astype(np.float32), normals.astype(np.float32)


def helmholtz(case):
    """Returns coordinates (points, 2), a source (points, 2), and weights (points,) of the residuals: a quarter of the points, the share of the
    area, is in the interior, the others are in the absorbing layer."""
    points = case["points"]
    interior, inner = points // 4, 1 - PML_WIDTH
    pairs = uniform(VOLUME, 2 * points).reshape(points, 2)
    closer = np.where(np.arange(interior) % NEAR_SOURCE == 0, 0.1, 1.0)
    u, v = pairs[interior:].T
    along, depth = (1 + inner) * (u + 1) / 2 - 1, inner + PML_WIDTH * (v + 1) / 2
    sides = np.stack([[along, depth], [depth, -along], [-along, -depth], [-depth, along]])
    index = np.arange(interior, points)
    layer = sides[index % 4, :, index - interior]
    coords = np.concatenate([inner * closer[:, None] * pairs[:interior], layer])
    gaussian = np.exp(-0.5 * (coords**2).sum(1) / SOURCE_VARIANCE) / (2 * np.pi * SOURCE_VARIANCE)
    gaussian = np.where(gaussian < SOURCE_CUTOFF, 0, gaussian)
    weights = np.where(gaussian > 0, points / SOURCE_DIVISOR, 1) / points
    source = gaussian[:, None] * np.array(SOURCE_STRENGTH)
    return coords.astype(np.float32), source.astype(np.float32), weights.astype(np.float32)
