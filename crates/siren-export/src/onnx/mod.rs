//! Fields as ONNX graphs: `coords (n, d)` to `value (n, c)` and `gradient (n, c, d)`.
//!
//! Derivatives are carried forward with the value by ordinary operators, so that an engine without automatic differentiation computes them.

mod mosaic;
mod proto;

use std::collections::HashMap;

use prost::Message as _;
use serde_json::json;
use siren_core::{Error, Result};

use self::proto::{
    Attribute, Dimension, FLOAT, Graph, INT, INT64, Model, Node, OperatorSet, Property, Shape,
    Tensor, TensorType, Type, ValueInfo,
};
use crate::expression::{Expression, Function, derivatives};
use crate::look::Look;
use crate::program::{Combination, Layer, Program};

/// Version of the operators, of 2022; that of the file format is 8.
const OPERATORS: i64 = 17;
const FILE_FORMAT: i64 = 8;
/// Largest file: protocol buffers end at 2 GiB.
const MAX_BYTES: usize = i32::MAX as usize;

/// Returns the bytes of a model.
///
/// # Errors
/// [`Error::InvalidValue`] if the network is too large for one file.
pub(crate) fn model(program: &Program, look: &Look) -> Result<Vec<u8>> {
    let mut builder = Builder::default();
    builder.program(program);
    let tensor = |name: &str, sizes: &[usize]| {
        let rest = sizes.iter().map(|&count| Size::Count(count));
        let sizes: Vec<Size> = std::iter::once(Size::Named("n")).chain(rest).collect();
        value_info(name, FLOAT, &sizes)
    };
    let (d, c) = (program.inputs, program.outputs);
    let model = Model {
        ir_version: Some(FILE_FORMAT),
        producer_name: Some("siren".to_owned()),
        graph: Some(Graph {
            node: builder.nodes,
            name: Some("field".to_owned()),
            initializer: builder.tensors,
            input: vec![tensor("coords", &[d])],
            output: vec![tensor("value", &[c]), tensor("gradient", &[c, d])],
        }),
        opset_import: vec![OperatorSet {
            domain: Some(String::new()),
            version: Some(OPERATORS),
        }],
        metadata_props: vec![Property {
            key: Some("siren.look".to_owned()),
            value: Some(json!(look).to_string()),
        }],
    };
    let bytes = model.encoded_len();
    if bytes > MAX_BYTES {
        let expected = "at most 2 GiB for .onnx; .safetensors has no such limit";
        return Err(Error::invalid("bytes of the field", bytes, expected));
    }
    Ok(model.encode_to_vec())
}

/// Length of an axis: a number, or a name for one that differs between calls.
enum Size {
    Count(usize),
    Named(&'static str),
}

/// Returns the name, the type of the elements and the shape of a tensor.
fn value_info(name: &str, elements: i32, sizes: &[Size]) -> ValueInfo {
    let dimension = |size: &Size| match size {
        Size::Count(count) => Dimension {
            dim_value: Some(*count as i64),
            dim_param: None,
        },
        Size::Named(name) => Dimension {
            dim_value: None,
            dim_param: Some((*name).to_owned()),
        },
    };
    ValueInfo {
        name: Some(name.to_owned()),
        kind: Some(Type {
            tensor_type: Some(TensorType {
                elem_type: Some(elements),
                shape: Some(Shape {
                    dim: sizes.iter().map(dimension).collect(),
                }),
            }),
        }),
    }
}

/// A value between two layers and its derivative along each coordinate, by name.
struct Carried {
    value: String,
    slopes: Vec<String>,
}

/// The nodes and constants of a graph.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    tensors: Vec<Tensor>,
    constants: HashMap<u32, String>,
    names: usize,
    /// Name of the scalar index of the tile whose network is appended.
    tile: Option<String>,
}

impl Builder {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    /// Appends a node and returns the name of its output.
    fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, i64)]) -> String {
        let output = self.name();
        self.named_node(operator, inputs, attributes, &output);
        output
    }

    fn named_node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, i64)],
        output: &str,
    ) {
        let attribute = |&(name, value): &(&str, i64)| Attribute {
            name: Some(name.to_owned()),
            i: Some(value),
            g: None,
            kind: Some(INT),
        };
        self.nodes.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            op_type: Some(operator.to_owned()),
            attribute: attributes.iter().map(attribute).collect(),
        });
    }

    fn tensor(&mut self, dims: &[usize], data_type: i32, bytes: Vec<u8>) -> String {
        let name = self.name();
        self.tensors.push(Tensor {
            dims: dims.iter().map(|&count| count as i64).collect(),
            data_type: Some(data_type),
            name: Some(name.clone()),
            raw_data: Some(bytes),
        });
        name
    }

    fn floats(&mut self, dims: &[usize], values: impl Iterator<Item = f64>) -> String {
        let bytes = values.flat_map(|value| (value as f32).to_le_bytes());
        let bytes = bytes.collect();
        self.tensor(dims, FLOAT, bytes)
    }

    fn integer(&mut self, dims: &[usize], value: i64) -> String {
        self.tensor(dims, INT64, value.to_le_bytes().to_vec())
    }

    /// Returns the name of a scalar constant.
    fn constant(&mut self, value: f64) -> String {
        let bits = (value as f32).to_bits();
        if let Some(name) = self.constants.get(&bits) {
            return name.clone();
        }
        let name = self.floats(&[], std::iter::once(value));
        self.constants.insert(bits, name.clone());
        name
    }

    /// Returns the name of constants `dims` of a layer: those of the present tile, if each tile has its own.
    fn of_tile(
        &mut self,
        tiles: usize,
        dims: &[usize],
        values: impl Iterator<Item = f64>,
    ) -> String {
        match self.tile.clone() {
            Some(tile) if tiles > 1 => {
                let stacked = self.floats(&[&[tiles], dims].concat(), values);
                self.node("Gather", &[&stacked, &tile], &[("axis", 0)])
            }
            _ => self.floats(dims, values),
        }
    }

    /// Appends the whole field, from `coords` to `value` and `gradient`.
    fn program(&mut self, program: &Program) {
        let carried = match &program.tiles {
            None => self.network(program, "coords"),
            Some(tiles) => self.mosaic(program, tiles),
        };
        self.named_node("Identity", &[&carried.value], &[], "value");
        let axis = self.integer(&[1], 2);
        let columns: Vec<String> = carried
            .slopes
            .iter()
            .map(|slope| self.node("Unsqueeze", &[slope, &axis], &[]))
            .collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        self.named_node("Concat", &columns, &[("axis", 2)], "gradient");
    }

    /// Appends a network, that of the present tile for a mosaic.
    fn network(&mut self, program: &Program, coords: &str) -> Carried {
        let mut carried = Carried {
            value: coords.to_owned(),
            slopes: Vec::new(),
        };
        for layer in &program.layers {
            let (passed, rest) = split(layer);
            let parts: Vec<Carried> = [passed, rest]
                .into_iter()
                .flatten()
                .map(|part| self.layer(&part, &carried, program.inputs))
                .collect();
            carried = self.joined(parts);
        }
        carried
    }

    /// Appends a layer all of whose outputs have the activation.
    fn layer(&mut self, layer: &Layer, input: &Carried, dims: usize) -> Carried {
        let z = match layer.combination {
            Combination::Affine => self.affine(layer, input, dims),
            Combination::SquaredDistance => self.squared_distance(layer, &input.value, dims),
        };
        let expressions = derivatives(layer.function, 1);
        let mut known = Vec::new();
        let value = self.expression(&expressions[0], &z.value, &mut known);
        if matches!(expressions[1], Expression::Constant(1.0)) {
            return Carried {
                value,
                slopes: z.slopes,
            };
        }
        let factor = self.expression(&expressions[1], &z.value, &mut known);
        let slopes = z.slopes.iter();
        let slopes = slopes.map(|slope| self.node("Mul", &[&factor, slope], &[]));
        Carried {
            slopes: slopes.collect(),
            value,
        }
    }

    /// Appends `z = W h + b`. The coordinates' own derivatives are columns of `W`.
    fn affine(&mut self, layer: &Layer, input: &Carried, dims: usize) -> Carried {
        let (inputs, outputs) = (layer.fan_in, layer.fan_out);
        // (inputs, outputs): engines multiply from the right.
        let transposed = layer.weight.chunks_exact(inputs * outputs);
        let transposed = transposed.flat_map(|weight| {
            (0..inputs * outputs).map(move |at| weight[at % outputs * inputs + at / outputs])
        });
        let weight = self.of_tile(layer.tiles, &[inputs, outputs], transposed);
        let bias = self.of_tile(layer.tiles, &[outputs], layer.bias.iter().copied());
        let product = self.node("MatMul", &[&input.value, &weight], &[]);
        let value = self.node("Add", &[&product, &bias], &[]);
        let slopes = if input.slopes.is_empty() {
            let column = |axis: usize| {
                let axis = self.integer(&[1], axis as i64);
                self.node("Gather", &[&weight, &axis], &[("axis", 0)])
            };
            (0..dims).map(column).collect()
        } else {
            let slopes = input.slopes.iter();
            slopes
                .map(|slope| self.node("MatMul", &[slope, &weight], &[]))
                .collect()
        };
        Carried { value, slopes }
    }

    /// Appends `z = s ‖x − c‖²` of the coordinates.
    fn squared_distance(&mut self, layer: &Layer, coords: &str, dims: usize) -> Carried {
        let outputs = layer.fan_out;
        let tiles = layer.tiles;
        let centers = layer.weight.iter().copied();
        let centers = self.of_tile(tiles, &[1, outputs, dims], centers);
        let widths = self.of_tile(tiles, &[1, outputs], layer.bias.iter().copied());
        let twice = layer.bias.iter().map(|s| 2.0 * s);
        let twice = self.of_tile(tiles, &[1, outputs], twice);
        let [middle, last] = [1, 2].map(|axis| self.integer(&[1], axis));
        let points = self.node("Unsqueeze", &[coords, &middle], &[]);
        let difference = self.node("Sub", &[&points, &centers], &[]);
        let squares = self.node("Mul", &[&difference, &difference], &[]);
        let sum = self.node("ReduceSum", &[&squares, &last], &[("keepdims", 0)]);
        let value = self.node("Mul", &[&widths, &sum], &[]);
        let slopes = (0..dims).map(|axis| {
            let index = self.integer(&[], axis as i64);
            let along = self.node("Gather", &[&difference, &index], &[("axis", 2)]);
            self.node("Mul", &[&twice, &along], &[])
        });
        Carried {
            slopes: slopes.collect(),
            value,
        }
    }

    /// Appends an expression of `z` and returns its name. `known` are the parts that have one already.
    fn expression(
        &mut self,
        expression: &Expression,
        z: &str,
        known: &mut Vec<(Expression, String)>,
    ) -> String {
        if let Some((_, name)) = known.iter().find(|(part, _)| part == expression) {
            return name.clone();
        }
        let mut of = |part: &Expression| self.expression(part, z, known);
        let name = match expression {
            Expression::Argument => z.to_owned(),
            Expression::Constant(value) => self.constant(*value),
            Expression::Sum(a, b) | Expression::Product(a, b) | Expression::Quotient(a, b) => {
                let (a, b) = (of(a), of(b));
                let operator = match expression {
                    Expression::Sum(..) => "Add",
                    Expression::Product(..) => "Mul",
                    _ => "Div",
                };
                self.node(operator, &[&a, &b], &[])
            }
            Expression::Call(function, a) => {
                let a = of(a);
                let operator = match function {
                    Function::Sine => "Sin",
                    Function::Cosine => "Cos",
                    Function::Exponential => "Exp",
                    Function::Logarithm => "Log",
                    Function::HyperbolicTangent => "Tanh",
                };
                self.node(operator, &[&a], &[])
            }
            Expression::Select {
                condition,
                bound,
                above,
                below,
            } => {
                let (condition, above, below) = (of(condition), of(above), of(below));
                let bound = self.constant(*bound);
                let is_above = self.node("Greater", &[&condition, &bound], &[]);
                self.node("Where", &[&is_above, &above, &below], &[])
            }
        };
        known.push((expression.clone(), name.clone()));
        name
    }

    /// Joins the outputs of parts of a layer. A derivative that is the same at all points is repeated.
    fn joined(&mut self, mut parts: Vec<Carried>) -> Carried {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let mut join = |names: Vec<&str>| self.node("Concat", &names, &[("axis", 1)]);
        let value = join(parts.iter().map(|part| part.value.as_str()).collect());
        let mut slopes = Vec::new();
        for axis in 0..parts[0].slopes.len() {
            // The passed coordinates come first; zero times their values has a row for every point.
            let zero = self.constant(0.0);
            let zeros = self.node("Mul", &[&parts[0].value, &zero], &[]);
            let first = self.node("Add", &[&parts[0].slopes[axis], &zeros], &[]);
            slopes.push(self.node("Concat", &[&first, &parts[1].slopes[axis]], &[("axis", 1)]));
        }
        Carried { value, slopes }
    }
}

/// Splits a layer into the outputs that pass without activation and the others.
fn split(layer: &Layer) -> (Option<Layer>, Option<Layer>) {
    if layer.passed == 0 {
        return (None, Some(layer.clone()));
    }
    let part = |rows: std::ops::Range<usize>, function| Layer {
        fan_in: layer.fan_in,
        fan_out: rows.len(),
        combination: layer.combination,
        tiles: layer.tiles,
        weight: layer.weight[rows.start * layer.fan_in..rows.end * layer.fan_in].to_vec(),
        bias: layer.bias[rows].to_vec(),
        passed: 0,
        function,
    };
    (
        Some(part(0..layer.passed, siren_core::field::Pointwise::Linear)),
        Some(part(layer.passed..layer.fan_out, layer.function)),
    )
}
