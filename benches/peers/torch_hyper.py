"""PyTorch engine for hypernetworks, as in the authors' code: an encoder, a hypernetwork, and one SIREN per picture."""

import math

import numpy as np
import torch
from torch import nn

import cases

LEARNING_RATE = 5e-5
LATENT_WEIGHT = 0.1
PARAMETER_WEIGHT = 100.0
CLIP = 1.0


def version():
    return torch.__version__


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(cases.OMEGA * x)


class SetEncoder(nn.Module):
    """Set encoder: the mean of the embedded context pixels (b, n, 2 + c) whose mask (b, n, 1) is 1."""

    def __init__(self, in_features, features, latent, hidden_layers=2):
        super().__init__()
        sizes = [in_features] + [features] * (hidden_layers + 1) + [latent]
        layers = []
        for fan_in, fan_out in zip(sizes, sizes[1:]):
            linear = nn.Linear(fan_in, fan_out)
            bound = math.sqrt(6 / fan_in) / cases.OMEGA
            nn.init.uniform_(linear.weight, -bound, bound)
            layers += [linear, Sine()]
        self.net = nn.Sequential(*layers)

    def forward(self, pixels, mask):
        embedded = self.net(pixels) * mask
        return embedded.mean(-2) * (embedded.shape[-2] / mask.sum(-2))


class Residual(nn.Module):
    """Residual block of two 5 × 5 convolutions."""

    def __init__(self, features):
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(features, features, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(features, features, 5, padding=2),
            nn.ReLU(),
        )

    def forward(self, x):
        return torch.relu(self.convs(x) + x)


class ConvEncoder(nn.Module):
    """Convolutional encoder of pictures (b, c, side, side) in which all pixels outside the context are zero."""

    def __init__(self, channels, side, features, latent, blocks=4):
        super().__init__()
        self.conv_theta = nn.Conv2d(channels, features // 2, 3, padding=1)
        self.cnn = nn.Sequential(
            nn.Conv2d(features // 2, features, 3, padding=1),
            nn.ReLU(),
            *[Residual(features) for _ in range(blocks)],
            nn.Conv2d(features, latent, 1),
        )
        self.fc = nn.Linear(side * side, 1)

    def forward(self, picture):
        h = torch.relu(self.cnn(torch.relu(self.conv_theta(picture))))
        return self.fc(h.flatten(2)).squeeze(-1)


class HyperNetwork(nn.Module):
    """One network for each tensor of a SIREN whose layers have these sizes; layer by layer, the weight before the bias."""

    def __init__(self, latent, features, sizes, hidden_layers=1):
        super().__init__()
        self.shapes = [
            shape for fan_in, fan_out in zip(sizes, sizes[1:]) for shape in ((fan_out, fan_in), (fan_out,))
        ]
        self.nets = nn.ModuleList()
        for shape in self.shapes:
            widths = [latent] + [features] * (hidden_layers + 1) + [math.prod(shape)]
            layers = []
            for fan_in, fan_out in zip(widths, widths[1:]):
                linear = nn.Linear(fan_in, fan_out)
                nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
                layers += [linear, nn.ReLU(inplace=True)]
            layers.pop()
            bound = 1 / (shape[-1] if len(shape) == 2 else features)
            with torch.no_grad():
                layers[-1].weight /= 100
                layers[-1].bias.uniform_(-bound, bound)
            self.nets.append(nn.Sequential(*layers))

    def forward(self, latent):
        return [net(latent).reshape(-1, *shape) for net, shape in zip(self.nets, self.shapes)]


class Hyper(nn.Module):
    """Returns the latent codes of a batch of pictures, the parameters of the SIREN of each, and its values at the coordinates."""

    def __init__(self, encoder, hyper_net):
        super().__init__()
        self.encoder = encoder
        self.hyper_net = hyper_net

    def forward(self, coords, *context):
        latent = self.encoder(*context)
        parameters = self.hyper_net(latent)
        layers = list(zip(parameters[::2], parameters[1::2]))
        h = coords
        for index, (weight, bias) in enumerate(layers):
            h = h.matmul(weight.permute(0, 2, 1))
            h += bias.unsqueeze(-2)
            if index + 1 < len(layers):
                h = torch.sin(cases.OMEGA * h)
        return latent, parameters, h


def terms(latent, parameters, values, targets):
    """The three weighted terms of the loss: mean squared error, latent prior, weight prior."""
    squares = sum((tensor**2).sum() for tensor in parameters)
    count = sum(tensor.numel() for tensor in parameters)
    return (
        ((values - targets) ** 2).mean(),
        LATENT_WEIGHT * (latent**2).mean(),
        PARAMETER_WEIGHT * squares / count,
    )


def model(case):
    """Builds the encoder and the hypernetwork of a case."""
    channels, latent, features = case["out_features"], case["latent"], case["encoder_features"]
    if case["encoder"] == "set":
        encoder = SetEncoder(2 + channels, features, latent)
    else:
        encoder = ConvEncoder(channels, case["side"], features, latent)
    sizes = [2] + [case["width"]] * (cases.HIDDEN_LAYERS + 1) + [channels]
    return Hyper(encoder, HyperNetwork(latent, case["hyper_features"], sizes))


def data(case):
    """Returns coordinates (b, n, 2) and targets (b, n, c) of every pixel, and the encoder's inputs."""
    random = np.random.default_rng(0)
    fields, side, channels = case["fields"], case["side"], case["out_features"]
    axis = np.linspace(-1, 1, side)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    coords = np.broadcast_to(grid, (fields, *grid.shape))
    targets = random.uniform(-1, 1, (fields, side * side, channels))
    context_indices = np.stack([random.permutation(side * side)[: case["context"]] for _ in range(fields)])[..., None]
    if case["encoder"] == "set":
        pixels = np.take_along_axis(np.concatenate([coords, targets], -1), context_indices, 1)
        mask = np.ones(context_indices.shape)
        mask[:, context_indices.shape[1] - context_indices.shape[1] // 4 :] = 0
        inputs = [pixels, mask]
    else:
        mask = np.zeros((fields, side * side, 1))
        np.put_along_axis(mask, context_indices, 1, 1)
        inputs = [(mask * targets).transpose(0, 2, 1).reshape(fields, channels, side, side)]
    tensors = [torch.from_numpy(np.ascontiguousarray(array, np.float32)) for array in (coords, targets, *inputs)]
    return tensors[0], tensors[1], tensors[2:]


def prepare(case, threads):
    """Returns a function that takes one training step on the CPU."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    coords, targets, context = data(case)
    hyper = model(case)
    optimizer = torch.optim.Adam(hyper.parameters(), lr=LEARNING_RATE)

    def step():
        optimizer.zero_grad()
        loss = sum(terms(*hyper(coords, *context), targets))
        loss.backward()
        nn.utils.clip_grad_norm_(hyper.parameters(), CLIP)
        optimizer.step()
        return loss.detach()

    return step
