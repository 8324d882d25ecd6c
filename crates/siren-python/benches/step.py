"""Times training steps of `siren.Siren` beside the same module in PyTorch, eager and compiled, in turn, and prints medians.

A step is a forward pass, a mean squared error, a backward pass and Adam of PyTorch: on values at 65,536 points, and on Laplacians at 16,384. Every
round times each contender once, so that other load on the machine meets all alike; ratios are medians over the rounds.

    python benches/step.py --rounds 15 --threads 2
"""

import argparse
import os
import pathlib
import statistics
import sys
import time

import siren
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
import reference  # noqa: E402


def by_autograd(module):
    """Laplacians as the authors compute them, by two passes of autograd."""

    def laplacians(x):
        x = x.detach().requires_grad_()
        return reference.laplace(module(x), x)

    return laplacians


def forward_laplacian(module):
    """Laplacians carried forward layer by layer in plain PyTorch, which `torch.compile` can differentiate; by autograd it cannot."""

    def laplacians(x):
        first, *others = list(module.net.net)
        omega = 30.0
        z = first[0](x)
        slope = first[0].weight.T[:, None, :].expand(-1, x.shape[0], -1)
        curvature = torch.zeros_like(z)
        for layer in others:
            h, d, dd = torch.sin(omega * z), omega * torch.cos(omega * z), -(omega**2) * torch.sin(omega * z)
            slope, curvature = d * slope, d * curvature + dd * slope.square().sum(0)
            z = layer[0](h)
            slope, curvature = slope @ layer[0].weight.T, curvature @ layer[0].weight.T
        return curvature

    return laplacians


def step_of(module, function, x, target):
    optimizer = torch.optim.Adam(module.parameters(), 1e-5)

    def step():
        optimizer.zero_grad()
        loss = (function(x) - target).square().mean()
        loss.backward(inputs=list(module.parameters()))
        optimizer.step()
        return loss.item()

    return step


def compare(title, steps, rounds):
    for step in steps.values():
        step(), step()
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    print(title)
    own = times["siren"]
    for name, seconds in times.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, own))
        shown = f"{statistics.median(seconds):7.3f} s (fastest {min(seconds):7.3f} s)"
        print(f"  {name:28} {shown}   {ratio:5.2f} times siren's")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--points", type=int, default=65536)
    parser.add_argument("--laplacian-points", type=int, default=16384)
    parser.add_argument("--without-compile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"PyTorch {torch.__version__}, siren {siren._siren.__version__}, {arguments.threads} threads, load {os.getloadavg()[0]:.1f}")

    def contenders():
        authors = reference.Levels(2, 1)
        net = siren.Siren(2, 1)
        net.load_state_dict(authors.state_dict())
        return net, authors

    net, authors = contenders()
    x = torch.rand(arguments.points, 2) * 2 - 1
    target = torch.sin(5 * x[:, :1])
    difference = (net(x) - authors(x)).abs().max().item()
    print(f"largest difference of values: {difference:.1e}")
    steps = {"siren": step_of(net, net, x, target), "torch, eager": step_of(authors, authors, x, target)}
    if not arguments.without_compile:
        other = contenders()[1]
        steps["torch, compiled"] = step_of(other, torch.compile(other), x, target)
    compare(f"values at {arguments.points} points", steps, arguments.rounds)

    net, authors = contenders()
    x = torch.rand(arguments.laplacian_points, 2) * 2 - 1
    found, expected = net.jet(x, "laplacian").laplacian, by_autograd(authors)(x)
    forward = forward_laplacian(authors)(x)
    for name, values in (("siren", found), ("torch, carried forward", forward)):
        difference = ((values - expected).abs().max() / expected.abs().max()).item()
        print(f"largest difference of Laplacians from autograd's, {name}: {difference:.1e} of the largest")
    target = torch.zeros(len(x), 1)
    other = contenders()[1]
    steps = {
        "siren": step_of(net, lambda x: net.jet(x, "laplacian").laplacian, x, target),
        "torch, autograd": step_of(authors, by_autograd(authors), x, target),
        "torch, carried forward": step_of(other, forward_laplacian(other), x, target),
    }
    if not arguments.without_compile:
        another = contenders()[1]
        steps["torch, carried, compiled"] = step_of(another, torch.compile(forward_laplacian(another)), x, target)
    compare(f"Laplacians at {arguments.laplacian_points} points", steps, arguments.rounds)


if __name__ == "__main__":
    main()
