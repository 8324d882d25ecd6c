// The page: which view is shown, what the user does, and how long the device takes.
const QUANTITIES = ["value", "gradient", "laplacian"];
class Viewer {
  constructor(field) {
    this.field = field;
    this.layers = unpack(field);
    this.canvas = document.querySelector("canvas");
    const hash = new URLSearchParams(location.hash.slice(1));
    this.quantity = QUANTITIES.includes(hash.get("quantity")) ? hash.get("quantity") : "value";
    this.channel = clamp(Number(hash.get("channel")) || 0, 0, field.outputs - 1);
    // Points per millisecond; measured.
    this.speed = 20;
    this.generation = 0;
    this.ratio = Number(hash.get("ratio")) || Math.min(devicePixelRatio || 1, 2);
    const at = (directions) => field.axes.findIndex((axis) => directions.includes(axis.direction));
    this.hidden = at(["time", "depth"]);
    this.views = field.values === "amplitude" ? { line: new Line(this) } : {};
    if (field.values === "distance") this.views.surface = new Solid(this);
    if (field.values !== "amplitude") this.views[field.values === "distance" ? "cut" : "plane"] = new Plane(this, at(["right"]), at(["down", "up"]));
    this.plane = this.views.cut ?? this.views.plane;
    this.select(hash.get("view") in this.views ? hash.get("view") : Object.keys(this.views)[0]);
    this.restore(hash);
  }
  async start() {
    this.engine = await this.createEngine();
    this.sound = Player.of(this);
    this.controls();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.resize();
  }
  async createEngine() {
    this.wanted ??= new URLSearchParams(location.hash.slice(1)).get("engine") ?? "any";
    const { layers, wanted, field: { shaders } } = this;
    const engine = (wanted !== "webgl2" && await WebGpuEngine.create(layers, shaders.wgsl)) || (wanted !== "webgpu" && WebGlEngine.create(layers, shaders.glsl));
    if (!engine) throw new Error("this browser offers neither WebGPU nor WebGL 2 with float textures: try another browser, or switch on hardware acceleration");
    return evaluator(engine, this.field, layers);
  }
  select(name) { [this.viewName, this.view] = [name, this.views[name]]; }
  // A page with a fragment such as `#x=0.2&y=-0.1&zoom=8&quantity=gradient` opens that view.
  restore(hash) {
    const number = (key, set) => { if (hash.has(key) && isFinite(hash.get(key))) set(Number(hash.get(key))); };
    const { view } = this;
    number("zoom", (zoom) => { view.zoom = zoom > 0 ? zoom : 1; });
    number("x", (x) => { view.center[view.horizontal ?? 0] = x; });
    number("y", (y) => { if (view.vertical !== undefined) view.center[view.vertical] = y; });
    number("at", (at) => this.setHidden(at));
    for (const angle of ["azimuth", "elevation"]) number(angle, (value) => { view[angle] = value; });
  }
  fragment() {
    const { view } = this, parts = { quantity: this.quantity };
    if (Object.keys(this.views).length > 1) parts.view = this.viewName;
    if (this.field.outputs > 1 && this.field.values === "signed") parts.channel = this.channel;
    parts.zoom = Number(view.zoom.toPrecision(7));
    if (view instanceof Solid) Object.assign(parts, { azimuth: view.azimuth.toFixed(3), elevation: view.elevation.toFixed(3) });
    else {
      parts.x = view.center[view.horizontal ?? 0];
      if (view.vertical !== undefined) parts.y = view.center[view.vertical];
      if (this.hidden >= 0) parts.at = view.center[this.hidden];
    }
    return `#${new URLSearchParams(parts)}`;
  }
  setHidden(at) {
    if (this.hidden < 0 || !this.plane) return;
    const [low, high] = this.field.axes[this.hidden].range;
    this.plane.center[this.hidden] = clamp(at, low, high);
  }
  // Called with every whole picture, coarse or fine.
  seen() {
    this.firstSeen ??= performance.now();
    this.pictures = (this.pictures ?? 0) + 1;
  }
  // Points that fit into 25 ms, so that the page answers; powers of two, so that few sizes are used.
  budget() { return 2 ** clamp(Math.floor(Math.log2(25 * this.speed)), 8, 18); }
  measured(points, milliseconds) {
    if (points < 64 || !(milliseconds > 0)) return;
    this.speed = 0.7 * this.speed + 0.3 * clamp(points / milliseconds, 1, 1e5);
  }
  // The first picture is the finest that takes less than 60 ms.
  firstStep(points, finest) {
    let step = Math.max(32, finest);
    while (step > finest && points / (step / 2) ** 2 < 60 * this.speed) step /= 2;
    return step;
  }
  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const [width, height] = [clientWidth, clientHeight].map((side) => Math.max(1, Math.round(side * this.ratio)));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.refresh();
  }
  // Starts the picture of the present view; the one that is being computed ends at its next piece.
  refresh() {
    const generation = ++this.generation, isCurrent = () => generation === this.generation;
    this.show();
    const drawn = (this.pending ?? Promise.resolve()).then(async () => {
      if (!isCurrent()) return;
      document.body.dataset.state = "drawing";
      const started = performance.now(), finest = this.playing ? this.playStep() : 1;
      if (await this.view.draw(this.canvas, isCurrent, finest)) {
        document.body.dataset.state = "done";
        this.lastDrawn = performance.now() - started;
        // Browsers limit how often an address changes.
        clearTimeout(this.naming);
        if (!this.playing) this.naming = setTimeout(() => history.replaceState(null, "", this.fragment()), 600);
        this.show();
      }
    }).catch((error) => this.fail(error));
    this.pending = drawn;
    return drawn;
  }
  // While a clip plays, a picture takes less than 60 ms, unless it is very coarse.
  playStep() { return this.firstStep(this.canvas.width * this.canvas.height, 1); }
  fail(error) {
    document.body.dataset.state = "failed";
    document.querySelector("#message").textContent = `The field cannot be drawn: ${error.message ?? error}.`;
    document.querySelector("#message").hidden = false;
  }
  // Resolves when the whole picture is there.
  async idle() {
    for (let seen; seen !== this.pending;) await (seen = this.pending);
  }
  show(pointer = this.pointer) {
    const { view, canvas, field } = this, parts = [];
    const position = pointer && view.position(pointer[0], pointer[1], canvas.width, canvas.height);
    for (const [i, axis] of (position ? field.axes : []).entries()) {
      const [[low, high], [from, to]] = [axis.range, axis.quantity], quantity = from + (position[i] - low) / ((high - low) || 1) * (to - from);
      const digits = clamp(2 + Math.ceil(Math.log10(view.zoom * 1000 / (Math.abs(to - from) || 1))), 0, 12);
      parts.push(`${axis.name} ${quantity.toFixed(digits)}${axis.unit && " " + axis.unit}`);
    }
    const zoom = view.zoom >= 1e5 ? view.zoom.toExponential(1) : Number(view.zoom.toPrecision(3));
    document.querySelector("#status").textContent = [`× ${zoom}`, ...parts, this.engine?.name].join("   ");
    for (const button of document.querySelectorAll("[data-quantity]")) button.setAttribute("aria-pressed", button.dataset.quantity === this.quantity);
    for (const button of document.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === this.viewName);
    this.sound?.label();
    const channels = document.querySelector("#channel");
    if (channels) channels.selectedIndex = this.channel;
    const scrub = document.querySelector("#scrub"), axis = field.axes[this.hidden], isPlane = view === this.plane;
    scrub.hidden = !(axis && isPlane);
    if (!scrub.hidden) {
      const [low, high] = axis.range, share = (view.center[this.hidden] - low) / (high - low);
      scrub.querySelector("input").value = 1000 * share;
      scrub.querySelector("output").textContent = `${axis.name} ${(axis.quantity[0] + share * (axis.quantity[1] - axis.quantity[0])).toFixed(2)} ${axis.unit}`;
      scrub.querySelector("button").textContent = this.playing ? "Pause" : "Play";
    }
  }
  act(name) {
    const { canvas, view } = this, { width, height } = canvas, [x, y] = this.pointer ?? [width / 2, height / 2];
    const by = Math.min(width, height) / 8;
    const acts = {
      in: () => view.zoomBy(1.5, x, y, width, height), out: () => view.zoomBy(1 / 1.5, x, y, width, height), home: () => view.home(),
      left: () => view.pan(by, 0, width, height), right: () => view.pan(-by, 0, width, height),
      up: () => view.pan(0, by, width, height), down: () => view.pan(0, -by, width, height), play: () => this.sound ? this.sound.toggle() : this.play(),
      channel: () => { this.channel = (this.channel + 1) % this.field.outputs; },
      cut: () => { const names = Object.keys(this.views); this.select(names[(names.indexOf(this.viewName) + 1) % names.length]); },
    };
    if (QUANTITIES.includes(name)) this.quantity = name;
    else acts[name]();
    this.refresh();
  }
  // Plays the hidden axis, as fast as its unit says, or in five seconds.
  async play() {
    this.playing = !this.playing;
    const axis = this.field.axes[this.hidden], [low, high] = axis?.range ?? [];
    if (!axis || !this.playing) return;
    const seconds = axis.unit === "s" ? Math.max(axis.quantity[1] - axis.quantity[0], 0.1) : 5;
    for (let before = performance.now(); this.playing;) {
      await this.idle();
      await new Promise(requestAnimationFrame);
      const now = performance.now(), plane = this.plane;
      plane.center[this.hidden] += (now - before) / 1000 / seconds * (high - low);
      if (plane.center[this.hidden] > high) plane.center[this.hidden] = low;
      before = now;
      if (this.playing) this.refresh();
    }
  }
  controls() {
    const { canvas } = this, pointers = new Map(), local = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
    };
    const keys = { "+": "in", "=": "in", "-": "out", "0": "home", ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
      v: "value", g: "gradient", l: "laplacian", " ": "play", c: "cut", n: "channel" };
    addEventListener("keydown", (event) => {
      const name = keys[event.key];
      const isTyping = event.target.matches("input, select") || (event.target.matches("button") && event.key === " ");
      if (!name || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
      event.preventDefault();
      this.act(name);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const delta = event.deltaY * (event.deltaMode ? 20 : 1);
      this.view.zoomBy(Math.exp(-clamp(delta, -200, 200) / 250), ...local(event), canvas.width, canvas.height);
      this.refresh();
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); pointers.set(event.pointerId, local(event)); });
    const release = (event) => pointers.delete(event.pointerId);
    ["pointerup", "pointercancel"].forEach((name) => canvas.addEventListener(name, release));
    canvas.addEventListener("pointerleave", () => { this.pointer = null; this.show(); });
    canvas.addEventListener("pointermove", (event) => {
      const to = local(event), from = pointers.get(event.pointerId), { width, height } = canvas;
      this.pointer = event.pointerType === "mouse" ? to : null;
      if (!from) return this.show();
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const reach = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
        this.view.zoomBy(reach(to) / reach(from), ...other, width, height);
      } else this.view.pan(to[0] - from[0], to[1] - from[1], width, height);
      pointers.set(event.pointerId, to);
      this.refresh();
    });
    canvas.addEventListener("dblclick", () => this.act("in"));
    for (const button of document.querySelectorAll("[data-act]")) button.addEventListener("click", () => this.act(button.dataset.act));
    for (const button of document.querySelectorAll("[data-quantity]")) button.addEventListener("click", () => this.act(button.dataset.quantity));
    for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => { this.select(button.dataset.view); this.refresh(); });
    document.querySelector("#channel")?.addEventListener("change", (event) => { this.channel = event.target.selectedIndex; this.refresh(); });
    document.querySelector("#scrub input").addEventListener("input", (event) => {
      const [low, high] = this.field.axes[this.hidden].range;
      this.playing = false;
      this.setHidden(low + event.target.value / 1000 * (high - low));
      this.refresh();
    });
  }
  // Returns the picture of the fitted signal, `(height, width, 4)` levels, at its own size times `factor`, as the program renders it.
  async picture(quantity, factor = 1) {
    const view = new Plane(this, this.plane.horizontal, this.plane.vertical), before = this.quantity;
    view.center = [...this.plane.center];
    view.home();
    if (this.hidden >= 0) view.center[this.hidden] = this.plane.center[this.hidden];
    await this.idle();
    this.quantity = quantity;
    this.engine.recenter([...view.center]);
    const [width, height] = view.size.map((side) => Math.round(side * factor)), rows = [];
    for (let row = 0; row < height; row += 16) rows.push(await view.rows(width, height, factor, row, Math.min(row + 16, height)));
    this.quantity = before;
    return { width, height, pixels: new Uint8ClampedArray(await new Blob(rows).arrayBuffer()) };
  }
}
const viewer = new Viewer(FIELD);
window.sirenViewer = viewer;
viewer.start().catch((error) => viewer.fail(error));
