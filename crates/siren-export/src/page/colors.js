// Colors of values: the palettes of the renderings on the CPU.
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const srgb = (x) => { x = clamp(x, 0, 1); return x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055; };
function oklch(lightness, chroma, hue) {
  const a = chroma * Math.cos(hue), b = chroma * Math.sin(hue);
  const l = (lightness + 0.39633778 * a + 0.21580376 * b) ** 3;
  const m = (lightness - 0.105561346 * a - 0.06385417 * b) ** 3;
  const s = (lightness - 0.08948418 * a - 1.2914855 * b) ** 3;
  return [srgb(4.0767417 * l - 3.3077116 * m + 0.23096994 * s),
          srgb(-1.268438 * l + 2.6097574 * m - 0.34131938 * s),
          srgb(-0.0041960863 * l - 0.7034186 * m + 1.7076147 * s)];
}
// Red to the right, yellow downward; brightness grows with the size of the gradient.
function gradientColor(down, right, full) {
  const strength = Math.hypot(down, right) / full;
  if (!(strength > 0) || !isFinite(strength)) return [0, 0, 0];
  const color = tableColor(WHEEL, (Math.atan2(down, right) / (2 * Math.PI) + 1.08) % 1);
  return color.map((c) => c * Math.min(strength, 1));
}
const CHROMAS = [0, 0.058, 0.115, 0.15, 0.145, 0.12, 0.088];
function divergingAt(t) {
  const x = Math.min(Math.abs(t), 1), low = Math.min(Math.floor(x * 6), 6), high = Math.min(low + 1, 6);
  const chroma = CHROMAS[low] + (x * 6 - low) * (CHROMAS[high] - CHROMAS[low]);
  return oklch(0.97 - 0.68 * x, chroma, (t < 0 ? 255 : 27) / 180 * Math.PI);
}
// Tables, between whose entries colors are interpolated.
const TABLE = 1024;
const tableOf = (color) => Float32Array.from({ length: 3 * (TABLE + 1) }, (_, i) => color(Math.floor(i / 3) / TABLE)[i % 3]);
const WHEEL = tableOf((t) => oklch(0.75, 0.12, 2 * Math.PI * t));
const DIVERGING = tableOf((t) => divergingAt(2 * t - 1));
function tableColor(table, t) {
  const at = clamp(t, 0, 1) * TABLE, low = Math.min(Math.floor(at), TABLE - 1), share = at - low;
  return [0, 1, 2].map((c) => table[3 * low + c] + share * (table[3 * low + 3 + c] - table[3 * low + c]));
}
// Blue below zero, nearly white at zero, red above.
const divergingColor = (value, full) => tableColor(DIVERGING, isFinite(value) ? 0.5 + 0.5 * value / full : 0.5);
