//! Mosaics as ONNX graphs: a loop over the tiles that contain points.
//!
//! Each point has up to 2ᵈ tiles. The pairs of a point and a tile whose weight is not 0 are collected; the loop evaluates the network of one tile at
//! all its points and writes the results into their pairs. So weights are gathered once for a tile instead of once for a point, and a point needs
//! memory for its coordinates and for the values between two layers of one tile alone.

use siren_core::field::TileAxis;

use super::proto::{Attribute, BOOL, FLOAT, GRAPH, Graph, INT64, Node};
use super::{Builder, Carried, Size, value_info};
use crate::program::Program;

/// One of the tiles around points on one axis, by the names of tensors `(n,)`.
#[derive(Clone)]
struct Candidate {
    /// Index on the axis.
    index: String,
    /// Weight and its derivative with respect to the coordinate.
    weight: String,
    slope: String,
    /// Coordinate of the tile.
    own: String,
}

/// Pairs of a point and a tile, by the names of tensors.
struct Pairs {
    /// Tiles, `(m,)`.
    tile: String,
    /// Weights, `(m, 1)`, and for each axis their derivatives, `(m, 1)`.
    weight: String,
    slopes: Vec<String>,
    /// Coordinates of the tiles, `(m, d)`.
    own: String,
    /// Point and choice among its tiles, `(m, 2)`.
    place: String,
    /// Number of points and of choices, `(2,)`.
    sizes: String,
}

impl Builder {
    /// Appends a mosaic and returns its values `(n, c)` and their derivatives.
    pub(super) fn mosaic(&mut self, program: &Program, tiles: &[TileAxis]) -> Carried {
        let (d, c) = (program.inputs, program.outputs);
        let pairs = self.pairs(tiles);
        let jets = self.over_tiles(program, &pairs);
        let parts = self.parts(&jets, d, c);
        let value = self.node("Mul", &[&pairs.weight, &parts[0]], &[]);
        let mut blended = vec![value];
        for (axis, tile) in tiles.iter().enumerate() {
            let scale = self.constant(tile.scale);
            let scaled = self.node("Mul", &[&pairs.weight, &scale], &[]);
            let own = self.node("Mul", &[&scaled, &parts[1 + axis]], &[]);
            let of_weight = self.node("Mul", &[&pairs.slopes[axis], &parts[0]], &[]);
            blended.push(self.node("Add", &[&own, &of_weight], &[]));
        }
        let packed = self.concat(&blended, 1);
        // The pairs of a point have places of their own, so that no sum depends on the order of threads.
        let zeros = self.zeros(&pairs.sizes, c * (1 + d));
        let placed = self.node("ScatterND", &[&zeros, &pairs.place, &packed], &[]);
        let middle = self.integer(&[1], 1);
        let sums = self.node("ReduceSum", &[&placed, &middle], &[("keepdims", 0)]);
        let mut parts = self.parts(&sums, d, c);
        let slopes = parts.split_off(1);
        Carried {
            value: parts.remove(0),
            slopes,
        }
    }

    /// Splits `(n, c (1 + d))` into the values `(n, c)` and their derivatives along each axis.
    fn parts(&mut self, packed: &str, d: usize, c: usize) -> Vec<String> {
        // A size of 0 is that of the input.
        let shape = self.integers(&[0, 1 + d as i64, c as i64]);
        let split = self.node("Reshape", &[packed, &shape], &[]);
        let part = |at: usize| {
            let index = self.integer(&[], at as i64);
            self.node("Gather", &[&split, &index], &[("axis", 1)])
        };
        (0..=d).map(part).collect()
    }

    /// Appends zeros of the shape `sizes`, a name, and `last`.
    fn zeros(&mut self, sizes: &str, last: usize) -> String {
        let last = self.integer(&[1], last as i64);
        let shape = self.node("Concat", &[sizes, &last], &[("axis", 0)]);
        let zero = self.constant(0.0);
        self.node("Expand", &[&zero, &shape], &[])
    }

    /// Appends the tiles that contain each point.
    fn pairs(&mut self, tiles: &[TileAxis]) -> Pairs {
        let candidates: Vec<Vec<Candidate>> = (0..tiles.len())
            .map(|axis| self.candidates(axis, &tiles[axis]))
            .collect();
        let mut choices = vec![Vec::new()];
        for of_axis in &candidates {
            let extended = choices.iter().flat_map(|choice: &Vec<Candidate>| {
                let with =
                    |one: &Candidate| [choice.as_slice(), std::slice::from_ref(one)].concat();
                of_axis.iter().map(with).collect::<Vec<_>>()
            });
            choices = extended.collect();
        }
        let columns =
            |builder: &mut Self, of: &mut dyn FnMut(&mut Self, &[Candidate]) -> String| {
                let names: Vec<String> = choices.iter().map(|choice| of(builder, choice)).collect();
                builder.stacked(&names)
            };
        let tile = columns(self, &mut |builder, choice| builder.tile_of(tiles, choice));
        let weight = columns(self, &mut |builder, choice| {
            builder.product(choice.iter().map(|one| one.weight.clone()))
        });
        let sizes = self.node("Shape", &[&weight], &[]);
        let zero = self.constant(0.0);
        let has_weight = self.node("Greater", &[&weight, &zero], &[]);
        let found = self.node("NonZero", &[&has_weight], &[]);
        let place = self.node("Transpose", &[&found], &[]);
        let last = self.integer(&[1], 1);
        let picked = |builder: &mut Self, name: &str| {
            let flat = builder.node("GatherND", &[name, &place], &[]);
            builder.node("Unsqueeze", &[&flat, &last], &[])
        };
        let weight = picked(self, &weight);
        let (mut slopes, mut own) = (Vec::new(), Vec::new());
        for axis in 0..tiles.len() {
            let slope = columns(self, &mut |builder, choice| {
                let factors = choice.iter().enumerate();
                builder.product(factors.map(|(at, one)| {
                    let is_derived = at == axis;
                    (if is_derived { &one.slope } else { &one.weight }).clone()
                }))
            });
            slopes.push(picked(self, &slope));
            let coordinate = columns(self, &mut |_, choice| choice[axis].own.clone());
            own.push(picked(self, &coordinate));
        }
        Pairs {
            tile: self.node("GatherND", &[&tile, &place], &[]),
            weight,
            slopes,
            own: self.concat(&own, 1),
            place,
            sizes,
        }
    }

    /// Appends the one or two tiles of an axis that may contain a coordinate.
    fn candidates(&mut self, axis: usize, tile: &TileAxis) -> Vec<Candidate> {
        let column = self.integer(&[], axis as i64);
        let x = self.node("Gather", &["coords", &column], &[("axis", 1)]);
        if tile.count == 1 {
            let shape = self.node("Shape", &[&x], &[]);
            let first = self.integer(&[], 0);
            let [weight, slope] = [1.0, 0.0].map(|value| {
                let value = self.constant(value);
                self.node("Expand", &[&value, &shape], &[])
            });
            let index = self.node("Expand", &[&first, &shape], &[]);
            let own = self.own(&x, &index, tile);
            return vec![Candidate {
                index,
                weight,
                slope,
                own,
            }];
        }
        let [half, one] = [0.5, 1.0].map(|value| self.constant(value));
        let [start, per_length] = [tile.start, 1.0 / tile.length].map(|value| self.constant(value));
        let last = self.constant((tile.count - 1) as f64);
        let from_start = self.node("Sub", &[&x, &start], &[]);
        let at = self.node("Mul", &[&from_start, &per_length], &[]);
        let rounded = self.node("Add", &[&at, &half], &[]);
        let rounded = self.node("Floor", &[&rounded], &[]);
        let border = self.node("Clip", &[&rounded, &one, &last], &[]);
        let upper = self.node("Cast", &[&border], &[("to", i64::from(INT64))]);
        let step = self.integer(&[], 1);
        let lower = self.node("Sub", &[&upper, &step], &[]);
        let borders = (0..tile.count).map(|index| tile.start + index as f64 * tile.length);
        let from_border = self.difference(&x, &upper, &borders.collect::<Vec<f64>>());
        let (rise, slope) = self.rise(&from_border, tile.overlap);
        let fall = self.node("Sub", &[&one, &rise], &[]);
        let falling = self.node("Neg", &[&slope], &[]);
        let neighbors = [(lower, fall, falling), (upper, rise, slope)];
        let neighbor = |(index, weight, slope): (String, String, String)| Candidate {
            own: self.own(&x, &index, tile),
            index,
            weight,
            slope,
        };
        neighbors.into_iter().map(neighbor).collect()
    }

    /// Appends `6 u⁵ − 15 u⁴ + 10 u³` of the share `u` of an overlap, and its derivative with respect to the coordinate.
    fn rise(&mut self, from_border: &str, overlap: f64) -> (String, String) {
        let [zero, half, one, six, ten, fifteen] =
            [0.0, 0.5, 1.0, 6.0, 10.0, 15.0].map(|value| self.constant(value));
        let [per_overlap, most] = [1.0 / overlap, 30.0 / overlap].map(|value| self.constant(value));
        let shares = self.node("Mul", &[from_border, &per_overlap], &[]);
        let shifted = self.node("Add", &[&shares, &half], &[]);
        let u = self.node("Clip", &[&shifted, &zero, &one], &[]);
        let linear = self.node("Mul", &[&u, &six], &[]);
        let linear = self.node("Sub", &[&linear, &fifteen], &[]);
        let square = self.node("Mul", &[&u, &linear], &[]);
        let square = self.node("Add", &[&square, &ten], &[]);
        let cube = self.product([&u, &u, &u].into_iter().cloned());
        let rise = self.node("Mul", &[&cube, &square], &[]);
        let rest = self.node("Sub", &[&one, &u], &[]);
        let both = self.node("Mul", &[&u, &rest], &[]);
        let slope = self.product([both.clone(), both, most].into_iter());
        (rise, slope)
    }

    /// Appends the coordinates of tiles.
    fn own(&mut self, x: &str, index: &str, tile: &TileAxis) -> String {
        let centers: Vec<f64> = (0..tile.count).map(|index| tile.center(index)).collect();
        let from_center = self.difference(x, index, &centers);
        let scale = self.constant(tile.scale);
        self.node("Mul", &[&from_center, &scale], &[])
    }

    /// Appends `x − places[index]`. The places have twice the digits of single precision, since small differences of coordinates are magnified.
    fn difference(&mut self, x: &str, index: &str, places: &[f64]) -> String {
        let coarse = |place: f64| f64::from(place as f32);
        let high = self.floats(&[places.len()], places.iter().map(|&place| coarse(place)));
        let rest = places.iter().map(|&place| place - coarse(place));
        let low = self.floats(&[places.len()], rest);
        let mut difference = x.to_owned();
        for table in [high, low] {
            let place = self.node("Gather", &[&table, index], &[("axis", 0)]);
            difference = self.node("Sub", &[&difference, &place], &[]);
        }
        difference
    }

    /// Appends the index of the tile that has given indices on the axes, row-major.
    fn tile_of(&mut self, tiles: &[TileAxis], choice: &[Candidate]) -> String {
        let mut tile = choice[0].index.clone();
        for (axis, one) in tiles.iter().zip(choice).skip(1) {
            let count = self.integer(&[], axis.count as i64);
            let before = self.node("Mul", &[&tile, &count], &[]);
            tile = self.node("Add", &[&before, &one.index], &[]);
        }
        tile
    }

    fn product(&mut self, factors: impl Iterator<Item = String>) -> String {
        let product = |a: String, b: String| self.node("Mul", &[&a, &b], &[]);
        factors.reduce(product).unwrap_or_default()
    }

    /// Joins tensors `(n,)` to the columns of one.
    fn stacked(&mut self, names: &[String]) -> String {
        let last = self.integer(&[1], 1);
        let columns = names.iter();
        let columns: Vec<String> = columns
            .map(|name| self.node("Unsqueeze", &[name, &last], &[]))
            .collect();
        self.concat(&columns, 1)
    }

    fn concat(&mut self, names: &[String], axis: i64) -> String {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.node("Concat", &names, &[("axis", axis)])
    }

    /// Returns the name of a list of integers.
    fn integers(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        let bytes = bytes.collect();
        self.tensor(&[values.len()], INT64, bytes)
    }

    /// Appends the loop over the tiles of pairs; returns values and derivatives in coordinates of the tiles, `(m, c (1 + d))`.
    fn over_tiles(&mut self, program: &Program, pairs: &Pairs) -> String {
        let size = program.outputs * (1 + program.inputs);
        let [distinct, inverse] = [self.name(), self.name()];
        // The second output, first occurrences, is not needed.
        let outputs = [distinct.clone(), String::new(), inverse.clone()];
        self.nodes.push(Node {
            input: vec![pairs.tile.clone()],
            output: outputs.into(),
            op_type: Some("Unique".to_owned()),
            attribute: Vec::new(),
        });
        let count = self.node("Shape", &[&distinct], &[]);
        let first = self.integer(&[1], 0);
        let count = self.node("Squeeze", &[&count, &first], &[]);
        let pair_count = self.node("Shape", &[&pairs.tile], &[]);
        let nothing = self.zeros(&pair_count, size);

        let outside = std::mem::take(&mut self.nodes);
        let [turn, goes_on, before] = [self.name(), self.name(), self.name()];
        self.tile = Some(self.node("Gather", &[&distinct, &turn], &[("axis", 0)]));
        let is_inside = self.node("Equal", &[&inverse, &turn], &[]);
        let found = self.node("NonZero", &[&is_inside], &[]);
        let place = self.node("Transpose", &[&found], &[]);
        let own = self.node("GatherND", &[&pairs.own, &place], &[]);
        let carried = self.network(program, &own);
        self.tile = None;
        let names = [&[carried.value], carried.slopes.as_slice()].concat();
        let packed = self.concat(&names, 1);
        let after = self.node("ScatterND", &[&before, &place, &packed], &[]);
        let still = self.node("Identity", &[&goes_on], &[]);
        let body = std::mem::replace(&mut self.nodes, outside);

        let result = [Size::Named("m"), Size::Count(size)];
        let body = Graph {
            node: body,
            name: Some("tile".to_owned()),
            initializer: Vec::new(),
            input: vec![
                value_info(&turn, INT64, &[]),
                value_info(&goes_on, BOOL, &[]),
                value_info(&before, FLOAT, &result),
            ],
            output: vec![
                value_info(&still, BOOL, &[]),
                value_info(&after, FLOAT, &result),
            ],
        };
        let jets = self.name();
        self.nodes.push(Node {
            input: vec![count, String::new(), nothing],
            output: vec![jets.clone()],
            op_type: Some("Loop".to_owned()),
            attribute: vec![Attribute {
                name: Some("body".to_owned()),
                i: None,
                g: Some(body),
                kind: Some(GRAPH),
            }],
        });
        jets
    }
}
