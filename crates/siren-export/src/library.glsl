// (sin x, cos x) with an absolute error below 2e-7 for |x| < 8192: x = n pi/2 + r, polynomials on |r| <= pi/4.
void siren_sin_cos(vec4 x, out vec4 s, out vec4 c) {
  vec4 n = floor(x * 0.63661975 + 0.5);
  vec4 r = ((x - n * 1.5703125) - n * 4.837513e-4) - n * 7.54979e-8;
  vec4 q = n - 4.0 * floor(n * 0.25);
  vec4 r2 = r * r;
  vec4 a = r + r2 * r * (-0.16666655 + r2 * (8.332176e-3 + r2 * -1.9516978e-4));
  vec4 b = 1.0 - 0.5 * r2 + r2 * r2 * (4.1666646e-2 + r2 * (-1.3887313e-3 + r2 * 2.4432786e-5));
  bvec4 odd = equal(q - 2.0 * floor(q * 0.5), vec4(1.0));
  s = mix(a, b, odd) * mix(vec4(1.0), vec4(-1.0), greaterThan(q, vec4(1.5)));
  c = mix(b, a, odd) * mix(vec4(1.0), vec4(-1.0), lessThan(abs(q - 1.5), vec4(1.0)));
}
vec4 siren_sin(vec4 x) { vec4 s, c; siren_sin_cos(x, s, c); return s; }
vec4 siren_cos(vec4 x) { vec4 s, c; siren_sin_cos(x, s, c); return c; }
vec4 siren_tanh(vec4 x) { return tanh(clamp(x, -15.0, 15.0)); }
