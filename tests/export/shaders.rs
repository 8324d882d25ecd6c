//! GLSL functions in a browser.

use serde_json::Value;
use siren_core::field::SirenConfig;
use siren_run::portable::{Format, MAX_GLSL_CONSTANTS, WeightPrecision, encode};

use crate::browser::{Engine, chromium, run};
use crate::fields::{assert_close, examples, field, picture, points, text};

/// Runs shaders on a floating-point target of `count` × 3 pixels: the value and the two derivatives of each point.
const SCRIPT: &str = "
const gl = document.createElement('canvas').getContext('webgl2');
gl.getExtension('EXT_color_buffer_float');
const compile = (kind, text) => {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, text);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
  return shader;
};
const vertex = compile(gl.VERTEX_SHADER, '#version 300 es\\nvoid main() { gl_Position = vec4(vec2((gl_VertexID << 1) & 2, gl_VertexID & 2) * 2.0 - 1.0, 0.0, 1.0); }');
const count = points.length / 2, answers = [];
const texture = (height, data) => {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, count, height, 0, gl.RGBA, gl.FLOAT, data);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  return texture;
};
const target = texture(3, null);
gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
const coords = new Float32Array(4 * count);
for (let i = 0; i < count; ++i) coords.set(points.slice(2 * i, 2 * i + 2), 4 * i);
texture(1, coords);
gl.viewport(0, 0, count, 3);
for (const shader of shaders) {
  const head = '#version 300 es\\nprecision highp float;\\nuniform vec3 iResolution; uniform float iTime; uniform highp sampler2D coords; out vec4 color;\\n';
  const main = '\\nvoid main() { vec2 p = texelFetch(coords, ivec2(int(gl_FragCoord.x), 0), 0).xy; vec3 slope[2]; vec3 y = field_gradient(p, slope); int row = int(gl_FragCoord.y); color = vec4(row == 0 ? field(p) : slope[row - 1], y.x); if (iTime < -1.0) mainImage(color, gl_FragCoord.xy); }';
  const program = gl.createProgram();
  gl.attachShader(program, vertex);
  gl.attachShader(program, compile(gl.FRAGMENT_SHADER, head + shader + main));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  const pixels = new Float32Array(12 * count);
  gl.readPixels(0, 0, count, 3, gl.RGBA, gl.FLOAT, pixels);
  answers.push(Array.from(pixels));
}
return answers;";

#[test]
fn a_glsl_function_computes_the_values_and_gradients_of_every_activation_and_encoding() {
    if chromium().is_none() {
        return;
    }
    let points = points(64);
    let holds_no_basis = |name: &str| !name.contains("Rbf");
    let examples = examples()
        .into_iter()
        .filter(|example| holds_no_basis(&example.name));
    let examples: Vec<_> = examples.collect();
    let shaders: Vec<String> = examples
        .iter()
        .map(|example| text(&picture(&example.field, 8, 8), Format::Glsl))
        .collect();
    let given = serde_json::json!([points, shaders]);
    let script = format!("const [points, shaders] = {given};{SCRIPT}");
    let page = "<!doctype html><html><head></head><body></body></html>";
    let answers = run(page, Engine::WebGl2, &script);
    for (example, answer) in examples.iter().zip(answers.as_array().unwrap()) {
        let numbers: Vec<f64> = answer
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        let (name, field) = (&example.name, &example.double);
        let rows: Vec<Vec<f64>> = numbers
            .chunks(4 * points.len() / 2)
            .map(|row| {
                row.chunks(4)
                    .flat_map(|texel| &texel[..3])
                    .copied()
                    .collect()
            })
            .collect();
        assert_close(
            name,
            &rows[0],
            &field.values(&points).unwrap(),
            3.0 * example.tolerance,
        );
        let gradients = field.gradients(&points).unwrap();
        for axis in 0..2 {
            let expected: Vec<f64> = gradients.iter().skip(axis).step_by(2).copied().collect();
            assert_close(name, &rows[1 + axis], &expected, 10.0 * example.tolerance);
        }
    }
}

#[test]
fn a_network_too_large_for_glsl_is_refused_with_the_formats_that_hold_it() {
    let large = field(&SirenConfig::default(), 2, 3);
    let error = encode(
        &picture(&large, 8, 8),
        WeightPrecision::Single,
        Format::Glsl,
    )
    .unwrap_err();
    let message = error.to_string();
    for word in [
        &MAX_GLSL_CONSTANTS.to_string(),
        ".html",
        ".onnx",
        "hidden_features",
    ] {
        assert!(message.contains(word), "{message}");
    }
}
