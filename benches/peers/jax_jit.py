"""JAX engine: the whole step is compiled by jax.jit; spatial derivatives are jax transformations of the field at one point."""

import jax
import jax.numpy as jnp

import cases
import helmholtz


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


def shape_loss(parameters, coords, normals):
    """Loss of signed distance functions of the authors' code; the first half of the points is on the surface."""
    values, firsts = jax.vmap(jax.value_and_grad(lambda x: field(parameters, x)[0]))(coords)
    count = normals.shape[0]
    norms = jnp.linalg.norm(firsts, axis=1)
    cosine = jnp.sum(firsts[:count] * normals, axis=1) / norms[:count]
    total = cases.SURFACE * jnp.sum(jnp.abs(values[:count])) + cases.NORMAL * jnp.sum(1 - cosine)
    total += cases.OFF_SURFACE * jnp.sum(jnp.exp(-cases.SHARPNESS * jnp.abs(values[count:])))
    total += cases.EIKONAL * jnp.sum(jnp.abs(norms - 1))
    return total / coords.shape[0]


def helmholtz_loss(parameters, coords, problem):
    """Loss of the Helmholtz equation at coords (points, 2); `problem` has the medium, source and weights."""

    def fluxes(x):
        jacobian = jax.jacrev(lambda x: field(parameters, x))(x)
        return jnp.stack(helmholtz.fluxes(x, jacobian[:, 0], jacobian[:, 1]))

    values = field(parameters, coords)
    slopes = jax.vmap(jax.jacfwd(fluxes))(coords)
    divergence = [slopes[:, part, 0] + slopes[:, part + 2, 1] for part in (0, 1)]
    medium, source, weights = problem
    return helmholtz.loss(coords, medium, (values[:, 0], values[:, 1]), divergence, source, weights)


def prepare(case, threads, device, arithmetic):
    """Returns a function that takes one step, waits for its result and returns the loss, if it has one."""
    if device != "cpu" or arithmetic != "f32":
        raise SystemExit("JAX is timed on the CPU only, in f32")
    if case["kind"] == "hyper":
        raise SystemExit("not supported: the JAX engine has no hypernetworks")
    del threads  # limited by the processor affinity that worker.py sets
    kind = case["kind"]
    if kind == "helmholtz":
        coords, source, weights = map(jnp.asarray, cases.helmholtz(case))
        targets = (jnp.ones_like(weights), source, weights)
    else:
        # Of shapes, the second array holds the normals.
        coords, targets = map(jnp.asarray, cases.shape(case) if kind == "shape" else cases.data(case))
    parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in cases.layers(case)]
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
        if kind == "shape":
            loss = lambda p: shape_loss(p, coords, targets)
        elif kind == "helmholtz":
            loss = lambda p: helmholtz_loss(p, coords, targets)
        else:
            loss = lambda p: jnp.mean((prediction(p, coords, kind) - targets) ** 2)
        value, g = jax.value_and_grad(loss)(p)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        corrections = (1 - 0.9**count, 1 - 0.999**count)
        updated = lambda p, m, v: p - cases.LEARNING_RATE * (m / corrections[0]) / (jnp.sqrt(v / corrections[1]) + 1e-8)
        return (jax.tree.map(updated, p, m, v), m, v), value

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = [(parameters, zeros, zeros), 0]

    def step():
        state[1] += 1
        state[0], value = jax.block_until_ready(update(state[0], float(state[1])))
        return value

    return step
