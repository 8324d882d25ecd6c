//! Mosaics in GLSL: the tiles around a point, and their values blended.

use std::fmt::Write as _;

use siren_core::field::TileAxis;

use super::{Dialect, GRADIENT, VALUE, head, vector};

/// Appends the functions `field` and `field_gradient` of a mosaic with `c` channels.
pub(super) fn functions(text: &mut String, tiles: &[TileAxis], c: usize) {
    let d = tiles.len();
    let (input, output) = (vector(d), vector(c));
    let counts: Vec<String> = tiles.iter().map(|axis| axis.count.to_string()).collect();
    let _ = writeln!(
        text,
        "\n// The tiles along each coordinate: their number, where the first one begins, their length, the width of the zone in which neighbors\n\
         // are blended, and the factor to coordinates of a tile.\n\
         const int field_tiles[{d}] = int[{d}]({});",
        counts.join(", ")
    );
    let mut table = |name: &str, value: fn(&TileAxis) -> f64| {
        let values = tiles.iter();
        let values = values.map(|axis| Dialect::Glsl.constant(value(axis)));
        let values: Vec<String> = values.collect();
        let _ = writeln!(
            text,
            "const float field_tile_{name}[{d}] = float[{d}]({});",
            values.join(", ")
        );
    };
    table("start", |axis| axis.start);
    table("length", |axis| axis.length);
    table("overlap", |axis| axis.overlap);
    table("scale", |axis| axis.scale);
    text.push_str(&NEIGHBORS.replace("[d]", &format!("[{d}]")));
    let own: Vec<String> = (0..d).map(|axis| format!("own[{axis}]")).collect();
    let own = format!("{input}({})", own.join(", "));
    let axes: Vec<String> = (0..d)
        .map(|axis| match d {
            1 => "x[0] = p;".to_owned(),
            _ => format!("x[{axis}] = p[{axis}];"),
        })
        .collect();
    let start = format!(
        "  int lower[{d}]; float x[{d}], rise[{d}], rises[{d}], own[{d}], weight[{d}];\n  {}\n  \
         field_neighbors(x, lower, rise, rises);\n  {output} sum = {output}(0.0);",
        axes.join(" ")
    );
    let choose = format!(
        "  for (int choice = 0; choice < {}; ++choice) {{\n    \
         int tile = field_choose(choice, x, lower, rise, own, weight);\n    \
         float whole = 1.0;\n    \
         for (int a = 0; a < {d}; ++a) whole *= weight[a];\n    \
         if (whole == 0.0) continue;",
        1_usize << d
    );
    let value = head(VALUE, output, "field(");
    let _ = writeln!(
        text,
        "{value}{input} p) {{\n{start}\n{choose}\n    \
         sum += whole * field_tile(tile, {own});\n  }}\n  return sum;\n}}"
    );
    let gradient = head(GRADIENT, output, "field_gradient(");
    let _ = writeln!(
        text,
        "{gradient}{input} p, out {output} slope[{d}]) {{\n{start}\n  \
         for (int a = 0; a < {d}; ++a) slope[a] = {output}(0.0);\n{choose}\n    \
         {output} part[{d}], y = field_tile_gradient(tile, {own}, part);\n    \
         sum += whole * y;\n    \
         for (int a = 0; a < {d}; ++a) {{\n      \
         float factor = (choice >> a & 1) == 1 ? rises[a] : -rises[a];\n      \
         for (int b = 0; b < {d}; ++b) factor *= b == a ? 1.0 : weight[b];\n      \
         slope[a] += whole * field_tile_scale[a] * part[a] + factor * y;\n    }}\n  }}\n  return sum;\n}}"
    );
}

/// The functions that find tiles; `d` is the number of coordinates.
const NEIGHBORS: &str = "
// Finds, on each axis, the two tiles of which one or both contain x: the index of the lower one, and the weight of the upper one with its
// derivative. The weight rises as 6 u^5 - 15 u^4 + 10 u^3 through the zone around their border.
void field_neighbors(float x[d], out int lower[d], out float rise[d], out float rises[d]) {
  for (int a = 0; a < field_tiles.length(); ++a) {
    lower[a] = 0; rise[a] = 0.0; rises[a] = 0.0;
    if (field_tiles[a] == 1) continue;
    float border = clamp(floor((x[a] - field_tile_start[a]) / field_tile_length[a] + 0.5), 1.0, float(field_tiles[a] - 1));
    float u = clamp((x[a] - (field_tile_start[a] + border * field_tile_length[a])) / field_tile_overlap[a] + 0.5, 0.0, 1.0);
    lower[a] = int(border) - 1;
    rise[a] = u * u * u * (u * (6.0 * u - 15.0) + 10.0);
    rises[a] = 30.0 * u * u * (1.0 - u) * (1.0 - u) / field_tile_overlap[a];
  }
}

// Takes on each axis the lower or the upper tile, as the bits of `choice` say, and returns the tile: x in its own coordinates, and its weights.
int field_choose(int choice, float x[d], int lower[d], float rise[d], out float own[d], out float weight[d]) {
  int tile = 0;
  for (int a = 0; a < field_tiles.length(); ++a) {
    int upper = choice >> a & 1, index = lower[a] + upper;
    weight[a] = upper == 1 ? rise[a] : 1.0 - rise[a];
    own[a] = (x[a] - (field_tile_start[a] + (float(index) + 0.5) * field_tile_length[a])) * field_tile_scale[a];
    tile = tile * field_tiles[a] + index;
  }
  return tile;
}
";
