"""PyTorch engine with torch.compile. It cannot compile torch.autograd.grad with create_graph, so spatial derivatives are those of torch.func."""

import torch

import helmholtz
import torch_eager


def version():
    return torch_eager.version()


def values_and_gradients(function, coords):
    """Values (points, components) and gradients (points, components · dims) of a function of the points, which do not interact."""
    values, pull_back = torch.func.vjp(function, coords)
    units = torch.eye(values.shape[1], dtype=values.dtype, device=values.device)
    gradients = [pull_back(unit.expand_as(values))[0] for unit in units]
    return values, torch.cat(gradients, 1)


def prediction(field, coords, kind):
    """The quantity that a case compares with its targets, (points, components)."""
    if kind == "value":
        return field(coords)
    if kind == "gradient":
        return values_and_gradients(field, coords)[1]
    dims = coords.shape[1]
    hessian = values_and_gradients(lambda x: values_and_gradients(field, x)[1], coords)[1]
    if kind == "laplacian":
        return hessian[:, :: dims + 1].sum(1, keepdim=True)
    upper = [i * dims + j for i in range(dims) for j in range(i, dims)]
    return hessian[:, upper]


def shape_loss(field, coords, normals):
    """As in torch_eager."""
    values, gradients = values_and_gradients(field, coords)
    return torch_eager.shape_terms(values[:, 0], gradients, normals)


def helmholtz_loss(field, coords, problem):
    """As in torch_eager."""

    def fluxes(x):
        slopes = values_and_gradients(field, x)[1]
        found = helmholtz.fluxes(x, (slopes[:, 0], slopes[:, 2]), (slopes[:, 1], slopes[:, 3]))
        return torch.stack(found, 1)

    # The compiler computes values once.
    values = field(coords)
    slopes = values_and_gradients(fluxes, coords)[1]
    divergence = [slopes[:, 2 * part] + slopes[:, 2 * part + 5] for part in (0, 1)]
    medium, source, weights = problem
    return helmholtz.loss(coords, medium, (values[:, 0], values[:, 1]), divergence, source, weights)


def prepare(case, threads, device, arithmetic):
    """Returns a function that takes one step."""
    if case["kind"] == "hyper":
        raise SystemExit("not supported: hypernetworks are timed in eager PyTorch only")
    losses = torch_eager.Losses(prediction, shape_loss, helmholtz_loss)
    return torch_eager.prepare(case, threads, device, arithmetic, losses, wrap=torch.compile)
