//! Fields as web pages: one file with the weights, and shaders that evaluate the field at every pixel.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use half::f16;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use siren_core::field::{Pointwise, TileAxis};
use siren_core::{Error, Result};

use crate::WeightPrecision;
use crate::dialect::Dialect;
use crate::look::{Axis, Direction, FullColor, Look, Values};
use crate::program::{Combination, Program};

/// The page, and its script in parts.
const PAGE: &str = include_str!("page/page.html");
const SCRIPT: [&str; 10] = [
    include_str!("page/colors.js"),
    include_str!("page/weights.js"),
    include_str!("page/webgl.js"),
    include_str!("page/webgpu.js"),
    include_str!("page/mosaic.js"),
    include_str!("page/plane.js"),
    include_str!("page/line.js"),
    include_str!("page/solid.js"),
    include_str!("page/sound.js"),
    include_str!("page/main.js"),
];

/// What the script knows of the field.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Field<'a> {
    values: Values,
    axes: Vec<PageAxis<'a>>,
    tone: &'a [[f64; 2]],
    channel_weights: &'a [f64],
    full: FullColor,
    outputs: usize,
    layers: Vec<PageLayer>,
    tiles: Option<Vec<PageTiles>>,
    /// Period of the first layer's activation in its argument; 0 if it has none.
    period: f64,
    half: bool,
    shaders: Shaders,
    weights: String,
}

#[derive(Serialize)]
struct PageAxis<'a> {
    #[serde(flatten)]
    axis: &'a Axis,
    spacing: f64,
}

#[derive(Serialize)]
struct PageLayer {
    fan_in: usize,
    fan_out: usize,
    tiles: usize,
    passed: usize,
    squared: bool,
}

/// The tiles of a mosaic along one coordinate.
#[derive(Serialize)]
struct PageTiles {
    count: usize,
    start: f64,
    length: f64,
    overlap: f64,
    scale: f64,
}

impl From<&TileAxis> for PageTiles {
    fn from(axis: &TileAxis) -> Self {
        Self {
            count: axis.count,
            start: axis.start,
            length: axis.length,
            overlap: axis.overlap,
            scale: axis.scale,
        }
    }
}

#[derive(Serialize)]
struct Shaders {
    glsl: Shader,
    wgsl: Shader,
}

/// Functions of the shaders of a language.
#[derive(Serialize)]
struct Shader {
    library: &'static str,
    /// The activation of each layer, with two derivatives: `f_0`, `f_1`, `f_2`.
    functions: Vec<String>,
}

/// Returns the page of a field.
///
/// # Errors
/// [`Error::InvalidValue`] if the field cannot be drawn.
pub(crate) fn page(
    program: &Program,
    look: &Look,
    full: FullColor,
    precision: WeightPrecision,
) -> Result<String> {
    check(program, look)?;
    let shader = |dialect: Dialect| Shader {
        library: dialect.library(),
        functions: functions(dialect, program),
    };
    let axes = look.axes.iter().map(|axis| PageAxis {
        axis,
        spacing: axis.spacing(),
    });
    let layers = program.layers.iter().map(|layer| PageLayer {
        fan_in: layer.fan_in,
        fan_out: layer.fan_out,
        tiles: layer.tiles,
        passed: layer.passed,
        squared: layer.combination == Combination::SquaredDistance,
    });
    let field = Field {
        values: look.values,
        axes: axes.collect(),
        tone: &look.tone,
        channel_weights: &look.weights,
        full,
        outputs: program.outputs,
        layers: layers.collect(),
        tiles: program
            .tiles
            .as_ref()
            .map(|tiles| tiles.iter().map(PageTiles::from).collect()),
        period: match program.layers.first().map(|layer| layer.function) {
            Some(Pointwise::Sine { omega }) => std::f64::consts::TAU / omega,
            _ => 0.0,
        },
        half: precision == WeightPrecision::Half,
        shaders: Shaders {
            glsl: shader(Dialect::Glsl),
            wgsl: shader(Dialect::Wgsl),
        },
        weights: encoded(program, precision)?,
    };
    render(&field, look)
}

/// Fills the template.
fn render(field: &Field<'_>, look: &Look) -> Result<String> {
    let failed = |error: String| Error::invalid("page", error, "values that JSON can hold");
    let json = serde_json::to_string(field).map_err(|error| failed(error.to_string()))?;
    let is_hidden = |axis: &&Axis| matches!(axis.direction, Direction::Time | Direction::Depth);
    let views: &[&str] = match look.values {
        Values::Distance => &["surface", "cut"],
        _ => &[],
    };
    let by_channel = look.values == Values::Signed && look.tone.len() > 1;
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let page = environment.render_str(
        PAGE,
        context! {
            title => title(look),
            hidden_axis => look.axes.iter().find(is_hidden).map_or("", |axis| axis.name),
            views => views,
            channels => if by_channel { look.channels.as_slice() } else { &[] },
            notes => &look.notes,
            quantities => ["value", "gradient", "laplacian"],
            // No text of the JSON may end the script.
            field => Value::from_safe_string(json.replace('<', "\\u003c")),
            script => Value::from_safe_string(SCRIPT.concat()),
        },
    );
    page.map_err(|error| failed(format!("{error:#}")))
}

fn title(look: &Look) -> &'static str {
    match look.values {
        Values::Intensity if look.axes.len() > 2 => "A clip without frames or pixels",
        Values::Intensity => "A picture without pixels",
        Values::Amplitude => "A sound without samples",
        Values::Signed => "A wave field",
        Values::Distance => "A shape without triangles",
    }
}

/// Checks that the page can show the field.
fn check(program: &Program, look: &Look) -> Result<()> {
    let count = |wanted: &[Direction]| {
        let axes = look.axes.iter();
        axes.filter(|axis| wanted.contains(&axis.direction)).count()
    };
    let directions = [Direction::Right, Direction::Down, Direction::Up];
    let [across, hidden] = [
        count(&directions),
        count(&[Direction::Time, Direction::Depth]),
    ];
    let fits = match look.values {
        Values::Amplitude => across == 1 && hidden == 0,
        Values::Intensity | Values::Signed => across == 2 && hidden <= 1,
        Values::Distance => across == 2 && hidden == 1,
    };
    if fits {
        return Ok(());
    }
    let expected = "one or two on the screen and at most one that is scrubbed for .html; .onnx, .h and .safetensors take any";
    Err(Error::invalid(
        "coordinates of the field",
        program.inputs,
        expected,
    ))
}

/// Returns the activation of each layer, with two derivatives.
fn functions(dialect: Dialect, program: &Program) -> Vec<String> {
    let layers = program.layers.iter();
    layers
        .map(|layer| dialect.activation("f", layer.function, 2))
        .collect()
}

/// Returns weights and biases, layer by layer, as base64 of little-endian values.
fn encoded(program: &Program, precision: WeightPrecision) -> Result<String> {
    let mut bytes = Vec::new();
    for layer in &program.layers {
        for &value in layer.weight.iter().chain(&layer.bias) {
            match precision {
                WeightPrecision::Single => bytes.extend((value as f32).to_le_bytes()),
                WeightPrecision::Half => {
                    let half = f16::from_f64(value);
                    if !half.is_finite() {
                        let expected = "weights below 65,520 with --half: export without it";
                        return Err(Error::invalid("weight of the field", value, expected));
                    }
                    bytes.extend(half.to_le_bytes());
                }
            }
        }
    }
    Ok(STANDARD.encode(bytes))
}
