//! GLSL functions in a browser.

use serde_json::{Value, json};
use siren_core::field::{MosaicConfig, SirenConfig};
use siren_run::portable::{Format, MAX_GLSL_CONSTANTS, WeightPrecision, encode};

use crate::browser::{Engine, chromium, run};
use crate::fields::{assert_close, examples, field, mosaic_in, picture, portable, text};

/// Runs shaders on floating-point targets, a pixel for each point and row: the first row has the value, the others its derivatives.
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
const answers = [];
for (const { points, shader, dims, channels } of fields) {
  const count = points.length / dims, rows = 1 + dims;
  const texture = (height, data) => {
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, count, height, 0, gl.RGBA, gl.FLOAT, data);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return texture;
  };
  const target = texture(rows, null);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
  const coords = new Float32Array(4 * count);
  for (let i = 0; i < count; ++i) coords.set(points.slice(dims * i, dims * (i + 1)), 4 * i);
  texture(1, coords);
  gl.viewport(0, 0, count, rows);
  const vector = (size) => size === 1 ? 'float' : `vec${size}`, output = vector(channels);
  const head = '#version 300 es\\nprecision highp float;\\nuniform vec3 iResolution; uniform float iTime; uniform highp sampler2D coords; out vec4 color;\\n';
  const main = `\\nvoid main() { ${vector(dims)} p = texelFetch(coords, ivec2(int(gl_FragCoord.x), 0), 0).${'xyz'.slice(0, dims)}; ${output} slope[${dims}];
    ${output} y = field_gradient(p, slope); int row = int(gl_FragCoord.y); color = vec4(vec3(row == 0 ? field(p) : slope[row - 1]), ${channels === 1 ? 'y' : 'y.x'});
    if (iTime < -1.0) mainImage(color, gl_FragCoord.xy); }`;
  const program = gl.createProgram();
  gl.attachShader(program, vertex);
  gl.attachShader(program, compile(gl.FRAGMENT_SHADER, head + shader + main));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  const pixels = new Float32Array(4 * rows * count);
  gl.readPixels(0, 0, count, rows, gl.RGBA, gl.FLOAT, pixels);
  answers.push(Array.from(pixels));
}
return answers;";

#[test]
fn a_glsl_function_computes_the_values_and_gradients_of_networks_and_mosaics() {
    if chromium().is_none() {
        return;
    }
    let holds_no_basis = |name: &str| !name.contains("Rbf");
    let examples = examples().into_iter().chain([1, 3].map(mosaic_in));
    let examples = examples.filter(|example| holds_no_basis(&example.name));
    let examples: Vec<_> = examples.collect();
    let given: Vec<Value> = examples
        .iter()
        .map(|example| {
            let field = &example.field;
            json!({
                "shader": text(&portable(field), Format::Glsl),
                "points": example.points,
                "dims": field.in_features(),
                "channels": field.out_features(),
            })
        })
        .collect();
    let script = format!("const fields = {};{SCRIPT}", json!(given));
    let page = "<!doctype html><html><head></head><body></body></html>";
    let answers = run(page, Engine::WebGl2, &script);
    for (example, answer) in examples.iter().zip(answers.as_array().unwrap()) {
        let numbers = answer.as_array().unwrap().iter();
        let numbers: Vec<f64> = numbers.filter_map(Value::as_f64).collect();
        let (name, field, points) = (&example.name, &example.double, &example.points);
        let (dims, channels) = (field.in_features(), field.out_features());
        let rows: Vec<Vec<f64>> = numbers
            .chunks(4 * points.len() / dims)
            .map(|row| {
                let texels = row.chunks(4).flat_map(|texel| &texel[..channels]);
                texels.copied().collect()
            })
            .collect();
        let values = field.values(points).unwrap();
        assert_close(name, &rows[0], &values, 3.0 * example.tolerance);
        let gradients = field.gradients(points).unwrap();
        for axis in 0..dims {
            let expected = gradients.iter().skip(axis).step_by(dims);
            let expected: Vec<f64> = expected.copied().collect();
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

#[test]
fn a_mosaic_too_large_for_glsl_is_refused_with_its_number_of_constants() {
    let config = SirenConfig {
        hidden_features: 32.into(),
        mosaic: Some(MosaicConfig {
            tile: vec![8],
            sides: vec![16, 40],
            extents: vec![1.0, 1.0],
            ..MosaicConfig::default()
        }),
        ..SirenConfig::default()
    };
    let large = field(&config, 2, 3);
    let portable = picture(&large, 16, 40);
    let error = encode(&portable, WeightPrecision::Single, Format::Glsl);
    let message = error.unwrap_err().to_string();
    let parameters = large.parameters().len().to_string();
    for word in [&parameters, "16384", "field.mosaic.parameters", ".html"] {
        assert!(message.contains(word), "{message}");
    }
}
