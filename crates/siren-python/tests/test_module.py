"""`siren.Siren` beside PyTorch's own automatic differentiation."""

import copy
import io
import pathlib
import pickle

import pytest

torch = pytest.importorskip("torch")

import reference  # noqa: E402
import siren  # noqa: E402

GOLDEN = pathlib.Path(__file__).parents[3] / "tests" / "golden"


def pair(in_features=2, out_features=3, width=24, layers=2, dtype=torch.float64):
    """A network and the authors' one with the same parameters."""
    torch.manual_seed(1)
    authors = reference.Levels(in_features, out_features, width, layers).to(dtype)
    net = siren.Siren(in_features, out_features, width, layers).to(dtype)
    net.load_state_dict(authors.state_dict())
    return net, authors


def points(count=50, dims=2, dtype=torch.float64):
    return torch.rand(count, dims, generator=torch.Generator().manual_seed(2), dtype=dtype) * 2 - 1


def same_gradients(net, authors, tolerance=1e-9):
    for (name, mine), (other_name, theirs) in zip(net.named_parameters(), authors.named_parameters()):
        assert name == other_name
        # The last bias has no part in derivatives.
        expected = torch.zeros_like(theirs) if theirs.grad is None else theirs.grad
        assert (mine.grad - expected).abs().max() <= tolerance * expected.abs().max(), name


def test_names_and_shapes_are_those_of_the_authors_checkpoints():
    net, authors = siren.Siren(2, 3), reference.Levels(2, 3)
    mine, theirs = net.state_dict(), authors.state_dict()
    assert list(mine) == list(theirs) and mine["net.net.0.0.weight"].shape == (256, 2)
    assert all(mine[name].shape == theirs[name].shape for name in mine)


def test_a_seed_or_the_generator_of_pytorch_decides_the_parameters():
    def weight(**options):
        return siren.Siren(2, 3, **options).get_parameter("net.net.1.0.weight")

    assert torch.equal(weight(seed=3), weight(seed=3)) and not torch.equal(weight(seed=3), weight(seed=4))
    assert not torch.equal(weight(), weight())
    torch.manual_seed(5)
    first = weight()
    torch.manual_seed(5)
    assert torch.equal(weight(), first)
    bound = (6 / 256) ** 0.5 / 30
    assert 0.99 * bound < first.abs().max() <= bound


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-9), (torch.float32, 2e-4)])
@pytest.mark.parametrize("order", ["value", "gradient", "laplacian", "hessian"])
def test_jets_and_their_gradients_in_the_parameters_are_those_of_autograd(dtype, tolerance, order):
    net, authors = pair(dtype=dtype)
    x = points(700, dtype=dtype)
    jet = net.jet(x, order)
    y = authors(x.requires_grad_())
    expected = [y]
    if order != "value":
        expected.append(torch.stack([reference.gradient(y[:, c], x) for c in range(3)], 1))
    if order in ("laplacian", "hessian"):
        rows = [[torch.autograd.grad(expected[1][:, c, i].sum(), x, create_graph=True)[0] for i in range(2)] for c in range(3)]
        hessian = torch.stack([torch.stack(row, 1) for row in rows], 1)
        expected.append(hessian if order == "hessian" else hessian.diagonal(dim1=2, dim2=3).sum(-1))
    found = [part for part in jet if part is not None]
    losses = []
    for parts in (found, expected):
        weights = [torch.cos(torch.arange(part.numel(), dtype=dtype)).reshape(part.shape) for part in parts]
        losses.append(sum((part * weight).sum() for part, weight in zip(parts, weights)))
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert a.shape == b.shape and (a - b).abs().max() <= tolerance * b.abs().max()
    losses[0].backward()
    losses[1].backward()
    same_gradients(net, authors, tolerance)


def test_values_are_differentiable_in_coordinates_of_any_leading_shape():
    net, authors = pair()
    x, other = points(24).reshape(4, 3, 2, 2), points(24).reshape(4, 3, 2, 2)
    y, z = net(x.requires_grad_()), authors(other.requires_grad_())
    assert y.shape == (4, 3, 2, 3)
    torch.testing.assert_close(y, z)
    (y**3).sum().backward()
    (z**3).sum().backward()
    torch.testing.assert_close(x.grad, other.grad)
    same_gradients(net, authors)
    assert torch.autograd.gradcheck(net, points(5).requires_grad_())


def test_the_authors_derivatives_by_autograd_work_and_train():
    net, authors = pair(out_features=1)
    for loss_of in (
        lambda y, x: (reference.gradient(y, x) ** 2).sum(),
        lambda y, x: (reference.gradient(y, x) ** 2).sum() + (reference.laplace(y, x) ** 2).sum() + y.sum(),
    ):
        losses = []
        for module in (net, authors):
            module.zero_grad()
            x = points(40).requires_grad_()
            loss = loss_of(module(x), x)
            loss.backward(inputs=list(module.parameters()))
            losses.append(loss)
        torch.testing.assert_close(losses[0], losses[1])
        same_gradients(net, authors, 1e-8)
    # First derivatives need no `inputs`.
    coords = []
    for module in (net, authors):
        module.zero_grad()
        x = points(40).requires_grad_()
        (reference.gradient(module(x), x) ** 2).sum().backward()
        coords.append(x.grad)
    torch.testing.assert_close(*coords)
    same_gradients(net, authors, 1e-8)


def test_patterns_without_a_fused_pass_say_which_call_to_use():
    net, _ = pair()
    loss = net(points(8)).square().sum()
    gradients = torch.autograd.grad(loss, list(net.parameters()), create_graph=True)
    with pytest.raises(RuntimeError, match=r'call `net.jet\(x, "gradient"\)`'):
        sum(g.square().sum() for g in gradients).backward()
    for order in ("laplacian", "hessian"):
        x = points(8).requires_grad_()
        with pytest.raises(RuntimeError, match="third order.*x.detach.*inputs=list"):
            net.jet(x, order)[-1 if order == "hessian" else 2].square().sum().backward()
    # Third derivatives by nested calls of autograd.
    x = points(8).requires_grad_()
    curvature = reference.laplace(net(x)[:, :1], x)
    with pytest.raises(RuntimeError, match="third order"):
        reference.gradient(curvature, x)


def test_gradients_accumulate_and_a_retained_graph_gives_the_same_again():
    net, _ = pair()
    loss = net.jet(points(), "laplacian").laplacian.square().sum()
    loss.backward(retain_graph=True)
    first = [parameter.grad.clone() for parameter in net.parameters()]
    loss.backward()
    for parameter, once in zip(net.parameters(), first):
        torch.testing.assert_close(parameter.grad, 2 * once)


@pytest.mark.parametrize("name", ["sine_2d", "sine_2d_paper", "sine_3d_rgb"])
def test_the_authors_checkpoints_give_the_authors_values(name):
    path = GOLDEN / f"field_{name}.safetensors"
    if not path.exists():
        pytest.skip("golden files are in the repository")
    tensors = reference.read_safetensors(path)
    state = {key.removeprefix("init."): value for key, value in tensors.items() if key.startswith("init.")}
    width, dims = state["net.net.0.0.weight"].shape
    layers = sum(key.endswith(".weight") for key in state) - 2
    out_features = tensors["value"].shape[1]
    net = siren.Siren(dims, out_features, width, layers).double()
    net.load_state_dict(state)
    jet = net.jet(tensors["coords"], "hessian")
    for found, key in [(jet.value, "value"), (jet.gradient, "gradient"), (jet.hessian, "hessian")]:
        expected = tensors[key]
        largest = (found - expected).abs().max() / expected.abs().max()
        assert largest < 1e-11, f"{key}: {largest}"


def test_a_model_trained_with_the_authors_notebook_loads_and_gives_the_same_numbers():
    notebook = reference.Notebook(2, 1, 32, 2)
    optimizer = torch.optim.Adam(notebook.parameters(), 1e-3)
    x = points(200, dtype=torch.float32)
    for _ in range(20):
        optimizer.zero_grad()
        (notebook(x) - x[:, :1]).square().mean().backward()
        optimizer.step()
    net = siren.Siren(2, 1, 32, 2)
    net.load_state_dict(notebook.state_dict())
    torch.testing.assert_close(net(x), notebook(x), rtol=1e-4, atol=1e-5)
    parallel = {f"module.{name}": value for name, value in net.state_dict().items()}
    siren.Siren(2, 1, 32, 2).load_state_dict(parallel)
    with pytest.raises(RuntimeError, match="net.net.4.0.weight"):
        siren.Siren(2, 1, 32, 3).load_state_dict(net.state_dict())


def test_a_network_trains_by_an_optimizer_of_pytorch_as_the_authors_does():
    net, authors = pair(2, 1, 32, 1)
    x = points(300)
    target = torch.sin(3 * x[:, :1])
    histories = []
    for module in (net, authors):
        optimizer = torch.optim.Adam(module.parameters(), 1e-3)
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = (module(x) - target).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        histories.append(torch.tensor(losses))
    torch.testing.assert_close(histories[0], histories[1], rtol=1e-6, atol=0)
    assert histories[0][-1] < 0.5 * histories[0][0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activation": "relu", "encoding": {"nerf": {"frequencies": 3}}},
        {"activation": {"gaussian": {"scale": 10.0}}},
        {"encoding": {"fourier": {"features": 8, "scale": 3.0}}},
        {"activation": "relu", "encoding": {"rbf": {"centers": 10, "sigma": 5.0}}},
        {"learn_omega": True},
        {"activation": "finer", "first_bias": 1.0},
    ],
)
def test_copies_files_and_state_dicts_compute_the_same(options, tmp_path):
    net = siren.Siren(2, 1, 16, 1, seed=3, **options)
    x = points(20, dtype=torch.float32)
    expected = net(x)
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    net.save(tmp_path / "net.safetensors")
    fresh = siren.Siren(2, 1, 16, 1, seed=4, **options)
    assert not torch.equal(fresh(x), expected)
    fresh.load_state_dict(net.state_dict())
    copies = [
        copy.deepcopy(net),
        pickle.loads(pickle.dumps(net)),
        torch.load(buffer, weights_only=False),
        siren.Siren.load(tmp_path / "net.safetensors"),
        fresh,
    ]
    for other in copies:
        torch.testing.assert_close(other(x), expected, rtol=1e-5, atol=1e-6)
        assert other.config == net.config
    loss = net.jet(x, "laplacian").laplacian.square().mean()
    loss.backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())


def test_a_field_becomes_a_module_and_a_module_a_field(tmp_path):
    wave = torch.sin(4 * points(100, dtype=torch.float32)[:, :1])
    field = siren.fit(wave, points(100, dtype=torch.float32), steps=20, field={"hidden_features": 16})
    net = siren.Siren.from_field(field)
    x = points(30, dtype=torch.float32)
    torch.testing.assert_close(net(x), torch.from_numpy(field(x.numpy())))
    net.save(tmp_path / "a.safetensors")
    torch.testing.assert_close(net(x), torch.from_numpy(siren.load(tmp_path / "a.safetensors")(x.numpy())))


def test_bad_tensors_are_refused_with_their_names():
    net = siren.Siren(2, 1, 8, 1)
    x = torch.zeros(5, 2)
    assert net(torch.zeros(2, 5).T).shape == (5, 1)
    assert net(torch.zeros(0, 2)).shape == (0, 1)
    for bad, kind, message in [
        (x.double(), TypeError, r"x: expected torch.float32, the type of the parameters, got torch.float64: call `x.float\(\)`"),
        (x.to("meta"), ValueError, r"x: expected tensors in CPU memory, got one on the device meta: call `.cpu\(\)`"),
        (torch.zeros(5, 3), ValueError, r"x: expected coordinates \(n, 2\), got the shape \(5, 3\)"),
        (torch.tensor(1.0), ValueError, r"\(n, 2\)"),
        (x.numpy(), TypeError, "expected a tensor of PyTorch, got ndarray: `torch.from_numpy`"),
        ([[0.0, 0.0]], TypeError, "got list"),
    ]:
        with pytest.raises(kind, match=message):
            net(bad)
        with pytest.raises(kind, match=message):
            net.jet(bad, "laplacian")
    with pytest.raises(ValueError, match="got 'curl'"):
        net.jet(x, "curl")
    with pytest.raises(ValueError, match=r"\(n, 2\), got the shape \(1, 5, 2\)"):
        net.jet(x[None])
    with pytest.raises(TypeError, match="float32 or float64, got torch.float16"):
        copy.deepcopy(net).half()(x.half())
    with pytest.raises(ValueError, match="on the device meta"):
        copy.deepcopy(net).to("meta")(x)
    with pytest.raises(ValueError, match="expected a tensor in CPU memory, got one on the device meta"):
        siren.fit(x.to("meta"))
    with pytest.raises(ValueError, match="did you mean `hidden_features`"):
        siren.Siren(2, 1, hiden_features=3)
    with pytest.raises(ValueError, match="field.activation"):
        siren.Siren(2, 1, activation="sin")
    with pytest.raises(ValueError, match="at least one coordinate"):
        siren.Siren(0, 1)


def test_no_graph_is_built_without_gradients():
    net = siren.Siren(2, 1, 8, 1)
    with torch.no_grad():
        assert not net(torch.zeros(5, 2)).requires_grad
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    assert not net(torch.zeros(5, 2)).requires_grad
    x = torch.zeros(5, 2, requires_grad=True)
    net(x).sum().backward()
    assert x.grad is not None
