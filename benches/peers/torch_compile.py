"""PyTorch engine with torch.compile. It cannot compile torch.autograd.grad with create_graph, so spatial derivatives are those of torch.func."""

import torch

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


def prepare(case, threads, device):
    """Returns a function that takes one step."""
    if case["kind"] == "hyper":
        raise SystemExit("not supported: hypernetworks are timed in eager PyTorch only")
    losses = torch_eager.Losses(prediction, shape_loss)
    return torch_eager.prepare(case, threads, device, losses, wrap=torch.compile)
