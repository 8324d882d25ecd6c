// Plays a sound: the samples of the visible range, evaluated a second ahead of the ear. Its engine is its own, so that pictures are drawn meanwhile.
// Seconds that are scheduled at once, and the most that are computed ahead.
const BLOCK = 1, AHEAD = 10;
// The lowest rate that every browser plays. Sounds of fewer samples a second are evaluated at a multiple of their rate.
const LOWEST_RATE = 8000;
class Player {
  static of(viewer) {
    const { axes, values } = viewer.field, [axis] = axes, seconds = axis.quantity[1] - axis.quantity[0];
    return values === "amplitude" && axis.unit === "s" && axis.samples > 1 && seconds > 0 ? new Player(viewer, axis, seconds) : null;
  }
  constructor(viewer, axis, seconds) {
    // Samples per second of the fitted sound.
    const own = (axis.samples - 1) / seconds, finer = Math.max(1, Math.ceil(LOWEST_RATE / own - 1e-9));
    // Quotients of whole samples and seconds are whole to rounding.
    const rate = Math.abs(own - Math.round(own)) < 1e-6 * own ? Math.round(own) * finer : own * finer;
    Object.assign(this, { viewer, axis, rate, spacing: axis.spacing / finer, count: (axis.samples - 1) * finer + 1, turn: 0 });
    this.button = document.querySelector("#sound button");
    this.head = document.querySelector("#head");
    this.button.parentElement.hidden = false;
  }
  seconds(sample) { return this.axis.quantity[0] + sample / this.rate; }
  // Returns the first sample on the screen and that behind the last one.
  range() {
    const { viewer, axis, spacing, count } = this, { canvas } = viewer, view = viewer.views.line;
    const [left, right] = [0, canvas.width].map((x) => (view.position(x, 0, canvas.width)[0] - axis.range[0]) / spacing);
    const first = clamp(Math.ceil(left - 1e-6), 0, count);
    return [first, clamp(Math.floor(right + 1e-6) + 1, first, count)];
  }
  label() {
    const [first, end] = this.range(), digits = clamp(Math.ceil(2 - Math.log10((end - first) / this.rate || 1)), 1, 6);
    const ends = [first, end].map((sample) => this.seconds(sample).toFixed(digits)).join(" to ");
    this.button.disabled = !this.playing && end === first;
    this.button.textContent = this.playing ? "Stop" : end - first === this.count ? "Play" : `Play ${ends} s`;
  }
  // Returns the samples of each channel from `first` to before `end`, or null where `isCurrent` says that nobody wants them.
  async samples(first, end, isCurrent = () => true) {
    const { viewer, axis, spacing } = this, { outputs, tone } = viewer.field, stride = 4 * GROUPS(outputs);
    this.engine ??= await viewer.createEngine();
    const channels = tone.map(() => new Float32Array(end - first));
    for (let from = first; from < end;) {
      const count = Math.min(end - from, viewer.budget()), points = new Float32Array(4 * count);
      // Coordinates are relative to one near by, so that single precision tells samples of a long sound apart.
      this.engine.recenter([axis.range[0] + from * spacing]);
      for (let i = 0; i < count; ++i) points[4 * i] = i * spacing;
      const started = performance.now(), values = await this.engine.evaluate(points, count, [], false);
      viewer.measured(count, performance.now() - started);
      if (!isCurrent()) return null;
      channels.forEach((channel, c) => {
        for (let i = 0; i < count; ++i) channel[from - first + i] = tone[c][0] * values[i * stride + c] + tone[c][1];
      });
      from += count;
    }
    return channels;
  }
  toggle() {
    if (this.playing) return this.stop();
    const [first, end] = this.range();
    if (end > first) this.play(first, end).catch((error) => this.fail(error));
  }
  async play(first, end) {
    const turn = ++this.turn, isCurrent = () => turn === this.turn, context = this.context = this.open();
    this.playing = true;
    this.label();
    await context.resume();
    // When the first sample of the range is heard: later, if the device computes more slowly than the sound plays.
    let origin = null, heard = null;
    const draw = () => {
      if (!isCurrent()) return;
      if (origin !== null) this.mark(first + Math.max(0, context.currentTime - origin) * this.rate);
      requestAnimationFrame(draw);
    };
    draw();
    for (let from = first; from < end;) {
      const to = Math.min(end, from + Math.ceil(BLOCK * this.rate)), channels = await this.samples(from, to, isCurrent);
      if (!channels) return;
      const buffer = context.createBuffer(channels.length, to - from, this.rate), source = context.createBufferSource();
      channels.forEach((channel, c) => buffer.copyToChannel(channel, c));
      source.buffer = buffer;
      source.connect(context.destination);
      const soonest = context.currentTime + 0.05;
      if (origin === null || origin + (from - first) / this.rate < soonest) origin = soonest - (from - first) / this.rate;
      heard = new Promise((resolve) => { source.onended = resolve; });
      source.start(origin + (from - first) / this.rate);
      from = to;
      while (isCurrent() && origin + (from - first) / this.rate > context.currentTime + AHEAD) await new Promise((resolve) => setTimeout(resolve, 100));
      if (!isCurrent()) return;
    }
    await heard;
    if (isCurrent()) this.stop();
  }
  open() {
    // A context of the sound's own rate joins blocks without a seam.
    try { return new AudioContext({ sampleRate: this.rate }); } catch { return new AudioContext(); }
  }
  // Shows what is heard.
  mark(sample) {
    const { canvas, views } = this.viewer, at = this.axis.range[0] + sample * this.spacing;
    const x = canvas.width / 2 + (at - views.line.center[0]) * views.line.scale(canvas.width);
    this.head.hidden = x < 0 || x > canvas.width;
    this.head.style.left = `${100 * x / canvas.width}%`;
  }
  stop() {
    ++this.turn;
    this.playing = false;
    this.head.hidden = true;
    this.context?.close();
    this.context = null;
    this.label();
  }
  fail(error) {
    this.stop();
    const message = document.querySelector("#message");
    message.textContent = `The sound of ${Math.round(this.rate)} samples per second cannot be played: ${error.message ?? error}.`;
    message.hidden = false;
  }
}
