"""Network shape, initialization and data that the Python engines share; the same as in benches/src."""

import numpy as np

HIDDEN_LAYERS = 3
OMEGA = 30.0
LEARNING_RATE = 1e-4


def layers(case):
    """Returns weights (fan_out, fan_in) and biases (fan_out,) in float32, initialized as in the paper."""
    random = np.random.default_rng(0)
    sizes = [case["in_features"]] + [case["width"]] * (HIDDEN_LAYERS + 1) + [case["out_features"]]
    drawn = []
    for index, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
        bound = 1 / fan_in if index == 0 else np.sqrt(6 / fan_in) / OMEGA
        weight = random.uniform(-bound, bound, (fan_out, fan_in))
        bias = random.uniform(-1 / np.sqrt(fan_in), 1 / np.sqrt(fan_in), fan_out)
        drawn.append((weight.astype(np.float32), bias.astype(np.float32)))
    return drawn


def data(case):
    """Returns coordinates (points, dims) on a grid and targets (points, components); both have a leading axis of fields for `batched`."""
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
