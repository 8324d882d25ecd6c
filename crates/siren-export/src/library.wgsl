// (sin x, cos x) with an absolute error below 2e-7 for |x| < 8192: x = n pi/2 + r, polynomials on |r| <= pi/4.
struct SineCosine { s: vec4f, c: vec4f }
fn siren_sin_cos(x: vec4f) -> SineCosine {
  let n = floor(x * 0.63661975 + 0.5);
  let r = ((x - n * 1.5703125) - n * 4.837513e-4) - n * 7.54979e-8;
  let q = n - 4.0 * floor(n * 0.25);
  let r2 = r * r;
  let a = r + r2 * r * (-0.16666655 + r2 * (8.332176e-3 + r2 * -1.9516978e-4));
  let b = 1.0 - 0.5 * r2 + r2 * r2 * (4.1666646e-2 + r2 * (-1.3887313e-3 + r2 * 2.4432786e-5));
  let odd = (q - 2.0 * floor(q * 0.5)) == vec4f(1.0);
  return SineCosine(
    select(a, b, odd) * select(vec4f(1.0), vec4f(-1.0), q > vec4f(1.5)),
    select(b, a, odd) * select(vec4f(1.0), vec4f(-1.0), abs(q - 1.5) < vec4f(1.0)));
}
fn siren_sin(x: vec4f) -> vec4f { return siren_sin_cos(x).s; }
fn siren_cos(x: vec4f) -> vec4f { return siren_sin_cos(x).c; }
fn siren_tanh(x: vec4f) -> vec4f { return tanh(clamp(x, vec4f(-15.0), vec4f(15.0))); }
