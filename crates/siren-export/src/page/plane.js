// Pictures of a plane of the coordinates: pictures, clips at a time, waves, cuts through space.
class Plane {
  constructor(viewer, horizontal, vertical) {
    const { axes } = viewer.field;
    Object.assign(this, { viewer, axes, horizontal, vertical, image: document.createElement("canvas"), done: document.createElement("canvas") });
    this.home();
  }
  // Units of the screen are samples of the fitted signal, or coordinates where it has none.
  home() {
    const unit = (i) => (this.axes[i].range[1] - this.axes[i].range[0]) / this.axes[i].spacing + (this.axes[i].samples ? 1 : 0);
    this.size = [unit(this.horizontal), unit(this.vertical)];
    const isShown = (i) => i === this.horizontal || i === this.vertical || !this.center;
    this.center = this.axes.map((axis, i) => isShown(i) ? (axis.range[0] + axis.range[1]) / 2 : this.center[i]);
    this.zoom = 1;
  }
  // Pixels of the canvas per unit.
  scale(width, height) { return this.zoom * Math.min(width / this.size[0], height / this.size[1]); }
  get sign() { return this.axes[this.vertical].direction === "up" ? -1 : 1; }
  pan(dx, dy, width, height) {
    const scale = this.scale(width, height), [h, v] = [this.horizontal, this.vertical];
    this.center[h] -= dx / scale * this.axes[h].spacing;
    this.center[v] -= this.sign * dy / scale * this.axes[v].spacing;
  }
  zoomBy(factor, x, y, width, height) {
    const wanted = clamp(this.zoom * factor, 0.05, 1e12);
    this.pan(width / 2 - x, height / 2 - y, width, height);
    this.zoom = wanted;
    this.pan(x - width / 2, y - height / 2, width, height);
  }
  position(x, y, width, height) {
    const scale = this.scale(width, height), position = [...this.center];
    position[this.horizontal] += (x - width / 2) / scale * this.axes[this.horizontal].spacing;
    position[this.vertical] += this.sign * (y - height / 2) / scale * this.axes[this.vertical].spacing;
    return position;
  }
  directions(quantity) {
    if (quantity === "value") return [];
    const along = (axis, sign) => Object.assign(new Float32Array(4), { [axis]: sign * this.axes[axis].spacing });
    return [along(this.vertical, this.sign), along(this.horizontal, 1)];
  }
  // Evaluates rows `first` to `end` of a picture of `width` × `height` pixels of `step` pixels of the canvas, and returns their colors.
  async rows(width, height, scale, first, end) {
    const { viewer, axes, horizontal, vertical } = this, { quantity, engine, field } = viewer;
    // One more row of distances, since the surface is where their sign changes.
    const last = field.values === "distance" && quantity === "value" ? end + 1 : end, count = (last - first) * width;
    const points = new Float32Array(4 * count);
    for (let row = first, at = 0; row < last; ++row)
      for (let column = 0; column < width; ++column, at += 4) {
        points[at + horizontal] = (column + 0.5 - width / 2) / scale * axes[horizontal].spacing;
        points[at + vertical] = this.sign * (row + 0.5 - height / 2) / scale * axes[vertical].spacing;
      }
    const directions = this.directions(quantity), flag = quantity === "laplacian";
    const values = await engine.evaluate(points, count, directions, flag);
    return this.colors(values, (end - first) * width, quantity, 1 + directions.length + (flag ? 1 : 0), 4 * GROUPS(field.outputs), width);
  }
  colors(values, count, quantity, components, stride, width) {
    const { field, channel } = this.viewer, { tone, full } = field, pixels = new Uint8ClampedArray(4 * count).fill(255);
    const isColor = field.values === "intensity";
    const scalar = (i, k) => {
      const at = (i * components + k) * stride;
      if (field.channelWeights.length !== field.outputs) return values[at + channel];
      return field.channelWeights.reduce((sum, weight, c) => sum + weight * values[at + c], 0);
    };
    for (let i = 0; i < count; ++i) {
      let color;
      if (quantity === "gradient") color = gradientColor(scalar(i, 1), scalar(i, 2), full.gradient);
      else if (quantity === "laplacian") color = divergingColor(scalar(i, components - 1), full.laplacian);
      else if (isColor) {
        const shown = (c) => tone[c][0] * values[i * components * stride + c] + tone[c][1];
        color = field.outputs >= 3 ? [shown(0), shown(1), shown(2)] : Array(3).fill(shown(0));
      } else {
        const value = tone[channel][0] * values[i * components * stride + channel] + tone[channel][1];
        color = divergingColor(value, full.value);
        // The line where a distance is zero.
        const isInside = (at) => values[at * stride] < 0, right = (i + 1) % width ? i + 1 : i;
        if (field.values === "distance" && (isInside(i) !== isInside(right) || isInside(i) !== isInside(i + width))) color = [0, 0, 0];
      }
      for (let c = 0; c < 3; ++c) pixels[4 * i + c] = 255 * color[c];
    }
    return pixels;
  }
  // Draws from coarse to fine until another view is wanted.
  async draw(canvas, isCurrent, finest) {
    const { viewer, image, done } = this, context = canvas.getContext("2d"), { width, height } = canvas;
    viewer.engine.recenter([...this.center]);
    const scale = this.scale(width, height), frame = { center: [...this.center], scale, quantity: viewer.quantity };
    this.showLast(context, width, height, scale);
    let step = viewer.firstStep(width * height, finest);
    for (;; step = Math.max(step / 2, finest)) {
      const [columns, rows] = [Math.ceil(width / step), Math.ceil(height / step)];
      [image.width, image.height] = [columns, rows];
      const target = image.getContext("2d");
      for (let first = 0; first < rows;) {
        const end = Math.min(rows, first + Math.max(1, Math.floor(viewer.budget() / columns)));
        const started = performance.now();
        // The grid of a coarse picture is that of its own pixels, so that no picture is shifted.
        const pixels = await this.rows(columns, rows, scale / step, first, end);
        viewer.measured((end - first) * columns, performance.now() - started);
        if (!isCurrent()) return false;
        target.putImageData(new ImageData(pixels, columns, end - first), 0, first);
        context.imageSmoothingEnabled = step > 1;
        const [top, bottom] = [first, end].map((row) => (row - rows / 2) * step + height / 2);
        context.drawImage(image, 0, first, columns, end - first, (width - columns * step) / 2, top, columns * step, bottom - top);
        first = end;
      }
      [done.width, done.height] = [width, height];
      done.getContext("2d").drawImage(canvas, 0, 0);
      this.last = frame;
      viewer.seen();
      if (step === finest) return true;
    }
  }
  // Shows the last picture where it belongs in the present view, until there is a better one.
  showLast(context, width, height, scale) {
    const { last, done, axes, horizontal, vertical } = this;
    if (!last || last.quantity !== this.viewer.quantity) return;
    const factor = scale / last.scale, copy = document.createElement("canvas");
    [copy.width, copy.height] = [done.width, done.height];
    copy.getContext("2d").drawImage(done, 0, 0);
    const x = (last.center[horizontal] - this.center[horizontal]) / axes[horizontal].spacing * scale;
    const y = this.sign * (last.center[vertical] - this.center[vertical]) / axes[vertical].spacing * scale;
    context.fillStyle = "#808080";
    context.fillRect(0, 0, width, height);
    const [w, h] = [done.width * factor, done.height * factor];
    context.drawImage(copy, width / 2 + x - w / 2, height / 2 + y - h / 2, w, h);
  }
}
