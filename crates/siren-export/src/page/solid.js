// The surface where a field of three coordinates is zero, by sphere tracing.
class Solid {
  constructor(viewer) {
    Object.assign(this, { viewer, center: [0, 0, 0], image: document.createElement("canvas") });
    this.home();
  }
  home() { Object.assign(this, { azimuth: 0.5, elevation: 0.3, zoom: 1 }); }
  pan(dx, dy, width, height) {
    const radians = 3 / Math.min(width, height);
    this.azimuth -= dx * radians;
    this.elevation = clamp(this.elevation + dy * radians, -1.55, 1.55);
  }
  zoomBy(factor) { this.zoom = clamp(this.zoom * factor, 0.3, 1e4); }
  position() { return null; }
  async draw(canvas, isCurrent, finest) {
    const { viewer, image } = this, context = canvas.getContext("2d"), { width, height } = canvas;
    viewer.engine.recenter([...this.center]);
    // A ray costs about twenty evaluations.
    for (let step = viewer.firstStep(20 * width * height, finest); ; step = Math.max(step / 2, finest)) {
      const [columns, rows] = [Math.ceil(width / step), Math.ceil(height / step)];
      const pixels = await this.trace(columns, rows, Math.min(width, height) / step, isCurrent);
      if (!pixels) return false;
      [image.width, image.height] = [columns, rows];
      image.getContext("2d").putImageData(new ImageData(pixels, columns, rows), 0, 0);
      context.imageSmoothingEnabled = step > 1;
      context.drawImage(image, (width - columns * step) / 2, (height - rows * step) / 2, columns * step, rows * step);
      viewer.seen();
      if (step === finest) return true;
    }
  }
  // Evaluates `count` points in pieces that fit the budget; null if another view is wanted.
  async evaluate(points, count, directions, laplacian, isCurrent) {
    const { viewer } = this, { engine } = viewer, stride = 4 * (1 + directions.length + (laplacian ? 1 : 0)), all = new Float32Array(stride * count);
    for (let first = 0; first < count;) {
      const end = Math.min(count, first + viewer.budget()), started = performance.now();
      all.set(await engine.evaluate(points.subarray(4 * first, 4 * end), end - first, directions, laplacian), stride * first);
      viewer.measured(end - first, performance.now() - started);
      if (!isCurrent()) return null;
      first = end;
    }
    return all;
  }
  async trace(columns, rows, side, isCurrent) {
    const [sa, ca, se, ce] = [Math.sin(this.azimuth), Math.cos(this.azimuth), Math.sin(this.elevation), Math.cos(this.elevation)];
    const back = [sa * ce, se, ca * ce], right = [ca, 0, -sa], up = [-sa * se, ce, -ca * se], distance = 3.2, lens = 1.8 * this.zoom;
    const dark = matchMedia("(prefers-color-scheme: dark)").matches, ground = dark ? 24 : 238;
    const pixels = new Uint8ClampedArray(4 * columns * rows).fill(ground);
    for (let i = 3; i < pixels.length; i += 4) pixels[i] = 255;
    let active = [];
    for (let row = 0; row < rows; ++row)
      for (let column = 0; column < columns; ++column) {
        const x = 2 * (column + 0.5 - columns / 2) / side / lens, y = -2 * (row + 0.5 - rows / 2) / side / lens;
        const ray = [0, 1, 2].map((k) => x * right[k] + y * up[k] - back[k] * 1.2), length = Math.hypot(...ray);
        let near = 0, far = Infinity;
        for (let k = 0; k < 3; ++k) {
          ray[k] /= length;
          const ends = [-1, 1].map((side) => (side - back[k] * distance) / ray[k]).sort((a, b) => a - b);
          [near, far] = [Math.max(near, ends[0]), Math.min(far, ends[1])];
        }
        if (near < far) active.push({ pixel: row * columns + column, ray, t: near, far });
      }
    const place = (rays) => {
      const points = new Float32Array(4 * rays.length);
      rays.forEach(({ ray, t }, i) => { for (let k = 0; k < 3; ++k) points[4 * i + k] = back[k] * distance + t * ray[k]; });
      return points;
    };
    const hits = [], near = 0.4 / (side * lens);
    for (let turn = 0; turn < 96 && active.length; ++turn) {
      const values = await this.evaluate(place(active), active.length, [], false, isCurrent);
      if (!values) return null;
      active = active.filter((ray, i) => {
        const value = values[4 * i];
        if (value < near) { ray.t += value; hits.push(ray); return false; }
        ray.t += Math.max(0.9 * value, near);
        return ray.t < ray.far;
      });
    }
    const unit = (k) => Object.assign(new Float32Array(4), { [k]: 1 });
    const { quantity, field } = this.viewer, curved = quantity === "laplacian", stride = curved ? 20 : 16;
    const jets = await this.evaluate(place(hits), hits.length, [unit(0), unit(1), unit(2)], curved, isCurrent);
    if (!jets) return null;
    hits.forEach(({ pixel }, i) => {
      const slope = [1, 2, 3].map((k) => jets[stride * i + 4 * k]), norm = Math.hypot(...slope) || 1;
      const along = (axis) => slope.reduce((sum, s, k) => sum + s * axis[k], 0) / norm;
      const light = 0.3 + 0.7 * clamp(0.45 * along(right) + 0.6 * along(up) + 0.66 * along(back), 0, 1);
      // The colors are those of the quantity on the surface: its normal, or its Laplacian, twice the mean curvature.
      const base = curved ? divergingColor(jets[stride * i + 16], field.full.laplacian) : [0.87, 0.8, 0.7];
      const shade = quantity === "gradient" ? slope.map((s) => 0.5 + 0.5 * s / norm) : base.map((c) => c * light);
      for (let c = 0; c < 3; ++c) pixels[4 * pixel + c] = 255 * shade[c];
    });
    return pixels;
  }
}
