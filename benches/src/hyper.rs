//! What a hypernetwork adds to a case: an encoder, and networks that make the tensors of the field.

use serde::{Deserialize, Serialize};

/// Residual blocks of the convolutional encoder, two convolutions each.
const BLOCKS: usize = 4;

/// What makes a latent code of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoder {
    /// A network of four layers for every context pixel.
    Set,
    /// Convolutions over the whole picture.
    Conv,
}

/// Sizes of an encoder and a hypernetwork, whose depths are the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hypernetwork {
    /// Pixels a side of the pictures.
    pub side: usize,
    /// Size of the latent code.
    pub latent: usize,
    pub encoder: Encoder,
    pub encoder_features: usize,
    pub hyper_features: usize,
    /// Pixels of a picture that are seen: exactly for the set encoder, on average for convolutions.
    pub context: usize,
}

/// A layer as one matrix product a picture, `(rows, fan_in)` times `(fan_in, fan_out)`.
struct Layer {
    rows: usize,
    fan_in: usize,
    fan_out: usize,
}

impl Hypernetwork {
    /// The paper's, with the set encoder.
    pub const PAPER: Self = Self {
        side: 32,
        latent: 256,
        encoder: Encoder::Set,
        encoder_features: 256,
        hyper_features: 256,
        context: 200,
    };

    /// The encoder's layers, then those of a network for every weight and bias of the field, whose matrices are `field`.
    fn layers(&self, field: &[(usize, usize)]) -> Vec<Layer> {
        let channels = field.last().map_or(0, |&(_, fan_out)| fan_out);
        let mut layers = match self.encoder {
            Encoder::Set => self.set(channels),
            Encoder::Conv => self.conv(channels),
        };
        let tensors = field.iter().flat_map(|&(m, n)| [m * n, n]);
        let width = self.hyper_features;
        for numbers in tensors {
            layers.extend(chain(1, &[self.latent, width, width, numbers]));
        }
        layers
    }

    fn set(&self, channels: usize) -> Vec<Layer> {
        let width = self.encoder_features;
        let sizes = [2 + channels, width, width, width, self.latent];
        chain(self.context, &sizes).collect()
    }

    fn conv(&self, channels: usize) -> Vec<Layer> {
        let (width, pixels) = (self.encoder_features, self.side * self.side);
        let convolution = |fan_in: usize, fan_out: usize, kernel: usize| Layer {
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

    /// Multiplications of a step and picture: three products a layer, of which the encoder's first needs no `dH`; those of
    /// the other networks need it, as it leads to the encoder.
    pub fn multiplications(&self, field: &[(usize, usize)]) -> usize {
        let layers = self.layers(field);
        let product = |layer: &Layer| layer.rows * layer.fan_in * layer.fan_out;
        let all = layers.iter().map(|layer| 3 * product(layer));
        all.sum::<usize>() - product(&layers[0])
    }

    /// Numbers that are kept for the reverse pass of a picture: what each layer gives, and its activation of that.
    pub fn kept(&self, field: &[(usize, usize)]) -> usize {
        let layers = self.layers(field).into_iter();
        layers.map(|layer| 2 * layer.rows * layer.fan_out).sum()
    }
}

/// Layers of these sizes, one after the other.
fn chain(rows: usize, sizes: &[usize]) -> impl Iterator<Item = Layer> {
    sizes.windows(2).map(move |pair| Layer {
        rows,
        fan_in: pair[0],
        fan_out: pair[1],
    })
}
