// Evaluation by WebGL 2: one pass per layer over a block of points. A texture holds the activations of a block, x = point, y = group of four
// features; each component of the jet (value, derivatives, Laplacian) has a texture of its own, all written by one pass.
class WebGlEngine {
  static create(layers, shaders) {
    const gl = document.createElement("canvas").getContext("webgl2", { antialias: false, depth: false, powerPreference: "high-performance" });
    if (!gl || !gl.getExtension("EXT_color_buffer_float")) return null;
    const size = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    const fits = (layer) => GROUPS(Math.max(layer.fanIn, layer.fanOut)) <= size && WebGlEngine.columns(layer, size) * ROW(layer) <= size;
    if (!layers.every(fits)) return null;
    return new WebGlEngine(gl, layers, shaders, size);
  }
  constructor(gl, layers, shaders, size) {
    Object.assign(this, { gl, layers, shaders, size, name: "WebGL 2", programs: new Map(), block: Math.min(2048, size) });
    this.most = Math.min(gl.getParameter(gl.MAX_DRAW_BUFFERS), gl.getParameter(gl.MAX_COLOR_ATTACHMENTS));
    this.weights = layers.map((layer) => this.upload(layer));
    this.groups = Math.max(...layers.map((layer) => GROUPS(Math.max(layer.fanIn, layer.fanOut))));
    this.buffers = [];
    // The tile of each point of a block.
    this.tiles = this.texture(this.block, 1, null, gl.R32F);
    gl.bindVertexArray(gl.createVertexArray());
  }
  // Columns of tiles in the texture of a layer, each of as many tiles as a texture is high.
  static columns(layer, size) { return Math.ceil(layer.tiles / Math.floor(size / GROUPS(layer.fanOut))); }
  texture(width, height, data = null, format = this.gl.RGBA32F) {
    const gl = this.gl, texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, format, width, height);
    if (data) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RGBA, gl.FLOAT, data);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return texture;
  }
  upload(layer) {
    const { gl, size } = this, inputs = GROUPS(layer.fanIn), outputs = GROUPS(layer.fanOut), row = ROW(layer), data = weightRows(layer);
    const columns = WebGlEngine.columns(layer, size), each = Math.ceil(layer.tiles / columns), texture = this.texture(columns * row, each * outputs);
    for (let column = 0; column < columns; ++column) {
      const first = column * each, count = Math.min(each, layer.tiles - first), part = 4 * row * outputs;
      gl.texSubImage2D(gl.TEXTURE_2D, 0, column * row, 0, row, count * outputs, gl.RGBA, gl.FLOAT, data.subarray(part * first, part * (first + count)));
    }
    return { texture, inputs, outputs, each };
  }
  recenter(layer) {
    this.gl.deleteTexture(this.weights[0].texture);
    this.weights[0] = this.upload(layer);
  }
  // Components of a jet: the value, `slopes` derivatives and the Laplacian.
  program(index, slopes, laplacian) {
    const key = `${index} ${slopes} ${laplacian}`;
    if (!this.programs.has(key)) this.programs.set(key, this.compile(this.source(index, slopes, laplacian)));
    return this.programs.get(key);
  }
  source(index, slopes, laplacian) {
    const layer = this.layers[index], { outputs, each: most } = this.weights[index], count = 1 + slopes + laplacian, each = [...Array(count).keys()];
    const lines = ["#version 300 es", "precision highp float;", "precision highp sampler2D;", "uniform sampler2D weights, tiles;", "uniform int inputs;",
      ...each.map((k) => `uniform sampler2D from${k}; layout(location = ${k}) out vec4 to${k};`), this.shaders.library, this.shaders.functions[index]];
    const fetch = (k) => `texelFetch(from${k}, ivec2(at.x, i), 0)`;
    const passed = (pass, other) => layer.passed ? `mix(${other}, ${pass}, lessThan(vec4(0, 1, 2, 3) + float(4 * at.y), vec4(${layer.passed})))` : other;
    lines.push("void main() {", "  ivec2 at = ivec2(gl_FragCoord.xy), row = ivec2(0, at.y);");
    if (layer.tiles > 1) lines.push("  int tile = int(texelFetch(tiles, ivec2(at.x, 0), 0).x);", `  row += ivec2(tile / ${most} * ${ROW(layer)}, tile % ${most} * ${outputs});`);
    lines.push(...each.map((k) => `  vec4 z${k} = vec4(0.0);`),
      "  for (int i = 0; i < inputs; ++i) {",
      ...[0, 1, 2, 3].map((lane) => `    vec4 w${lane} = texelFetch(weights, row + ivec2(4 * i + ${lane}, 0), 0);`));
    if (layer.squared) {
      lines.push(`    vec4 h = ${fetch(0)}, d;`);
      for (const lane of [0, 1, 2, 3]) {
        const x = "xyzw"[lane];
        lines.push(`    d = h - w${lane};`, `    z0.${x} += dot(d, d);`);
        for (let k = 1; k <= slopes; ++k) lines.push(`    z${k}.${x} += 2.0 * dot(d, ${fetch(k)});`);
        // The coordinates have no second derivatives; those of the squared distance are twice the squared lengths of the directions.
        if (laplacian) for (let k = 1; k <= slopes; ++k) lines.push(`    z${slopes + 1}.${x} += 2.0 * dot(${fetch(k)}, ${fetch(k)});`);
      }
    } else {
      for (const k of each) lines.push(`    vec4 h${k} = ${fetch(k)};`, `    z${k} += vec4(dot(w0, h${k}), dot(w1, h${k}), dot(w2, h${k}), dot(w3, h${k}));`);
    }
    lines.push("  }", "  vec4 bias = texelFetch(weights, row + ivec2(4 * inputs, 0), 0);");
    if (layer.squared) lines.push(...each.map((k) => `  z${k} *= bias;`));
    else lines.push("  z0 += bias;");
    lines.push(`  to0 = ${passed("z0", "f_0(z0)")};`);
    if (slopes) lines.push("  vec4 s = f_1(z0);", ...each.slice(1, 1 + slopes).map((k) => `  to${k} = ${passed(`z${k}`, `s * z${k}`)};`));
    if (laplacian) {
      const squares = each.slice(1, 1 + slopes).map((k) => `z${k} * z${k}`).join(" + "), k = slopes + 1;
      lines.push(`  to${k} = ${passed(`z${k}`, `s * z${k} + f_2(z0) * (${squares})`)};`);
    }
    return lines.concat("}").join("\n");
  }
  compile(source) {
    const gl = this.gl, program = gl.createProgram();
    const vertex = "#version 300 es\nvoid main() { gl_Position = vec4(vec2((gl_VertexID << 1) & 2, gl_VertexID & 2) * 2.0 - 1.0, 0.0, 1.0); }";
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, source]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
      throw new Error(`the shader does not compile: ${logs.join("")}${gl.getProgramInfoLog(program)}`);
    }
    const place = (name) => gl.getUniformLocation(program, name);
    return { program, weights: place("weights"), tiles: place("tiles"), inputs: place("inputs"), from: [0, 1, 2, 3, 4].map((k) => place(`from${k}`)) };
  }
  // Two sets of textures, between which layers alternate, with one framebuffer per number of components.
  ensure(count) {
    while (this.buffers.length < count) this.buffers.push([0, 1].map(() => this.texture(this.block, this.groups)));
  }
  framebuffer(textures) {
    const gl = this.gl, framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    textures.forEach((texture, k) => gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + k, gl.TEXTURE_2D, texture, 0));
    gl.drawBuffers(textures.map((_, k) => gl.COLOR_ATTACHMENT0 + k));
    return framebuffer;
  }
  // Returns for `count` points `(count, 4)`, relative to the center, the components `(components, groups of outputs, 4)` of each.
  // `directions` are the coordinates' changes along the derivatives, each of 4 values; `tiles` the tiles of the points, if there are tiles.
  async evaluate(points, count, directions, laplacian, tiles) {
    const gl = this.gl, slopes = directions.length, components = 1 + slopes + (laplacian ? 1 : 0);
    if (components > this.most) throw new Error(`this device writes ${this.most} textures at once, and this quantity needs ${components}`);
    this.ensure(components);
    const last = this.weights.length - 1, out = this.weights[last].outputs, blocks = Math.ceil(count / this.block);
    const chosen = (side) => [...Array(components).keys()].map((k) => this.buffers[k][side]);
    const framebuffers = [0, 1].map((side) => this.framebuffer(chosen(side)));
    const result = new Float32Array(count * components * out * 4), part = [];
    for (let block = 0; block < blocks; ++block) {
      const start = block * this.block, size = Math.min(this.block, count - start);
      const set = (k, data) => {
        gl.bindTexture(gl.TEXTURE_2D, this.buffers[k][0]);
        gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, size, 1, gl.RGBA, gl.FLOAT, data);
      };
      set(0, points.subarray(4 * start, 4 * (start + size)));
      directions.forEach((direction, k) => set(k + 1, repeat(direction, size)));
      if (laplacian) set(components - 1, new Float32Array(4 * size));
      if (tiles) {
        gl.bindTexture(gl.TEXTURE_2D, this.tiles);
        gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, size, 1, gl.RED, gl.FLOAT, tiles.subarray(start, start + size));
      }
      this.weights.forEach((weights, index) => {
        const { program, weights: slot, tiles: ofTiles, inputs, from } = this.program(index, slopes, laplacian);
        const side = index & 1;
        gl.useProgram(program);
        gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffers[1 - side]);
        gl.viewport(0, 0, size, weights.outputs);
        gl.activeTexture(gl.TEXTURE0);
        gl.bindTexture(gl.TEXTURE_2D, weights.texture);
        gl.uniform1i(slot, 0);
        // Behind the weights and at most five components.
        gl.activeTexture(gl.TEXTURE6);
        gl.bindTexture(gl.TEXTURE_2D, this.tiles);
        gl.uniform1i(ofTiles, 6);
        gl.uniform1i(inputs, weights.inputs);
        for (let k = 0; k < components; ++k) {
          gl.activeTexture(gl.TEXTURE1 + k);
          gl.bindTexture(gl.TEXTURE_2D, this.buffers[k][side]);
          gl.uniform1i(from[k], 1 + k);
        }
        gl.activeTexture(gl.TEXTURE0);
        gl.drawArrays(gl.TRIANGLES, 0, 3);
      });
      const side = (last + 1) & 1;
      gl.bindFramebuffer(gl.READ_FRAMEBUFFER, framebuffers[side]);
      for (let k = 0; k < components; ++k) {
        gl.readBuffer(gl.COLOR_ATTACHMENT0 + k);
        const buffer = gl.createBuffer();
        gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
        gl.bufferData(gl.PIXEL_PACK_BUFFER, 16 * size * out, gl.STREAM_READ);
        gl.readPixels(0, 0, size, out, gl.RGBA, gl.FLOAT, 0);
        part.push({ buffer, start, size, k });
      }
    }
    await this.finished();
    for (const { buffer, start, size, k } of part) {
      const data = new Float32Array(4 * size * out);
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
      gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, data);
      gl.deleteBuffer(buffer);
      for (let group = 0; group < out; ++group)
        for (let i = 0; i < size; ++i) {
          const to = (((start + i) * components + k) * out + group) * 4, from = 4 * (group * size + i);
          for (let lane = 0; lane < 4; ++lane) result[to + lane] = data[from + lane];
        }
    }
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    framebuffers.forEach((framebuffer) => gl.deleteFramebuffer(framebuffer));
    return result;
  }
  // Resolves when the device has run all that was submitted; the page stays responsive meanwhile.
  finished() {
    const gl = this.gl, sync = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    return new Promise((resolve, reject) => {
      const poll = () => {
        if (gl.isContextLost()) return reject(new Error("the graphics device was lost; reload the page"));
        const status = gl.clientWaitSync(sync, 0, 0);
        if (status === gl.TIMEOUT_EXPIRED) return setTimeout(poll, 1);
        gl.deleteSync(sync);
        resolve();
      };
      poll();
    });
  }
}
