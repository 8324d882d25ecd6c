// The layers of the network, decoded from base64. A layer is { fanIn, fanOut, weight, bias, passed, squared }.
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
    const weight = values.subarray(at, at += layer.fan_in * layer.fan_out);
    const bias = values.subarray(at, at += layer.fan_out);
    return { fanIn: layer.fan_in, fanOut: layer.fan_out, passed: layer.passed, squared: layer.squared, weight, bias };
  });
}
// Weights as rows of vectors of four, one row for each group of four outputs: for each group of inputs the weights of the four outputs, then the
// four biases.
function weightRows(layer) {
  const inputs = GROUPS(layer.fanIn), row = 4 * (4 * inputs + 1), rows = new Float32Array(row * GROUPS(layer.fanOut));
  for (let j = 0; j < layer.fanOut; ++j) {
    const start = row * Math.floor(j / 4), lane = j % 4;
    for (let i = 0; i < layer.fanIn; ++i) rows[start + 16 * Math.floor(i / 4) + 4 * lane + i % 4] = layer.weight[j * layer.fanIn + i];
    rows[start + 16 * inputs + lane] = layer.bias[j];
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
