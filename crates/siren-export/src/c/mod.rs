//! Fields as C99 headers.

mod mosaic;

use std::fmt::Write as _;

use crate::dialect::Dialect;
use crate::look::Look;
use crate::program::{Combination, Layer, Program};

/// Numbers on one line of a table.
const PER_LINE: usize = 8;

/// What the two functions of a header do.
const VALUE: &str = "/* Writes the values at the coordinates x. */\n";
const GRADIENT: &str = "/* Writes the values at the coordinates x and their derivatives: dy[k][i] is that of y[k] in x[i]. */\n";

/// Returns a header with the functions `field` and `field_gradient`.
pub(crate) fn header(program: &Program, look: &Look) -> String {
    let (d, c) = (program.inputs, program.outputs);
    let mut text = String::from(
        "/* A field, written by siren. Self-contained C99; needs the math library (-lm).\n",
    );
    for (i, axis) in look.axes.iter().enumerate() {
        let (name, [low, high]) = (axis.name, axis.range);
        let ([from, to], unit) = (axis.quantity, axis.unit);
        let _ = writeln!(
            text,
            "   x[{i}]: {name}, {low} to {high}, which are {from} to {to} {unit}"
        );
    }
    for (i, [gain, offset]) in look.tone.iter().enumerate() {
        let _ = writeln!(text, "   displayed value {i}: {gain} * y[{i}] + {offset}");
    }
    for note in &look.notes {
        let _ = writeln!(text, "   NOTE: {note}");
    }
    text += "*/\n#ifndef SIREN_FIELD_H\n#define SIREN_FIELD_H\n\n#include <math.h>\n\n";
    let width = program.widest();
    let _ = writeln!(
        text,
        "enum {{ FIELD_INPUTS = {d}, FIELD_OUTPUTS = {c}, FIELD_WIDTH = {width} }};\n"
    );
    for (index, layer) in program.layers.iter().enumerate() {
        table(&mut text, &format!("field_weight_{index}"), &layer.weight);
        table(&mut text, &format!("field_bias_{index}"), &layer.bias);
        text += &Dialect::C.activation(&format!("field_function_{index}"), layer.function, 1);
        text += "\n";
        layer_functions(&mut text, index, layer);
    }
    match &program.tiles {
        None => {
            let head = [VALUE, "static void field("].concat();
            value(&mut text, program, &head);
            let head = [GRADIENT, "static void field_gradient("].concat();
            gradient(&mut text, program, &head);
        }
        Some(tiles) => {
            text += "/* The network of a tile, at coordinates of the tile. */\n";
            value(&mut text, program, "static void field_tile(int tile, ");
            let head = "static void field_tile_gradient(int tile, ";
            gradient(&mut text, program, head);
            mosaic::functions(&mut text, tiles, c);
        }
    }
    text += "#endif\n";
    text
}

/// Appends the function that computes the values of one network; `head` is its beginning.
fn value(text: &mut String, program: &Program, head: &str) {
    let (d, c) = (program.inputs, program.outputs);
    let _ = writeln!(text, "{head}const float x[{d}], float y[{c}]) {{");
    *text += "  float h[FIELD_WIDTH], z[FIELD_WIDTH];\n  int i;\n";
    names_tile(text, program);
    let _ = writeln!(text, "  for (i = 0; i < {d}; ++i) h[i] = x[i];");
    for (index, layer) in program.layers.iter().enumerate() {
        let _ = writeln!(text, "  field_layer_{index}({}h, z);", argument(layer));
        apply(text, index, layer);
    }
    let _ = writeln!(text, "  for (i = 0; i < {c}; ++i) y[i] = h[i];\n}}\n");
}

/// Returns the argument, or the declaration, of the functions of a layer whose constants differ between tiles.
fn argument(layer: &Layer) -> &'static str {
    if layer.tiles > 1 { "tile, " } else { "" }
}

/// Appends a use of the parameter `tile`, which no layer needs if there is one tile.
fn names_tile(text: &mut String, program: &Program) {
    if program.tiles.is_some() {
        text.push_str("  (void)tile;\n");
    }
}

/// Appends the function that computes values and gradient of one network; `head` is its beginning.
fn gradient(text: &mut String, program: &Program, head: &str) {
    let (d, c) = (program.inputs, program.outputs);
    let _ = writeln!(
        text,
        "{head}const float x[{d}], float y[{c}], float dy[{c}][{d}]) {{"
    );
    let _ = writeln!(
        text,
        "  float h[FIELD_WIDTH], z[FIELD_WIDTH], dh[{d}][FIELD_WIDTH], dz[{d}][FIELD_WIDTH];\n  int i, a;"
    );
    names_tile(text, program);
    let _ = writeln!(text, "  for (i = 0; i < {d}; ++i) {{");
    let _ = writeln!(
        text,
        "    h[i] = x[i];\n    for (a = 0; a < {d}; ++a) dh[a][i] = a == i ? 1.0f : 0.0f;\n  }}"
    );
    for (index, layer) in program.layers.iter().enumerate() {
        let tile = argument(layer);
        let _ = writeln!(text, "  field_layer_{index}({tile}h, z);");
        let _ = writeln!(
            text,
            "  for (a = 0; a < {d}; ++a) field_slope_{index}({tile}h, dh[a], dz[a]);"
        );
        let (passed, outputs) = (layer.passed, layer.fan_out);
        let _ = writeln!(text, "  for (a = 0; a < {d}; ++a)");
        let _ = writeln!(
            text,
            "    for (i = 0; i < {outputs}; ++i) dh[a][i] = {}field_function_{index}_1(z[i]) * dz[a][i];",
            if passed > 0 {
                format!("i < {passed} ? dz[a][i] : ")
            } else {
                String::new()
            }
        );
        apply(text, index, layer);
    }
    let _ = writeln!(text, "  for (i = 0; i < {c}; ++i) {{");
    let _ = writeln!(
        text,
        "    y[i] = h[i];\n    for (a = 0; a < {d}; ++a) dy[i][a] = dh[a][i];\n  }}\n}}\n"
    );
}

/// Appends `h = σ(z)`.
fn apply(text: &mut String, index: usize, layer: &Layer) {
    let (passed, outputs) = (layer.passed, layer.fan_out);
    if passed > 0 {
        let _ = writeln!(text, "  for (i = 0; i < {passed}; ++i) h[i] = z[i];");
    }
    let _ = writeln!(
        text,
        "  for (i = {passed}; i < {outputs}; ++i) h[i] = field_function_{index}_0(z[i]);"
    );
}

/// Appends the functions of a layer: `z` of `h`, and the derivative of `z` of that of `h`.
fn layer_functions(text: &mut String, index: usize, layer: &Layer) {
    let (inputs, outputs) = (layer.fan_in, layer.fan_out);
    let (tile, rows, of_tile) = if layer.tiles > 1 {
        let rows = format!("(tile * {outputs} + j)");
        ("int tile, ", rows, format!(" + tile * {outputs}"))
    } else {
        ("", "j".to_owned(), String::new())
    };
    let (start, term, result, slope_term, slope) = match layer.combination {
        Combination::Affine => ("b[j]", "w[i] * h[i]", "sum", "w[i] * dh[i]", "sum"),
        Combination::SquaredDistance => (
            "0.0f",
            "(h[i] - w[i]) * (h[i] - w[i])",
            "b[j] * sum",
            "(h[i] - w[i]) * dh[i]",
            "2.0f * b[j] * sum",
        ),
    };
    let mut function =
        |name: &str, parameters: &str, output: &str, start: &str, term: &str, result: &str| {
            let _ = writeln!(
                text,
                "static void field_{name}_{index}({tile}{parameters}, float *{output}) {{"
            );
            text.push_str("  int i, j;\n");
            let uses_bias = result.contains('b') || start.contains('b');
            if uses_bias {
                let _ = writeln!(text, "  const float *b = field_bias_{index}{of_tile};");
            }
            if !term.contains("h[i] - ") && !term.contains(" h[i]") {
                text.push_str("  (void)h;\n");
            }
            let _ = writeln!(text, "  for (j = 0; j < {outputs}; ++j) {{");
            let _ = writeln!(
                text,
                "    const float *w = field_weight_{index} + {rows} * {inputs};"
            );
            let _ = writeln!(text, "    float sum = {start};");
            let _ = writeln!(text, "    for (i = 0; i < {inputs}; ++i) sum += {term};");
            let _ = writeln!(text, "    {output}[j] = {result};\n  }}\n}}\n");
        };
    function("layer", "const float *h", "z", start, term, result);
    let parameters = "const float *h, const float *dh";
    function("slope", parameters, "dz", "0.0f", slope_term, slope);
}

/// Appends a table of constants.
fn table(text: &mut String, name: &str, values: &[f64]) {
    let _ = writeln!(text, "static const float {name}[{}] = {{", values.len());
    for line in values.chunks(PER_LINE) {
        let line: Vec<String> = line.iter().map(|&v| Dialect::C.constant(v)).collect();
        let _ = writeln!(text, "  {},", line.join(", "));
    }
    text.push_str("};\n");
}
