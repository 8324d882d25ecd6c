"use strict";
for (const pair of document.querySelectorAll(".pair")) {
  const range = pair.querySelector("input");
  const move = () => pair.style.setProperty("--share", range.value + "%");
  range.addEventListener("input", move);
  move();
}
for (const strip of document.querySelectorAll(".strip")) {
  const audio = strip.parentElement.querySelector("audio");
  const head = strip.querySelector(".playhead");
  const show = () => {
    head.style.display = "block";
    head.style.left = 100 * audio.currentTime / (audio.duration || 1) + "%";
    if (!audio.paused) requestAnimationFrame(show);
  };
  for (const event of ["play", "seeked", "pause"]) audio.addEventListener(event, show);
  // One sound at a time.
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
}
for (const box of document.querySelectorAll(".only input")) {
  const config = box.closest("details").querySelector(".config");
  const show = () => config.classList.toggle("changed", box.checked);
  box.addEventListener("change", show);
  show();
}
for (const button of document.querySelectorAll(".command button")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
  });
}

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
for (const clip of document.querySelectorAll(".frames")) {
  const frames = clip.querySelectorAll("img");
  const [player, button, range, output] = [".player", "button", "input", "output"].map((name) => clip.querySelector(name));
  if (frames.length < 2) continue;
  player.hidden = false;
  let current = 0;
  let timer = 0;
  const show = (index) => {
    frames[current].hidden = true;
    current = index;
    frames[current].hidden = false;
    range.value = current + 1;
    output.textContent = current + 1;
  };
  const play = (plays) => {
    clearInterval(timer);
    timer = plays ? setInterval(() => show((current + 1) % frames.length), 1000 * Math.max(0.02, clip.dataset.seconds)) : 0;
    button.textContent = plays ? "Pause" : "Play";
  };
  button.addEventListener("click", () => play(!timer));
  range.addEventListener("input", () => {
    play(false);
    show(range.value - 1);
  });
  play(!still);
}

// A mesh in perspective, lit from the camera; every triangle has the normal of its plane.
const vertexShader = `#version 300 es
in vec3 place;
uniform mat3 turn;
uniform float scale;
uniform float aspect;
out vec3 seen;
void main() {
  seen = turn * (place - 0.5) * scale;
  float depth = 2.6 - seen.z;
  gl_Position = vec4(seen.x * 3.2 / aspect, seen.y * 3.2, (depth - 1.7) * 1.2, depth);
}`;
const fragmentShader = `#version 300 es
precision highp float;
in vec3 seen;
out vec4 color;
void main() {
  vec3 normal = normalize(cross(dFdx(seen), dFdy(seen)));
  float light = 0.25 + 0.6 * abs(normal.z) + 0.15 * max(0.0, normal.y);
  color = vec4(light * vec3(0.83, 0.86, 0.9), 1.0);
}`;

function bytes(text) {
  const raw = atob(text);
  const array = new Uint8Array(raw.length);
  for (let index = 0; index < raw.length; index++) array[index] = raw.charCodeAt(index);
  return array.buffer;
}

function program(gl) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertexShader], [gl.FRAGMENT_SHADER, fragmentShader]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.bindAttribLocation(made, 0, "place");
  gl.linkProgram(made);
  return made;
}

function turntable(canvas) {
  const button = canvas.parentElement.querySelector("button");
  const gl = canvas.getContext("webgl2", { antialias: true, alpha: true });
  if (!gl) {
    canvas.hidden = true;
    button.parentElement.textContent = "This browser draws no meshes (it has no WebGL 2).";
    return;
  }
  const made = program(gl);
  const vertices = new Uint16Array(bytes(canvas.dataset.vertices));
  const triangles = new Uint32Array(bytes(canvas.dataset.triangles));
  gl.useProgram(made);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, vertices, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 3, gl.UNSIGNED_SHORT, true, 0, 0);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
  gl.enable(gl.DEPTH_TEST);
  const [turn, scale, aspect] = ["turn", "scale", "aspect"].map((name) => gl.getUniformLocation(made, name));
  const view = { yaw: 0.5, pitch: 0.3, scale: 1 };
  let turns = false;
  let last = 0;
  let isQueued = false;
  let isVisible = false;
  let slow = 0;
  const draw = (now) => {
    isQueued = false;
    // Without a graphics card every frame may take seconds of the processor.
    slow = turns && now - last > 300 ? slow + 1 : 0;
    if (slow > 3) rotate(false);
    if (turns && isVisible) {
      view.yaw += 0.0006 * Math.min(100, now - last);
      queue();
    }
    last = now;
    const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
    const ratio = Math.min(2, devicePixelRatio);
    const [width, height] = [Math.round(ratio * canvas.clientWidth), Math.round(ratio * canvas.clientWidth * 0.75)];
    if (canvas.width !== width && width > 0) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix3fv(turn, false, [cy, sp * sy, -cp * sy, 0, cp, sp, sy, -sp * cy, cp * cy]);
    gl.uniform1f(scale, view.scale);
    gl.uniform1f(aspect, canvas.width / canvas.height);
    gl.drawElements(gl.TRIANGLES, triangles.length, gl.UNSIGNED_INT, 0);
  };
  const queue = () => {
    if (!isQueued) requestAnimationFrame(draw);
    isQueued = true;
  };
  const rotate = (plays) => {
    turns = plays;
    slow = 0;
    last = performance.now();
    button.textContent = plays ? "Stop" : "Turn";
    queue();
  };
  button.addEventListener("click", () => rotate(!turns));
  canvas.addEventListener("pointerdown", (event) => {
    rotate(false);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    view.yaw += 0.01 * event.movementX;
    view.pitch = Math.max(-1.5, Math.min(1.5, view.pitch + 0.01 * event.movementY));
    queue();
  });
  const keys = {
    ArrowLeft: () => { view.yaw -= 0.1; },
    ArrowRight: () => { view.yaw += 0.1; },
    ArrowUp: () => { view.pitch = Math.max(-1.5, view.pitch - 0.1); },
    ArrowDown: () => { view.pitch = Math.min(1.5, view.pitch + 0.1); },
    "+": () => { view.scale = Math.min(4, view.scale * 1.1); },
    "-": () => { view.scale = Math.max(0.3, view.scale / 1.1); },
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === " ") rotate(!turns);
    else if (keys[event.key]) {
      rotate(false);
      keys[event.key]();
    } else return;
    event.preventDefault();
    queue();
  });
  addEventListener("resize", queue);
  new IntersectionObserver((entries) => {
    isVisible = entries[entries.length - 1].isIntersecting;
    last = performance.now();
    queue();
  }).observe(canvas);
  rotate(!still);
}
for (const canvas of document.querySelectorAll("canvas.mesh")) turntable(canvas);
