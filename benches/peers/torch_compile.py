"""PyTorch engine with torch.compile. Spatial derivatives are not supported, since torch.compile has no double backward."""

import torch

import torch_eager


def version():
    return torch_eager.version()


def prepare(case, threads, device):
    """Returns a function that takes one step."""
    if case["kind"] == "hyper":
        raise SystemExit("not supported: hypernetworks are timed in eager PyTorch only")
    if case["kind"] not in ("value", "render", "batched"):
        raise SystemExit("torch.compile does not support double backward")
    return torch_eager.prepare(case, threads, device, wrap=torch.compile)
