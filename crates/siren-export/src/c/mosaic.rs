//! Mosaics in C: the tiles around a point, and their values blended.

use std::fmt::Write as _;

use siren_core::field::TileAxis;

use super::{GRADIENT, VALUE};

/// Appends the functions `field` and `field_gradient` of a mosaic with `c` channels.
pub(super) fn functions(text: &mut String, tiles: &[TileAxis], c: usize) {
    let d = tiles.len();
    let counts: Vec<String> = tiles.iter().map(|axis| axis.count.to_string()).collect();
    let _ = writeln!(
        text,
        "/* The tiles along each coordinate: their number, where the first one begins, their length, the width of the zone in which neighbors\n   are blended, and the factor to coordinates of a tile. */\n\
         static const int field_tiles[{d}] = {{ {} }};",
        counts.join(", ")
    );
    let mut table = |name: &str, value: fn(&TileAxis) -> f64| {
        let values = tiles.iter().map(|axis| format!("{:?}", value(axis)));
        let values: Vec<String> = values.collect();
        let _ = writeln!(
            text,
            "static const double field_tile_{name}[{d}] = {{ {} }};",
            values.join(", ")
        );
    };
    table("start", |axis| axis.start);
    table("length", |axis| axis.length);
    table("overlap", |axis| axis.overlap);
    table("scale", |axis| axis.scale);
    text.push_str(BETWEEN);
    text.push_str(VALUE);
    let _ = writeln!(
        text,
        "static void field(const float x[{d}], float y[{c}]) {{\n  \
         int lower[{d}], choice, k;\n  float own[{d}], part[{c}];\n  double rise[{d}][2], weight[{d}];\n  \
         field_neighbors(x, lower, rise);\n  \
         for (k = 0; k < {c}; ++k) y[k] = 0.0f;\n  \
         for (choice = 0; choice < {choices}; ++choice) {{\n    \
         double whole = 1.0;\n    \
         int a, tile = field_choose(choice, x, lower, rise, own, weight);\n    \
         for (a = 0; a < {d}; ++a) whole *= weight[a];\n    \
         if (whole == 0.0) continue;\n    \
         field_tile(tile, own, part);\n    \
         for (k = 0; k < {c}; ++k) y[k] += (float)whole * part[k];\n  }}\n}}\n",
        choices = 1_usize << d
    );
    text.push_str(GRADIENT);
    let _ = writeln!(
        text,
        "static void field_gradient(const float x[{d}], float y[{c}], float dy[{c}][{d}]) {{\n  \
         int lower[{d}], choice, k;\n  float own[{d}], part[{c}], dpart[{c}][{d}];\n  double rise[{d}][2], weight[{d}];\n  \
         field_neighbors(x, lower, rise);\n  \
         for (k = 0; k < {c}; ++k) {{\n    int a;\n    y[k] = 0.0f;\n    for (a = 0; a < {d}; ++a) dy[k][a] = 0.0f;\n  }}\n  \
         for (choice = 0; choice < {choices}; ++choice) {{\n    \
         double whole = 1.0;\n    \
         int a, b, tile = field_choose(choice, x, lower, rise, own, weight);\n    \
         for (a = 0; a < {d}; ++a) whole *= weight[a];\n    \
         if (whole == 0.0) continue;\n    \
         field_tile_gradient(tile, own, part, dpart);\n    \
         for (k = 0; k < {c}; ++k) y[k] += (float)whole * part[k];\n    \
         for (a = 0; a < {d}; ++a) {{\n      \
         double slope = choice >> a & 1 ? rise[a][1] : -rise[a][1];\n      \
         for (b = 0; b < {d}; ++b) slope *= b == a ? 1.0 : weight[b];\n      \
         for (k = 0; k < {c}; ++k) dy[k][a] += (float)(whole * field_tile_scale[a]) * dpart[k][a] + (float)slope * part[k];\n    }}\n  }}\n}}\n",
        choices = 1_usize << d
    );
}

/// The functions that find tiles. Coordinates are compared in double precision: a mosaic may have thousands of tiles.
const BETWEEN: &str = "
/* Finds, on each axis, the two tiles of which one or both contain x: the index of the lower one, and the weight of the upper one with its
   derivative. The weight rises as 6 u^5 - 15 u^4 + 10 u^3 through the zone around their border. */
static void field_neighbors(const float *x, int *lower, double (*rise)[2]) {
  int a;
  for (a = 0; a < FIELD_INPUTS; ++a) {
    double last = field_tiles[a] - 1, at = (x[a] - field_tile_start[a]) / field_tile_length[a], border = floor(at + 0.5), u;
    lower[a] = 0;
    rise[a][0] = rise[a][1] = 0.0;
    if (last < 1.0) continue;
    /* A coordinate that is not a number gets the first border. */
    border = border > last ? last : border >= 1.0 ? border : 1.0;
    u = (at - border) * field_tile_length[a] / field_tile_overlap[a] + 0.5;
    u = u > 1.0 ? 1.0 : u > 0.0 ? u : 0.0;
    lower[a] = (int)border - 1;
    rise[a][0] = u * u * u * (u * (6.0 * u - 15.0) + 10.0);
    rise[a][1] = 30.0 * u * u * (1.0 - u) * (1.0 - u) / field_tile_overlap[a];
  }
}

/* Takes on each axis the lower or the upper tile, as the bits of `choice` say, and returns the tile: x in its own coordinates, and its weights. */
static int field_choose(int choice, const float *x, const int *lower, double (*rise)[2], float *own, double *weight) {
  int a, tile = 0;
  for (a = 0; a < FIELD_INPUTS; ++a) {
    int upper = choice >> a & 1, index = lower[a] + upper;
    weight[a] = upper ? rise[a][0] : 1.0 - rise[a][0];
    own[a] = (float)((x[a] - field_tile_start[a] - (index + 0.5) * field_tile_length[a]) * field_tile_scale[a]);
    tile = tile * field_tiles[a] + index;
  }
  return tile;
}

";
