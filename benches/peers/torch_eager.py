"""PyTorch engine as in the authors' code: torch.nn layers, and spatial derivatives by autograd with create_graph."""

import collections

import torch

import cases
import helmholtz
import torch_hyper


def version():
    return torch.__version__


class Field(torch.nn.Module):
    """A SIREN."""

    def __init__(self, case):
        super().__init__()
        self.linears = torch.nn.ModuleList()
        for weight, bias in cases.layers(case):
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weight))
                linear.bias.copy_(torch.from_numpy(bias))
            self.linears.append(linear)

    def forward(self, h):
        for linear in self.linears[:-1]:
            h = torch.sin(cases.OMEGA * linear(h))
        return self.linears[-1](h)


def gradient(outputs, coords):
    """Gradient (points, dims) of `outputs` (points,), differentiable. Points do not interact: the gradient of the sum is that of each."""
    return torch.autograd.grad(outputs.sum(), coords, create_graph=True)[0]


def prediction(field, coords, kind):
    """The quantity that a case compares with its targets, (points, components)."""
    if kind == "value":
        return field(coords)
    coords = coords.detach().requires_grad_(True)
    values = field(coords)
    firsts = torch.cat([gradient(values[:, c], coords) for c in range(values.shape[1])], 1)
    if kind == "gradient":
        return firsts
    dims = coords.shape[1]
    seconds = [gradient(firsts[:, i], coords) for i in range(dims)]
    if kind == "laplacian":
        return sum(second[:, i : i + 1] for i, second in enumerate(seconds))
    return torch.cat([seconds[i][:, j : j + 1] for i in range(dims) for j in range(i, dims)], 1)


def shape_terms(values, gradients, normals):
    """Loss of signed distance functions of the authors' code, from values (points,) and gradients (points, 3).

    The first half of the points is on the surface.
    """
    count = normals.shape[0]
    cosine = torch.nn.functional.cosine_similarity(gradients[:count], normals, dim=1)
    total = cases.SURFACE * values[:count].abs().sum() + cases.NORMAL * (1 - cosine).sum()
    total = total + cases.OFF_SURFACE * torch.exp(-cases.SHARPNESS * values[count:].abs()).sum()
    total = total + cases.EIKONAL * (gradients.norm(dim=1) - 1).abs().sum()
    return total / values.shape[0]


def shape_loss(field, coords, normals):
    """Loss of signed distance functions at coords (points, 3)."""
    coords = coords.detach().requires_grad_(True)
    values = field(coords)[:, 0]
    return shape_terms(values, gradient(values, coords), normals)


def helmholtz_loss(field, coords, problem):
    """Loss of the Helmholtz equation at coords (points, 2), differentiated twice as in the authors' code; `problem` has the medium, source and weights."""
    coords = coords.detach().requires_grad_(True)
    values = field(coords)
    real, imaginary = (gradient(values[:, part], coords) for part in (0, 1))
    fluxes = helmholtz.fluxes(coords, (real[:, 0], imaginary[:, 0]), (real[:, 1], imaginary[:, 1]))
    slopes = [gradient(flux, coords) for flux in fluxes]
    divergence = [slopes[part][:, 0] + slopes[part + 2][:, 1] for part in (0, 1)]
    medium, source, weights = problem
    return helmholtz.loss(coords, medium, (values[:, 0], values[:, 1]), divergence, source, weights)


def batched(case, device, wrap):
    """Returns a step of `batched`: the loss of many fields and its gradient with respect to the parameters of each."""
    coords, targets = (torch.from_numpy(array).to(device) for array in cases.data(case))
    fields = case["fields"]
    parameters = []
    for weight, bias in cases.layers(case):
        weight = torch.from_numpy(weight).to(device).expand(fields, *weight.shape).clone()
        bias = torch.from_numpy(bias).to(device).expand(fields, 1, *bias.shape).clone()
        parameters.append((weight.requires_grad_(True), bias.requires_grad_(True)))
    flat = [tensor for pair in parameters for tensor in pair]

    def loss():
        h = coords
        for index, (weight, bias) in enumerate(parameters):
            h = torch.baddbmm(bias, h, weight.transpose(1, 2))
            if index + 1 < len(parameters):
                h = torch.sin(cases.OMEGA * h)
        return ((h - targets) ** 2).mean()

    loss = wrap(loss)
    return lambda: torch.autograd.grad(loss(), flat)


def synchronized(step, device):
    """Returns a step that waits until all work on the device is complete."""
    if device == "cpu":
        return step

    def step_and_wait():
        loss = step()
        torch.cuda.synchronize(device)
        return loss

    return step_and_wait


# How an engine takes derivatives: its functions `prediction`, `shape_loss` and `helmholtz_loss`.
Losses = collections.namedtuple("Losses", ["prediction", "shape_loss", "helmholtz_loss"])


def in_arithmetic(function, device, arithmetic):
    """Returns the function in an autocast region for bf16; TF32 is a global setting."""
    if arithmetic != "bf16":
        return function

    def within(*arguments):
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            return function(*arguments)

    return within


def prepare(
    case, threads, device, arithmetic="f32", losses=Losses(prediction, shape_loss, helmholtz_loss), wrap=lambda f: f
):
    """Returns a function that takes one step and returns its loss, if it has one.

    `arithmetic` is that of products on a CUDA device: f32, tf32 or bf16. `wrap` compiles the model or the loss, or leaves it as it is.
    """
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("high" if arithmetic == "tf32" else "highest")
    wrapped = lambda function: in_arithmetic(wrap(function), device, arithmetic)
    return synchronized(make_step(case, threads, device, losses, wrapped), device)


def make_step(case, threads, device, losses, wrap):
    """Returns a function that starts one step; on a CUDA device it may return before the work is complete."""
    if case["kind"] == "hyper":
        return torch_hyper.prepare({**case, **case["hyper"]}, threads)
    if case["kind"] == "batched":
        return batched(case, device, wrap)
    field = Field(case).to(device)
    if case["kind"] == "shape":
        coords, normals = (torch.from_numpy(array).to(device) for array in cases.shape(case))
        return training(field, wrap(lambda: losses.shape_loss(field, coords, normals)))
    if case["kind"] == "helmholtz":
        coords, source, weights = (torch.from_numpy(array).to(device) for array in cases.helmholtz(case))
        problem = (torch.ones_like(weights), source, weights)
        return training(field, wrap(lambda: losses.helmholtz_loss(field, coords, problem)))
    coords, targets = (torch.from_numpy(array).to(device) for array in cases.data(case))
    if case["kind"] == "render":
        evaluate = wrap(field)

        def render():
            with torch.no_grad():
                evaluate(coords)

        return render
    return training(field, wrap(lambda: ((losses.prediction(field, coords, case["kind"]) - targets) ** 2).mean()))


def training(field, loss):
    """Returns a training step on a loss."""
    optimizer = torch.optim.Adam(field.parameters(), lr=cases.LEARNING_RATE)

    def step():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return value.detach()

    return step
