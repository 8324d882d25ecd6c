// Curves over one coordinate: sounds.
class Line {
  constructor(viewer) {
    Object.assign(this, { viewer, axis: viewer.field.axes[0] });
    this.home();
  }
  home() {
    this.center = [(this.axis.range[0] + this.axis.range[1]) / 2];
    this.zoom = 1;
  }
  // Pixels per coordinate.
  scale(width) { return this.zoom * width / (this.axis.range[1] - this.axis.range[0]); }
  pan(dx, dy, width) { this.center[0] -= dx / this.scale(width); }
  zoomBy(factor, x, y, width) {
    this.pan(width / 2 - x, 0, width);
    this.zoom = clamp(this.zoom * factor, 0.5, 1e12);
    this.pan(x - width / 2, 0, width);
  }
  position(x, y, width) { return [this.center[0] + (x - width / 2) / this.scale(width)]; }
  // Draws the range of values within each column of pixels, from 1 point per column to as many as there are samples, at most 64.
  async draw(canvas, isCurrent, finest) {
    const { viewer, axis } = this, { field, quantity, engine } = viewer, { width, height } = canvas;
    engine.recenter([...this.center]);
    const scale = this.scale(width), wanted = clamp(2 ** Math.ceil(Math.log2(1 / (scale * axis.spacing))), 1, finest > 1 ? 1 : 64);
    const order = ["value", "gradient", "laplacian"].indexOf(quantity), full = field.full[quantity];
    const directions = order ? [Float32Array.of(axis.spacing, 0, 0, 0)] : [], components = 1 + order, stride = 4 * GROUPS(field.outputs);
    for (let each = 1; ; each = Math.min(4 * each, wanted)) {
      const count = width * each, low = [], high = [];
      for (let first = 0; first < count;) {
        const end = Math.min(count, first + viewer.budget()), points = new Float32Array(4 * (end - first));
        for (let i = first; i < end; ++i) points[4 * (i - first)] = ((i + 0.5) / each - width / 2) / scale;
        const started = performance.now();
        const values = await engine.evaluate(points, end - first, directions, order === 2);
        viewer.measured(end - first, performance.now() - started);
        if (!isCurrent()) return false;
        for (let i = first; i < end; ++i)
          for (let c = 0; c < field.outputs; ++c) {
            const [gain, offset] = order ? [1, 0] : field.tone[c];
            const value = gain * values[((i - first) * components + order) * stride + c] + offset, at = Math.floor(i / each) * field.outputs + c;
            low[at] = i % each ? Math.min(low[at], value) : value;
            high[at] = i % each ? Math.max(high[at], value) : value;
          }
        first = end;
      }
      this.paint(canvas, low, high, full);
      viewer.seen();
      if (each === wanted) return true;
    }
  }
  paint(canvas, low, high, full) {
    const { outputs } = this.viewer.field, context = canvas.getContext("2d"), { width, height } = canvas, style = getComputedStyle(document.body);
    context.fillStyle = style.getPropertyValue("--ground");
    context.fillRect(0, 0, width, height);
    const lane = height / outputs;
    for (let c = 0; c < outputs; ++c) {
      const y = (value) => lane * (c + 0.5 - 0.45 * clamp(value / full, -1.1, 1.1));
      context.fillStyle = style.getPropertyValue("--faint");
      context.fillRect(0, lane * (c + 0.5), width, 1);
      context.fillStyle = style.getPropertyValue("--accent");
      for (let x = 0; x < width; ++x) {
        // A column reaches to the middle of the way to its neighbor, so that the curve has no gaps.
        const at = x * outputs + c, next = Math.min(x + 1, width - 1) * outputs + c;
        const top = y(Math.max(high[at], Math.min(low[next], high[next]))), bottom = y(Math.min(low[at], Math.max(low[next], high[next])));
        context.fillRect(x, Math.min(top, bottom) - 0.75, 1, Math.abs(bottom - top) + 1.5);
      }
    }
  }
}
