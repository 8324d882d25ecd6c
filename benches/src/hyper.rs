//! Sizes, operations and memory of the networks that a hypernetwork case adds to a field: an encoder, and one network for each tensor of
//! the field.

use serde::{Deserialize, Serialize};

/// Residual blocks of the convolutional encoder, two convolutions each.
const BLOCKS: usize = 4;

/// Network that maps a picture, or its context, to a latent code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoder {
    /// Set encoder: a network of four layers, applied to every context pixel.
    Set,
    /// Convolutions over the whole picture.
    Conv,
}

/// Sizes of an encoder and a hypernetwork with the depths of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hypernetwork {
    /// Side of the square pictures in pixels.
    pub side: usize,
    /// Size of the latent code.
    pub latent: usize,
    pub encoder: Encoder,
    /// Width of the encoder.
    pub encoder_features: usize,
    /// Width of the hypernetwork's hidden layers.
    pub hyper_features: usize,
    /// Number of context pixels per picture: exact for the set encoder, the mean for convolutions.
    pub context: usize,
}

/// A layer as one matrix product per picture, `(rows, fan_in)` times `(fan_in, fan_out)`.
struct LayerProduct {
    rows: usize,
    fan_in: usize,
    fan_out: usize,
}

impl Hypernetwork {
    /// The sizes of the paper, with the set encoder.
    pub const PAPER: Self = Self {
        side: 32,
        latent: 256,
        encoder: Encoder::Set,
        encoder_features: 256,
        hyper_features: 256,
        context: 200,
    };

    /// Returns the layers of the encoder, then those of one network for every weight and bias of the field. `field` has the shapes
    /// `(fan_in, fan_out)` of the field's weight matrices.
    fn layers(&self, field: &[(usize, usize)]) -> Vec<LayerProduct> {
        let channels = field.last().map_or(0, |&(_, fan_out)| fan_out);
        let mut layers = match self.encoder {
            Encoder::Set => self.set_encoder(channels),
            Encoder::Conv => self.conv_encoder(channels),
        };
        let tensors = field.iter().flat_map(|&(m, n)| [m * n, n]);
        let width = self.hyper_features;
        for elements in tensors {
            layers.extend(chain(1, &[self.latent, width, width, elements]));
        }
        layers
    }

    fn set_encoder(&self, channels: usize) -> Vec<LayerProduct> {
        let width = self.encoder_features;
        let sizes = [2 + channels, width, width, width, self.latent];
        chain(self.context, &sizes).collect()
    }

    fn conv_encoder(&self, channels: usize) -> Vec<LayerProduct> {
        let (width, pixels) = (self.encoder_features, self.side * self.side);
        let convolution = |fan_in: usize, fan_out: usize, kernel: usize| LayerProduct {
            rows: pixels,
            fan_in: fan_in * kernel * kernel,
            fan_out,
        };
        let mut layers = vec![
            convolution(channels, width / 2, 3),
            convolution(width / 2, width, 3),
        ];
        layers.extend((0..2 * BLOCKS).map(|_| convolution(width, width, 5)));
        layers.push(convolution(width, self.latent, 1));
        layers.extend(chain(self.latent, &[pixels, 1]));
        layers
    }

    /// Returns the multiplications of a step per picture: three products per layer. Only the first layer of the encoder needs no `dH`; the
    /// first layers of the other networks need it, since their input is the encoder's output.
    pub fn multiplications(&self, field: &[(usize, usize)]) -> usize {
        let layers = self.layers(field);
        let product = |layer: &LayerProduct| layer.rows * layer.fan_in * layer.fan_out;
        let all = layers.iter().map(|layer| 3 * product(layer));
        all.sum::<usize>() - product(&layers[0])
    }

    /// Returns the elements that are stored for the reverse pass of a picture: the output of each layer, before and after its activation.
    pub fn stored_elements(&self, field: &[(usize, usize)]) -> usize {
        let layers = self.layers(field).into_iter();
        layers.map(|layer| 2 * layer.rows * layer.fan_out).sum()
    }
}

/// Returns a chain of fully connected layers; `sizes` has the input's size first.
fn chain(rows: usize, sizes: &[usize]) -> impl Iterator<Item = LayerProduct> {
    sizes.windows(2).map(move |pair| LayerProduct {
        rows,
        fan_in: pair[0],
        fan_out: pair[1],
    })
}
