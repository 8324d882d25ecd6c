"""The authors' network and derivatives in plain PyTorch, as in their notebook (vsitzmann/siren, explore_siren.ipynb) and `modules.py`."""

import json
import math

import numpy as np
import torch
from torch import nn


class Sine(nn.Module):
    def __init__(self, omega=30.0):
        super().__init__()
        self.omega = omega

    def forward(self, z):
        return torch.sin(self.omega * z)


class Levels(nn.Module):
    """`net.net.0.0.weight`: the names of `modules.SingleBVPNet`."""

    def __init__(self, in_features, out_features, hidden_features=256, hidden_layers=3):
        super().__init__()
        sizes = [in_features] + [hidden_features] * (hidden_layers + 1)
        layers = [nn.Sequential(nn.Linear(a, b), Sine()) for a, b in zip(sizes, sizes[1:])]
        layers.append(nn.Sequential(nn.Linear(hidden_features, out_features)))
        for index, layer in enumerate(layers):
            bound = 1 / in_features if index == 0 else math.sqrt(6 / layer[0].in_features) / 30
            nn.init.uniform_(layer[0].weight, -bound, bound)
        self.net = nn.Module()
        self.net.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net.net(x)


class SineLayer(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, x):
        return torch.sin(30 * self.linear(x))


class Notebook(nn.Module):
    """`net.0.linear.weight`, and `net.4.weight` of the last layer: the names of the notebook."""

    def __init__(self, in_features, out_features, hidden_features=256, hidden_layers=3):
        super().__init__()
        layers = [SineLayer(in_features, hidden_features)]
        layers += [SineLayer(hidden_features, hidden_features) for _ in range(hidden_layers)]
        self.net = nn.Sequential(*layers, nn.Linear(hidden_features, out_features))

    def forward(self, x):
        return self.net(x)


def gradient(y, x):
    """The authors' `gradient`."""
    return torch.autograd.grad(y, [x], grad_outputs=torch.ones_like(y), create_graph=True)[0]


def laplace(y, x):
    """The authors' `laplace`."""
    slope = gradient(y, x)
    terms = (torch.autograd.grad(slope[..., i], x, torch.ones_like(slope[..., i]), create_graph=True)[0][..., i : i + 1] for i in range(x.shape[-1]))
    return sum(terms)


def read_safetensors(path):
    """Returns the tensors of a file by name."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    types = {"F64": np.float64, "F32": np.float32, "I64": np.int64}
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            values = np.frombuffer(data[start:end], types[entry["dtype"]])
            tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors
