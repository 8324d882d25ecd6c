"""PyTorch engine as in the authors' code: torch.nn layers, and spatial derivatives by autograd with create_graph."""

import torch

import cases
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
        step()
        torch.cuda.synchronize(device)

    return step_and_wait


def prepare(case, threads, device, wrap=lambda f: f):
    """Returns a function that takes one step. `wrap` compiles the model or the loss, or leaves it as it is."""
    torch.set_num_threads(threads)
    return synchronized(make_step(case, threads, device, wrap), device)


def make_step(case, threads, device, wrap):
    """Returns a function that starts one step; on a CUDA device it may return before the work is complete."""
    if case["kind"] == "hyper":
        return torch_hyper.prepare({**case, **case["hyper"]}, threads)
    if case["kind"] == "batched":
        return batched(case, device, wrap)
    coords, targets = (torch.from_numpy(array).to(device) for array in cases.data(case))
    field = Field(case).to(device)
    if case["kind"] == "render":
        evaluate = wrap(field)

        def render():
            with torch.no_grad():
                evaluate(coords)

        return render
    optimizer = torch.optim.Adam(field.parameters(), lr=cases.LEARNING_RATE)
    loss = wrap(lambda: ((prediction(field, coords, case["kind"]) - targets) ** 2).mean())

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step
