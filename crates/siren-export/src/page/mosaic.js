// What evaluates a field at coordinates relative to a center: an engine for one network, or for the tiles of a mosaic.
class Single {
  constructor(engine, layer, period) { Object.assign(this, { engine, layer, period, name: engine.name }); }
  recenter(center) { this.engine.recenter(centered(this.layer, center, this.period)); }
  evaluate(points, count, directions, laplacian) { return this.engine.evaluate(points, count, directions, laplacian); }
}
// A mosaic: each point is evaluated in the tiles that contain it, up to two on each axis, and their values are blended. Tiles are found in double
// precision, and a tile sees coordinates relative to its own center, so that a small region keeps its digits.
class Mosaic {
  constructor(engine, axes) { Object.assign(this, { engine, axes, name: engine.name, center: axes.map(() => 0) }); }
  recenter(center) { this.center = center; }
  // As that of an engine.
  async evaluate(points, count, directions, laplacian) {
    const pairs = this.pairs(points, count, directions, laplacian);
    const own = directions.map((direction) => direction.map((value, axis) => value * (this.axes[axis]?.scale ?? 0)));
    const found = await this.engine.evaluate(pairs.points, pairs.count, own, laplacian, pairs.tiles);
    // No point lies in an overlap.
    if (pairs.count === count) return found;
    const size = found.length / pairs.count, slopes = directions.length, stride = size / (1 + slopes + (laplacian ? 1 : 0));
    const sums = new Float32Array(count * size), { factors, each } = pairs;
    for (let pair = 0; pair < pairs.count; ++pair) {
      const to = pairs.owners[pair] * size, from = pair * size, first = pair * each, weight = factors[first];
      for (let lane = 0; lane < stride; ++lane) {
        const value = found[from + lane];
        let trace = laplacian ? weight * found[from + (1 + slopes) * stride + lane] + factors[first + 1 + slopes] * value : 0;
        sums[to + lane] += weight * value;
        for (let k = 1; k <= slopes; ++k) {
          const slope = found[from + k * stride + lane];
          sums[to + k * stride + lane] += weight * slope + factors[first + k] * value;
          trace += 2 * factors[first + k] * slope;
        }
        if (laplacian) sums[to + (1 + slopes) * stride + lane] += trace;
      }
    }
    return sums;
  }
  // Writes for each axis the index of the lower of two tiles, and the weight of the upper one with two derivatives.
  neighbors(points, count) {
    const dims = this.axes.length, lower = new Int32Array(count * dims), rises = new Float64Array(3 * count * dims);
    let pairs = 0;
    for (let i = 0; i < count; ++i) {
      let tiles = 1;
      for (let a = 0; a < dims; ++a) {
        const { count: most, start, length, overlap } = this.axes[a], at = i * dims + a;
        if (most === 1) continue;
        const x = (points[4 * i + a] + this.center[a] - start) / length, border = clamp(Math.round(x), 1, most - 1);
        const u = clamp((x - border) * length / overlap + 0.5, 0, 1), rest = 1 - u;
        lower[at] = border - 1;
        rises[3 * at] = Math.min(u * u * u * (u * (6 * u - 15) + 10), 1);
        rises[3 * at + 1] = 30 * u * u * rest * rest / overlap;
        rises[3 * at + 2] = 60 * u * rest * (1 - 2 * u) / (overlap * overlap);
        if (rises[3 * at] > 0 && rises[3 * at] < 1) tiles *= 2;
      }
      pairs += tiles;
    }
    return { lower, rises, pairs };
  }
  // Returns the pairs of a point and a tile whose weight is not 0: the tile, the point in its coordinates, and the factors in the jet of the weighted
  // value: of the value, of each derivative along a direction, and of the Laplacian.
  pairs(points, count, directions, laplacian) {
    const { axes, center } = this, dims = axes.length, { lower, rises, pairs } = this.neighbors(points, count), each = 2 + directions.length;
    const result = { count: pairs, each, points: new Float32Array(4 * pairs), tiles: new Float32Array(pairs), owners: new Uint32Array(pairs), factors: new Float64Array(each * pairs) };
    const jets = axes.map(() => [1, 0, 0]);
    let pair = 0;
    for (let i = 0; i < count; ++i)
      for (let choice = 0; choice < 1 << dims; ++choice) {
        let tile = 0, weight = 1;
        for (let a = 0; a < dims; ++a) {
          const upper = choice >> a & 1, at = i * dims + a, index = lower[at] + upper, jet = jets[a];
          for (let k = 0; k < 3; ++k) jet[k] = upper ? rises[3 * at + k] : (k ? 0 : 1) - rises[3 * at + k];
          weight *= jet[0];
          tile = tile * axes[a].count + index;
          result.points[4 * pair + a] = (points[4 * i + a] + center[a] - axes[a].start - (index + 0.5) * axes[a].length) * axes[a].scale;
        }
        if (weight === 0) continue;
        result.tiles[pair] = tile;
        result.owners[pair] = i;
        result.factors[pair * each] = weight;
        if (weight < 1) this.derive(jets, directions, laplacian, result.factors, pair * each);
        ++pair;
      }
    return result;
  }
  // Writes the derivatives of the weight, the product of `jets` over the axes.
  derive(jets, directions, laplacian, factors, at) {
    const dims = jets.length, derivative = (b, c) => {
      let product = 1;
      for (let a = 0; a < dims; ++a) product *= jets[a][(a === b) + (a === c)];
      return product;
    };
    directions.forEach((direction, k) => {
      for (let b = 0; b < dims; ++b) {
        if (direction[b] === 0) continue;
        factors[at + 1 + k] += direction[b] * derivative(b, -1);
        for (let c = 0; laplacian && c < dims; ++c)
          if (direction[c] !== 0) factors[at + 1 + directions.length] += direction[b] * direction[c] * derivative(b, c);
      }
    });
  }
}
const evaluator = (engine, field, layers) => field.tiles ? new Mosaic(engine, field.tiles) : new Single(engine, layers[0], field.period);
