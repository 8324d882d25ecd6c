//! Convolutions as matrix products over patches, picture by picture.

use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Shape, Tensor, WithDType};
use rayon::prelude::*;

use crate::layers::{Entry, Gradients, leave, storage, tensor};

/// Pictures share gradient sums in so many groups at most; it fixes the order of additions, whatever the number of threads.
const GROUPS: usize = 16;

/// `(b, in, h, w)` to `(b, out, h, w)` with weights `(out, in, k, k)`: candle's own has a reverse pass that takes many times as long.
pub(crate) struct Convolution {
    pub(crate) weight: Entry,
    pub(crate) bias: Option<Entry>,
    pub(crate) gradients: Gradients,
}

/// Sizes of one picture's share.
#[derive(Clone, Copy)]
struct Sizes {
    channels: usize,
    height: usize,
    width: usize,
    kernel: usize,
}

impl Sizes {
    fn pixels(self) -> usize {
        self.height * self.width
    }

    fn rows(self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Calls `visit` with a run of pixels of a row of the patch matrix, and the run of pixels of the picture that it shows.
    fn runs(self, mut visit: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>)) {
        let reach = self.kernel / 2;
        for row in 0..self.rows() {
            let channel = row / (self.kernel * self.kernel);
            let (down, right) = (row / self.kernel % self.kernel, row % self.kernel);
            // The pixel at column `x` shows column `x + right − reach` of the picture.
            let first = reach.saturating_sub(right).min(self.width);
            let last = (self.width + reach).saturating_sub(right).min(self.width);
            if first >= last {
                continue;
            }
            for y in 0..self.height {
                let Some(from_y) = (y + down).checked_sub(reach).filter(|&y| y < self.height)
                else {
                    continue;
                };
                let to = row * self.pixels() + y * self.width;
                let from = channel * self.pixels() + from_y * self.width + first + right - reach;
                visit(to + first..to + last, from..from + last - first);
            }
        }
    }

    /// `(in · k · k, h · w)`.
    fn patches<T: WithDType>(self, picture: &[T]) -> candle_core::Result<Tensor> {
        let mut patches = vec![T::zero(); self.rows() * self.pixels()];
        self.runs(|to, from| patches[to].copy_from_slice(&picture[from]));
        Tensor::from_vec(patches, (self.rows(), self.pixels()), &Device::Cpu)
    }

    /// The transpose of [`patches`](Self::patches).
    fn fold<T: WithDType>(self, patches: &[T], picture: &mut [T]) {
        self.runs(|from, to| {
            for (to, &from) in picture[to].iter_mut().zip(&patches[from]) {
                *to += from;
            }
        });
    }
}

impl Convolution {
    fn sizes(&self, x: &Tensor) -> candle_core::Result<Sizes> {
        let (_, channels, height, width) = x.dims4()?;
        Ok(Sizes {
            channels,
            height,
            width,
            kernel: self.weight.values.dim(2)?,
        })
    }

    fn forward<T: WithDType>(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let sizes = self.sizes(x)?;
        let weight = self.weight.matrix()?;
        let numbers = x.flatten_all()?.to_vec1::<T>()?;
        let pictures = numbers.par_chunks(sizes.channels * sizes.pixels());
        let convolved = pictures.map(|picture| {
            let y = weight.matmul(&sizes.patches(picture)?)?;
            match &self.bias {
                Some(bias) => y.broadcast_add(&bias.values.reshape(((), 1))?),
                None => Ok(y),
            }
        });
        let convolved = convolved.collect::<candle_core::Result<Vec<_>>>()?;
        let out = weight.dim(0)?;
        Tensor::stack(&convolved, 0)?.reshape((x.dim(0)?, out, sizes.height, sizes.width))
    }

    fn backward<T: WithDType>(&self, x: &Tensor, d_y: &Tensor) -> candle_core::Result<Tensor> {
        let sizes = self.sizes(x)?;
        let weight = self.weight.matrix()?;
        let out = weight.dim(0)?;
        let (numbers, d_numbers) = (
            x.flatten_all()?.to_vec1::<T>()?,
            d_y.flatten_all()?.to_vec1::<T>()?,
        );
        let mut d_x = vec![T::zero(); numbers.len()];
        let picture = sizes.channels * sizes.pixels();
        let group = x.dim(0)?.div_ceil(GROUPS);
        let groups = numbers
            .par_chunks(group * picture)
            .zip(d_numbers.par_chunks(group * out * sizes.pixels()))
            .zip(d_x.par_chunks_mut(group * picture));
        let sums = groups.map(|((x, d_y), d_x)| {
            let mut sum: Option<Tensor> = None;
            let pictures = x.chunks(picture).zip(d_y.chunks(out * sizes.pixels()));
            for ((x, d_y), d_x) in pictures.zip(d_x.chunks_mut(picture)) {
                let d_y = Tensor::from_slice(d_y, (out, sizes.pixels()), &Device::Cpu)?;
                let gradient = d_y.matmul(&sizes.patches(x)?.t()?)?;
                sum = Some(match sum {
                    Some(sum) => (sum + gradient)?,
                    None => gradient,
                });
                let d_patches = weight.t()?.matmul(&d_y)?.flatten_all()?.to_vec1::<T>()?;
                sizes.fold(&d_patches, d_x);
            }
            Ok(sum)
        });
        for sum in sums
            .collect::<candle_core::Result<Vec<_>>>()?
            .iter()
            .flatten()
        {
            leave(&self.gradients, &self.weight, sum);
        }
        if let Some(bias) = &self.bias {
            leave(&self.gradients, bias, &d_y.sum((0, 2, 3))?);
        }
        Tensor::from_vec(d_x, x.shape(), &Device::Cpu)
    }
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        _flat: &CpuStorage,
        _flat_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = tensor(x, layout)?;
        storage(&match x.dtype() {
            DType::F64 => self.forward::<f64>(&x)?,
            _ => self.forward::<f32>(&x)?,
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        _flat: &Tensor,
        _y: &Tensor,
        d_y: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let d_y = d_y.contiguous()?;
        let d_x = match x.dtype() {
            DType::F64 => self.backward::<f64>(x, &d_y)?,
            _ => self.backward::<f32>(x, &d_y)?,
        };
        Ok((Some(d_x), None))
    }
}
