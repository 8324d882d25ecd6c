// The layers of the network, decoded from base64. A layer is { fanIn, fanOut, tiles, weight, bias, passed, squared }; its weights
// (tiles, fanOut, fanIn) and biases (tiles, fanOut) are those of `tiles` tiles of a mosaic, or of the one network.
function decode(text, half) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  if (!half) return new Float32Array(bytes.buffer);
  const bits = new Uint16Array(bytes.buffer), values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; ++i) {
    const sign = bits[i] & 0x8000 ? -1 : 1, exponent = (bits[i] >> 10) & 31, fraction = bits[i] & 1023;
    values[i] = sign * (exponent === 0 ? fraction * 2 ** -24
      : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15));
  }
  return values;
}
const GROUPS = (count) => Math.ceil(count / 4);
function unpack(field) {
  const values = decode(field.weights, field.half);
  let at = 0;
  return field.layers.map((layer) => {
    const { fan_in: fanIn, fan_out: fanOut, tiles, passed, squared } = layer;
    const weight = values.subarray(at, at += tiles * fanIn * fanOut);
    const bias = values.subarray(at, at += tiles * fanOut);
    return { fanIn, fanOut, tiles, passed, squared, weight, bias };
  });
}
// Vectors of four in a row of weights.
const ROW = (layer) => 4 * GROUPS(layer.fanIn) + 1;
// Weights as rows of vectors of four, one row for each group of four outputs, tile after tile: for each group of inputs the weights of the four
// outputs, then the four biases.
function weightRows(layer) {
  const { fanIn, fanOut, tiles } = layer, row = 4 * ROW(layer), groups = GROUPS(fanOut), rows = new Float32Array(row * groups * tiles);
  for (let j = 0; j < tiles * fanOut; ++j) {
    const output = j % fanOut, lane = output % 4, start = row * ((j - output) / fanOut * groups + Math.floor(output / 4));
    for (let i = 0; i < fanIn; ++i) rows[start + 16 * Math.floor(i / 4) + 4 * lane + i % 4] = layer.weight[j * fanIn + i];
    rows[start + row - 4 + lane] = layer.bias[j];
  }
  return rows;
}
function repeat(values, count) {
  const all = new Float32Array(values.length * count);
  for (let i = 0; i < count; ++i) all.set(values, i * values.length);
  return all;
}
// Moves the origin of the coordinates to `center`, in double precision, so that a small region keeps its digits: the first layer gets the
// coordinates relative to the center, and biases that contain the rest. Angles of sines are reduced to one period.
function centered(layer, center, period) {
  const moved = { ...layer, weight: layer.weight, bias: new Float32Array(layer.bias) };
  if (layer.squared) {
    moved.weight = new Float32Array(layer.weight);
    for (let j = 0; j < layer.fanOut; ++j)
      for (let i = 0; i < layer.fanIn; ++i) moved.weight[j * layer.fanIn + i] = layer.weight[j * layer.fanIn + i] - center[i];
    return moved;
  }
  for (let j = 0; j < layer.fanOut; ++j) {
    let z = layer.bias[j];
    for (let i = 0; i < layer.fanIn; ++i) z += layer.weight[j * layer.fanIn + i] * center[i];
    moved.bias[j] = period && j >= layer.passed ? z - period * Math.round(z / period) : z;
  }
  return moved;
}
