// Evaluation by WebGPU: one dispatch per layer over a block of points. Activations are ordered (component, group of four features, point).
class WebGpuEngine {
  static async create(layers, shaders) {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
    const device = await adapter?.requestDevice().catch(() => null);
    if (!device || layers.some((layer) => 16 * layer.tiles * ROW(layer) * GROUPS(layer.fanOut) > device.limits.maxStorageBufferBindingSize)) return null;
    return new WebGpuEngine(device, layers, shaders);
  }
  constructor(device, layers, shaders) {
    Object.assign(this, { device, layers, shaders, name: "WebGPU", pipelines: new Map(), components: 0 });
    this.groups = Math.max(...layers.map((layer) => GROUPS(Math.max(layer.fanIn, layer.fanOut))));
    // The activations of a block stay within the storage buffers that every device has.
    this.block = clamp(64 * Math.floor(device.limits.maxStorageBufferBindingSize / (16 * 5 * this.groups * 64)), 64, 8192);
    this.weights = layers.map((layer) => this.upload(layer));
    // The tile of each point of a block.
    this.tiles = device.createBuffer({ size: 4 * this.block, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    device.lost.then((info) => { this.lost = info.message || "the graphics device was lost"; });
    // Errors of WebGPU are events: no picture is drawn from what follows one.
    device.addEventListener("uncapturederror", (event) => { this.lost = event.error.message; });
  }
  upload(layer) {
    const data = weightRows(layer), usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const buffer = this.device.createBuffer({ size: data.byteLength, usage });
    this.device.queue.writeBuffer(buffer, 0, data);
    return { buffer, inputs: GROUPS(layer.fanIn), outputs: GROUPS(layer.fanOut) };
  }
  recenter(layer) {
    this.weights[0].buffer.destroy();
    this.weights[0] = this.upload(layer);
  }
  async pipeline(index, slopes, laplacian) {
    const key = `${index} ${slopes} ${laplacian}`;
    if (!this.pipelines.has(key)) {
      const module = this.device.createShaderModule({ code: this.source(index, slopes, laplacian) });
      const wanted = { layout: "auto", compute: { module, entryPoint: "main" } };
      this.pipelines.set(key, await this.device.createComputePipelineAsync(wanted));
    }
    return this.pipelines.get(key);
  }
  // An invocation computes `GROUPS_EACH` groups of four outputs of one point, all components of the jet.
  each(slopes, laplacian) { return Math.max(1, Math.floor(4 / (1 + slopes + laplacian))); }
  source(index, slopes, laplacian) {
    const layer = this.layers[index], { inputs, outputs } = this.weights[index];
    const count = 1 + slopes + laplacian, components = [...Array(count).keys()];
    const many = [...Array(this.each(slopes, laplacian)).keys()], row = ROW(layer);
    const lines = ["@group(0) @binding(0) var<storage, read> weights: array<vec4f>;", "@group(0) @binding(1) var<storage, read> from_: array<vec4f>;",
      "@group(0) @binding(2) var<storage, read_write> to_: array<vec4f>;", this.shaders.library, this.shaders.functions[index],
      "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {", "  let point = id.x;", `  let first = id.y * ${many.length}u;`];
    if (layer.tiles > 1) lines.unshift("@group(0) @binding(3) var<storage, read> tiles: array<f32>;");
    lines.push(`  let of_tile = ${layer.tiles > 1 ? `u32(tiles[point]) * ${outputs}u` : "0u"};`);
    for (const m of many) {
      lines.push(`  let row${m} = (of_tile + min(first + ${m}u, ${outputs - 1}u)) * ${row}u;`);
      for (const k of components) lines.push(`  var z${k}_${m} = vec4f(0.0);`);
    }
    lines.push(`  for (var i = 0u; i < ${inputs}u; i++) {`);
    for (const k of components) lines.push(`    let h${k} = from_[(${k * inputs}u + i) * ${this.block}u + point];`);
    for (const m of many) {
      for (const lane of [0, 1, 2, 3]) lines.push(`    let w${lane}_${m} = weights[row${m} + 4u * i + ${lane}u];`);
      const each = (term) => `vec4f(${[0, 1, 2, 3].map(term).join(", ")})`;
      if (layer.squared) {
        for (const lane of [0, 1, 2, 3]) lines.push(`    let d${lane}_${m} = h0 - w${lane}_${m};`);
        lines.push(`    z0_${m} += ${each((lane) => `dot(d${lane}_${m}, d${lane}_${m})`)};`);
        for (let k = 1; k <= slopes; ++k) {
          lines.push(`    z${k}_${m} += 2.0 * ${each((lane) => `dot(d${lane}_${m}, h${k})`)};`);
          if (laplacian) lines.push(`    z${slopes + 1}_${m} += 2.0 * vec4f(dot(h${k}, h${k}));`);
        }
      } else {
        for (const k of components) lines.push(`    z${k}_${m} += ${each((lane) => `dot(w${lane}_${m}, h${k})`)};`);
      }
    }
    lines.push("  }");
    for (const m of many) {
      const passed = (pass, other) => layer.passed
        ? `select(${other}, ${pass}, vec4f(0.0, 1.0, 2.0, 3.0) + 4.0 * f32(first + ${m}u) < vec4f(${layer.passed}.0))` : other;
      const store = (k, value) => lines.push(`    to_[(${k * outputs}u + first + ${m}u) * ${this.block}u + point] = ${value};`);
      lines.push(`  if (first + ${m}u < ${outputs}u) {`, `    let bias = weights[row${m} + ${4 * inputs}u];`);
      for (const k of components) lines.push(layer.squared ? `    let z${k} = z${k}_${m} * bias;` : `    let z${k} = z${k}_${m}${k === 0 ? " + bias" : ""};`);
      store(0, passed("z0", "f_0(z0)"));
      if (slopes) lines.push("    let s = f_1(z0);");
      for (let k = 1; k <= slopes; ++k) store(k, passed(`z${k}`, `s * z${k}`));
      if (laplacian) {
        const squares = components.slice(1, 1 + slopes).map((k) => `z${k} * z${k}`).join(" + "), k = slopes + 1;
        store(k, passed(`z${k}`, `s * z${k} + f_2(z0) * (${squares})`));
      }
      lines.push("  }");
    }
    return lines.concat("}").join("\n");
  }
  ensure(components) {
    if (components <= this.components) return;
    (this.buffers || []).forEach((buffer) => buffer.destroy());
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const size = 16 * components * this.groups * this.block;
    this.buffers = [0, 1].map(() => this.device.createBuffer({ size, usage }));
    this.components = components;
  }
  // As that of the other engine.
  async evaluate(points, count, directions, laplacian, tiles) {
    if (this.lost) throw new Error(`${this.lost}; reload the page`);
    const { device, block } = this, slopes = directions.length, flag = laplacian ? 1 : 0, components = 1 + slopes + flag;
    this.ensure(components);
    const pipelines = [];
    for (let index = 0; index < this.weights.length; ++index) pipelines.push(await this.pipeline(index, slopes, flag));
    const last = this.weights.length - 1, out = this.weights[last].outputs, blocks = Math.ceil(count / block), part = 16 * components * out * block;
    const staging = device.createBuffer({ size: part * blocks, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    for (let at = 0; at < blocks; ++at) {
      const start = at * block, size = Math.min(block, count - start), input = new Float32Array(4 * block * components);
      input.set(points.subarray(4 * start, 4 * (start + size)));
      directions.forEach((direction, k) => input.set(repeat(direction, size), 4 * block * (k + 1)));
      device.queue.writeBuffer(this.buffers[0], 0, input);
      if (tiles) device.queue.writeBuffer(this.tiles, 0, tiles, start, size);
      const encoder = device.createCommandEncoder();
      this.weights.forEach((weights, index) => {
        const side = index & 1, pass = encoder.beginComputePass();
        const buffers = [weights.buffer, this.buffers[side], this.buffers[1 - side]];
        if (this.layers[index].tiles > 1) buffers.push(this.tiles);
        const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
        pass.setPipeline(pipelines[index]);
        pass.setBindGroup(0, device.createBindGroup({ layout: pipelines[index].getBindGroupLayout(0), entries }));
        pass.dispatchWorkgroups(Math.ceil(size / 64), Math.ceil(weights.outputs / this.each(slopes, flag)));
        pass.end();
      });
      encoder.copyBufferToBuffer(this.buffers[(last + 1) & 1], 0, staging, part * at, part);
      device.queue.submit([encoder.finish()]);
    }
    await staging.mapAsync(GPUMapMode.READ);
    const data = new Float32Array(staging.getMappedRange()), result = new Float32Array(count * components * out * 4);
    for (let i = 0; i < count; ++i) {
      const base = (part / 4) * Math.floor(i / block), point = i % block;
      for (let row = 0; row < components * out; ++row) {
        const from = base + 4 * (row * block + point), to = 4 * (i * components * out + row);
        for (let lane = 0; lane < 4; ++lane) result[to + lane] = data[from + lane];
      }
    }
    staging.unmap();
    staging.destroy();
    if (this.lost) throw new Error(`${this.lost}; reload the page`);
    return result;
  }
}
