
// Sphere tracing of the surface where the field is zero.
void mainImage(out vec4 color, in vec2 pixel) {
  vec2 at = (2.0 * pixel - iResolution.xy) / iResolution.y;
  float turn = 0.4 * iTime + 0.6;
  vec3 eye = 3.2 * vec3(sin(turn) * 0.9, 0.42, cos(turn) * 0.9);
  vec3 ahead = normalize(-eye), right = normalize(cross(ahead, vec3(0.0, 1.0, 0.0)));
  vec3 ray = normalize(2.4 * ahead + at.x * right + at.y * cross(right, ahead));
  color = vec4(vec3(0.09, 0.1, 0.12), 1.0);
  // The cube [-1, 1]^3 bounds the fitted region.
  vec3 one = (-1.0 - eye) / ray, two = (1.0 - eye) / ray;
  vec3 near = min(one, two), far = max(one, two);
  float t = max(max(near.x, near.y), near.z), end = min(min(far.x, far.y), far.z);
  for (int i = 0; i < 96 && t < end; ++i) {
    float d = field(eye + t * ray);
    if (d < 1e-3) {
      float slope[3];
      field_gradient(eye + t * ray, slope);
      vec3 normal = normalize(vec3(slope[0], slope[1], slope[2]));
      float light = 0.35 + 0.65 * max(dot(normal, normalize(vec3(0.5, 0.8, 0.4))), 0.0);
      color = vec4(vec3(0.85, 0.78, 0.68) * light, 1.0);
      return;
    }
    t += max(d, 1e-3);
  }
}
