//! Fields as GLSL ES 3.00 functions with their weights as constants, for Shadertoy and WebGL 2.

mod mosaic;

use std::fmt::Write as _;

use siren_core::{Error, Result};

use crate::dialect::Dialect;
use crate::look::{Axis, Direction, Look, Values};
use crate::program::{Combination, Layer, Program};

/// Largest number of constants. Compilers of shaders take minutes, or fail, for more: width 64 with 3 hidden layers has 12,700.
pub const MAX_CONSTANTS: usize = 16_384;

/// What the functions do.
const VALUE: &str = "\n// The value at the coordinates p.\n";
const GRADIENT: &str =
    "\n// The derivative of the value with respect to each coordinate; returns the value.\n";

/// Head of the entry point for Shadertoy.
const MAIN_IMAGE: &str = "\nvoid mainImage(out vec4 color, in vec2 pixel) {\n";

/// Returns the functions `field` and `field_gradient`, and an entry point for Shadertoy.
///
/// # Errors
/// [`Error::InvalidValue`] if the network is too large, or has more than 4 coordinates or channels, or radial basis functions.
pub(crate) fn shader(program: &Program, look: &Look, full: f64) -> Result<String> {
    check(program)?;
    let mut text =
        String::from("// A field, written by siren: GLSL ES 3.00, ready for Shadertoy.\n");
    for (axis, name) in look.axes.iter().zip(["x", "y", "z", "w"]) {
        let part = if program.inputs == 1 {
            String::new()
        } else {
            format!(".{name}")
        };
        let ([low, high], [from, to]) = (axis.range, axis.quantity);
        let (name, unit) = (axis.name, axis.unit);
        let _ = writeln!(
            text,
            "// p{part}: {name}, {low} to {high}, which are {from} to {to} {unit}"
        );
    }
    for note in &look.notes {
        let _ = writeln!(text, "// NOTE: {note}");
    }
    text.push('\n');
    text += Dialect::Glsl.library();
    for (index, layer) in program.layers.iter().enumerate() {
        text.push('\n');
        text += &Dialect::Glsl.activation(&format!("field_function_{index}"), layer.function, 1);
        affine(&mut text, index, layer);
    }
    let output = vector(program.outputs);
    match &program.tiles {
        None => {
            value(&mut text, program, &head(VALUE, output, "field("));
            let head = head(GRADIENT, output, "field_gradient(");
            gradient(&mut text, program, &head);
        }
        Some(tiles) => {
            let of_tile = "\n// The network of a tile, at coordinates of the tile.\n";
            let start = |name| head(of_tile, output, name);
            value(&mut text, program, &start("field_tile(int tile, "));
            let head = start("field_tile_gradient(int tile, ");
            gradient(&mut text, program, &head);
            mosaic::functions(&mut text, tiles, program.outputs);
        }
    }
    text += &entry_point(program, look, full);
    Ok(text)
}

fn check(program: &Program) -> Result<()> {
    let others = "; .html, .onnx, .h and .safetensors have no such limit";
    let constants = program.constants();
    if constants > MAX_CONSTANTS {
        let expected = format!(
            "at most {MAX_CONSTANTS} for .glsl, such as field.hidden_features = 32 with 3 hidden layers, or \
             field.mosaic.parameters = {MAX_CONSTANTS} for a small mosaic{others}"
        );
        return Err(Error::invalid(
            "constants of the field",
            constants,
            &expected,
        ));
    }
    let largest = program.inputs.max(program.outputs);
    if largest > 4 {
        let expected = "at most 4 for .glsl; .onnx, .h and .safetensors have no such limit";
        return Err(Error::invalid(
            "coordinates or channels of the field",
            largest,
            expected,
        ));
    }
    let is_radial = |layer: &Layer| layer.combination == Combination::SquaredDistance;
    if program.layers.iter().any(is_radial) {
        let expected =
            "another encoding for .glsl; .onnx, .h and .safetensors hold radial basis functions";
        return Err(Error::invalid("field.encoding", "rbf", expected));
    }
    Ok(())
}

fn vector(size: usize) -> &'static str {
    ["float", "vec2", "vec3", "vec4"][size.clamp(1, 4) - 1]
}

/// Returns the components of a vector of four that a smaller one takes.
fn swizzle(size: usize) -> &'static str {
    ["x", "xy", "xyz", "xyzw"][size.clamp(1, 4) - 1]
}

/// Returns the expression that pads `name`, a vector of `size`, to four components.
fn padded(name: &str, size: usize) -> String {
    format!("vec4({name}{})", ", 0.0".repeat(4 - size.min(4)))
}

/// Appends `field_weight_INDEX(h, z)`, the product with the weights, and the biases. If tiles have constants of their own, their product has the
/// tile as first argument, and the biases of all tiles follow one another.
fn affine(text: &mut String, index: usize, layer: &Layer) {
    let groups = |count: usize| count.div_ceil(4);
    let (inputs, outputs) = (groups(layer.fan_in), groups(layer.fan_out));
    let tile = if layer.tiles > 1 { "int tile, " } else { "" };
    let _ = writeln!(
        text,
        "void field_weight_{index}({tile}in vec4 h[{inputs}], out vec4 z[{outputs}]) {{"
    );
    let weights = layer.weight.chunks_exact(layer.fan_in * layer.fan_out);
    for (tile, weight) in weights.enumerate() {
        if layer.tiles > 1 {
            // The last tile has no condition, so that the product is always written.
            let is_last = tile + 1 == layer.tiles;
            let condition = if is_last {
                String::new()
            } else {
                format!("if (tile == {tile}) ")
            };
            let _ = writeln!(text, "  {condition}{{");
        }
        product(text, layer, weight);
        if layer.tiles > 1 {
            text.push_str("  return;\n  }\n");
        }
    }
    text.push_str("}\n");
    let biases = layer.bias.chunks_exact(layer.fan_out).flat_map(|bias| {
        let part = |at: usize| Dialect::Glsl.constant(bias.get(at).copied().unwrap_or_default());
        (0..outputs).map(move |group| {
            let parts: Vec<String> = (0..4).map(|lane| part(4 * group + lane)).collect();
            format!("vec4({})", parts.join(","))
        })
    });
    let biases: Vec<String> = biases.collect();
    let count = biases.len();
    let _ = writeln!(
        text,
        "const vec4 field_bias_{index}[{count}] = vec4[{count}]({});",
        biases.join(", ")
    );
}

/// Appends the product `z = W h` of one network.
fn product(text: &mut String, layer: &Layer, weights: &[f64]) {
    let groups = |count: usize| count.div_ceil(4);
    let weight = |row: usize, column: usize| {
        let is_inside = row < layer.fan_out && column < layer.fan_in;
        Dialect::Glsl.constant(if is_inside {
            weights[row * layer.fan_in + column]
        } else {
            0.0
        })
    };
    for group in 0..groups(layer.fan_out) {
        let matrices = (0..groups(layer.fan_in)).map(|from| {
            let entries = (0..16).map(|at| weight(4 * group + at % 4, 4 * from + at / 4));
            format!(
                "mat4({}) * h[{from}]",
                entries.collect::<Vec<_>>().join(",")
            )
        });
        let sum: Vec<String> = matrices.collect();
        let _ = writeln!(text, "  z[{group}] = {};", sum.join("\n    + "));
    }
}

/// Returns the bias of group `i` of four outputs of a layer.
fn bias(index: usize, layer: &Layer) -> String {
    let outputs = layer.fan_out.div_ceil(4);
    if layer.tiles > 1 {
        format!("field_bias_{index}[{outputs} * tile + i]")
    } else {
        format!("field_bias_{index}[i]")
    }
}

/// Returns the derivative of an order of a layer's activation at `z`, group `i` of four; lanes that pass without activation have `passing`.
fn applied(index: usize, layer: &Layer, order: usize, z: &str, passing: &str) -> String {
    let function = format!("field_function_{index}_{order}({z})");
    if layer.passed == 0 {
        return function;
    }
    let passed = layer.passed;
    format!("mix({function}, {passing}, lessThan(vec4(0, 1, 2, 3) + float(4 * i), vec4({passed})))")
}

/// Appends the array `PREFIXh0` of the coordinates, or of their derivative.
fn input_array(text: &mut String, prefix: &str, value: &str) {
    let _ = writeln!(text, "  vec4 {prefix}h0[1];\n  {prefix}h0[0] = {value};");
}

/// Appends the array `PREFIXh(INDEX + 1)`, the product of the weights of a layer and `PREFIXhINDEX`.
fn product_array(text: &mut String, prefix: &str, index: usize, layer: &Layer) {
    let (last, outputs) = (index + 1, layer.fan_out.div_ceil(4));
    let tile = if layer.tiles > 1 { "tile, " } else { "" };
    let _ = writeln!(
        text,
        "  vec4 {prefix}h{last}[{outputs}];\n  field_weight_{index}({tile}{prefix}h{index}, {prefix}h{last});"
    );
}

/// Returns the beginning of a function: a comment, the type and the name.
fn head(comment: &str, output: &str, name: &str) -> String {
    format!("{comment}{output} {name}")
}

/// Appends the function of the value of one network; `head` is its beginning.
fn value(text: &mut String, program: &Program, head: &str) {
    let _ = writeln!(text, "{head}{} p) {{", vector(program.inputs));
    input_array(text, "", &padded("p", program.inputs));
    let mut last = 0;
    for (index, layer) in program.layers.iter().enumerate() {
        let outputs = layer.fan_out.div_ceil(4);
        last = index + 1;
        product_array(text, "", index, layer);
        let _ = writeln!(text, "  for (int i = 0; i < {outputs}; ++i) {{");
        let _ = writeln!(text, "    h{last}[i] += {};", bias(index, layer));
        let z = format!("h{last}[i]");
        let term = applied(index, layer, 0, &z, &z);
        let _ = writeln!(text, "    h{last}[i] = {term};\n  }}");
    }
    let _ = writeln!(
        text,
        "  return h{last}[0].{};\n}}",
        swizzle(program.outputs)
    );
}

/// Appends the function of the gradient of one network, which begins with `head`: derivatives are carried forward with the value,
/// `∂h = σ'(z) W ∂h`.
fn gradient(text: &mut String, program: &Program, head: &str) {
    let (input, output, d) = (
        vector(program.inputs),
        vector(program.outputs),
        program.inputs,
    );
    let _ = writeln!(text, "{head}{input} p, out {output} slope[{d}]) {{");
    input_array(text, "", &padded("p", d));
    for axis in 0..d {
        let unit: Vec<&str> = (0..4)
            .map(|i| if i == axis { "1.0" } else { "0.0" })
            .collect();
        let unit = format!("vec4({})", unit.join(", "));
        input_array(text, &format!("d{axis}"), &unit);
    }
    let mut last = 0;
    for (index, layer) in program.layers.iter().enumerate() {
        let outputs = layer.fan_out.div_ceil(4);
        last = index + 1;
        product_array(text, "", index, layer);
        for axis in 0..d {
            product_array(text, &format!("d{axis}"), index, layer);
        }
        let _ = writeln!(text, "  for (int i = 0; i < {outputs}; ++i) {{");
        let _ = writeln!(text, "    vec4 z = h{last}[i] + {};", bias(index, layer));
        let slope = applied(index, layer, 1, "z", "vec4(1.0)");
        let _ = writeln!(text, "    vec4 s = {slope};");
        let term = applied(index, layer, 0, "z", "z");
        let _ = writeln!(text, "    h{last}[i] = {term};");
        for axis in 0..d {
            let _ = writeln!(text, "    d{axis}h{last}[i] *= s;");
        }
        text.push_str("  }\n");
    }
    let part = swizzle(program.outputs);
    for axis in 0..d {
        let _ = writeln!(text, "  slope[{axis}] = d{axis}h{last}[0].{part};");
    }
    let _ = writeln!(text, "  return h{last}[0].{part};\n}}");
}

/// Returns the coordinates of a point of the screen, `at` in [−1, 1] from the center to the borders of the fitted region, as a constructor.
fn point(look: &Look) -> String {
    let parts: Vec<String> = look.axes.iter().map(coordinate).collect();
    format!("{}({})", vector(parts.len()), parts.join(", "))
}

fn coordinate(axis: &Axis) -> String {
    let constant = |value: f64| Dialect::Glsl.constant(value);
    // The borders of the outermost pixels are half a sample beyond their centers.
    let margin = if axis.samples.is_some() {
        0.5 * axis.spacing()
    } else {
        0.0
    };
    let (middle, half) = (
        f64::midpoint(axis.range[0], axis.range[1]),
        0.5 * (axis.range[1] - axis.range[0]),
    );
    let (middle_text, half_text) = (constant(middle), constant(half + margin));
    match axis.direction {
        Direction::Right => format!("{middle_text} + {half_text} * at.x"),
        Direction::Up => format!("{middle_text} + {half_text} * at.y"),
        Direction::Down => format!("{middle_text} - {half_text} * at.y"),
        Direction::Time => {
            let seconds = (axis.quantity[1] - axis.quantity[0]).abs().max(1e-3);
            let (low, rate) = (constant(axis.range[0]), constant(2.0 * half / seconds));
            format!("{low} + {rate} * mod(iTime, {})", constant(seconds))
        }
        Direction::Depth => format!("{middle_text} + {} * sin(iTime)", constant(half)),
    }
}

/// Returns `mainImage`, and for sounds `mainSound`.
fn entry_point(program: &Program, look: &Look, full: f64) -> String {
    let constant = |value: f64| Dialect::Glsl.constant(value);
    let tone = |k: usize| {
        let [gain, offset] = look.tone.get(k).copied().unwrap_or([1.0, 0.0]);
        (constant(gain), constant(offset))
    };
    let extent = |wanted: &[Direction]| {
        let axis = look
            .axes
            .iter()
            .find(|axis| wanted.contains(&axis.direction));
        axis.map_or(1.0, |axis| match axis.samples {
            Some(samples) => samples as f64,
            None => axis.range[1] - axis.range[0],
        })
    };
    let aspect = constant(extent(&[Direction::Right]) / extent(&[Direction::Down, Direction::Up]));
    let screen = format!(
        "  vec2 at = (2.0 * pixel - iResolution.xy) / iResolution.xy;\n  at *= max(vec2(iResolution.x / (iResolution.y * {aspect}), 1.0), vec2(1.0, iResolution.y * {aspect} / iResolution.x));\n"
    );
    let sample = point(look);
    match look.values {
        Values::Intensity => {
            let parts = (0..program.outputs).map(|k| {
                let (gain, offset) = tone(k);
                let part = if program.outputs == 1 {
                    ""
                } else {
                    [".x", ".y", ".z", ".w"][k.min(3)]
                };
                format!("{gain} * y{part} + {offset}")
            });
            let parts: Vec<String> = parts.collect();
            let output = vector(program.outputs);
            let shown = if parts.len() == 3 {
                parts.join(", ")
            } else {
                parts[0].clone()
            };
            format!(
                "{MAIN_IMAGE}{screen}  {output} y = field({sample});\n  color = vec4(vec3({shown}), 1.0);\n}}\n"
            )
        }
        Values::Signed => {
            let (gain, offset) = tone(0);
            let part = if program.outputs == 1 { "" } else { ".x" };
            let full = constant(full);
            format!(
                "{MAIN_IMAGE}{screen}  float v = clamp(({gain} * field({sample}){part} + {offset}) / {full}, -1.0, 1.0);\n  \
                 vec3 far = v < 0.0 ? vec3(0.02, 0.19, 0.38) : vec3(0.40, 0.0, 0.12);\n  \
                 color = vec4(mix(vec3(0.97), far, abs(v)), 1.0);\n}}\n"
            )
        }
        Values::Amplitude => sound(program, look, &tone(0), full),
        Values::Distance => include_str!("../trace.glsl").to_owned(),
    }
}

/// Returns the waveform of a sound for the screen, and the sound.
fn sound(program: &Program, look: &Look, tone: &(String, String), full: f64) -> String {
    let constant = |value: f64| Dialect::Glsl.constant(value);
    let (gain, offset) = tone;
    let axis = &look.axes[0];
    let seconds = (axis.quantity[1] - axis.quantity[0]).abs().max(1e-6);
    let rate = constant((axis.range[1] - axis.range[0]) / seconds);
    let low = constant(axis.range[0]);
    let part = if program.outputs == 1 { "" } else { ".x" };
    let pair = if program.outputs == 1 {
        "vec2(y)"
    } else {
        "y.xy"
    };
    let output = vector(program.outputs);
    let full = constant(full);
    format!(
        "{MAIN_IMAGE}  float x = {low} + {rate} * {} * pixel.x / iResolution.x;\n  \
         float v = ({gain} * field(x){part} + {offset}) / {full};\n  \
         float height = (2.0 * pixel.y / iResolution.y - 1.0) * 1.1;\n  \
         float inside = step(min(v, 0.0), height) * step(height, max(v, 0.0));\n  \
         color = vec4(mix(vec3(0.08), vec3(0.4, 0.8, 1.0), inside), 1.0);\n}}\n\n\
         vec2 mainSound(int sample_index, float time) {{\n  \
         if (time > {}) return vec2(0.0);\n  {output} y = field({low} + {rate} * time);\n  \
         return {gain} * {pair} + {offset};\n}}\n",
        constant(seconds),
        constant(seconds)
    )
}
