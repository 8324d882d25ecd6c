"""JAX engine: the whole step is compiled by jax.jit; spatial derivatives are jax transformations of the field at one point."""

import jax
import jax.numpy as jnp

import cases


def version():
    return jax.__version__


def field(parameters, x):
    """The SIREN at points x (..., dims)."""
    h = x
    for weight, bias in parameters[:-1]:
        h = jnp.sin(cases.OMEGA * (h @ weight.T + bias))
    weight, bias = parameters[-1]
    return h @ weight.T + bias


def prediction(parameters, coords, kind):
    """The quantity that a case compares with its targets, (points, components)."""
    dims = coords.shape[1]
    if kind in ("value", "render"):
        return field(parameters, coords)
    if kind == "gradient":
        jacobian = jax.vmap(jax.jacrev(lambda x: field(parameters, x)))(coords)
        return jacobian.reshape(coords.shape[0], -1)
    scalar = lambda x: field(parameters, x)[0]
    hessian = jax.vmap(jax.jacfwd(jax.grad(scalar)))(coords)
    if kind == "laplacian":
        return jnp.trace(hessian, axis1=1, axis2=2)[:, None]
    return jnp.stack([hessian[:, i, j] for i in range(dims) for j in range(i, dims)], 1)


def prepare(case, threads, device):
    """Returns a function that takes one step and waits for its result."""
    if device != "cpu":
        raise SystemExit("JAX is timed on the CPU only")
    if case["kind"] == "hyper":
        raise SystemExit("not supported: the JAX engine has no hypernetworks")
    del threads  # limited by the processor affinity that worker.py sets
    coords, targets = map(jnp.asarray, cases.data(case))
    parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in cases.layers(case)]
    kind = case["kind"]
    if kind == "render":
        render = jax.jit(lambda p: prediction(p, coords, kind))
        return lambda: render(parameters).block_until_ready()
    if kind == "batched":
        tiled = jax.tree.map(lambda t: jnp.broadcast_to(t, (case["fields"], *t.shape)), parameters)
        loss = lambda p: jnp.mean((jax.vmap(field)(p, coords) - targets) ** 2)
        gradient = jax.jit(jax.grad(loss))
        return lambda: jax.block_until_ready(gradient(tiled))

    @jax.jit
    def update(state, count):
        """One step of Adam; `count` is the number of the step, from 1."""
        p, m, v = state
        loss = lambda p: jnp.mean((prediction(p, coords, kind) - targets) ** 2)
        g = jax.grad(loss)(p)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        corrections = (1 - 0.9**count, 1 - 0.999**count)
        updated = lambda p, m, v: p - cases.LEARNING_RATE * (m / corrections[0]) / (jnp.sqrt(v / corrections[1]) + 1e-8)
        return jax.tree.map(updated, p, m, v), m, v

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = [(parameters, zeros, zeros), 0]

    def step():
        state[1] += 1
        state[0] = jax.block_until_ready(update(state[0], float(state[1])))

    return step
