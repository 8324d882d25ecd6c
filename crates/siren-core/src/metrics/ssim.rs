//! Structural similarity (SSIM) of pictures.

use crate::error::{Error, Result};

/// Side of the square SSIM window, in pixels.
const WINDOW: usize = 7;
/// Rows of a picture in memory that are compared at once.
const BAND_ROWS: usize = 64;
/// Pixels in the SSIM window.
const WINDOW_PIXELS: f64 = (WINDOW * WINDOW) as f64;
/// Factor `n / (n - 1)` from population to sample variances, with `n` the number of pixels in the window.
const SAMPLE_NORM: f64 = WINDOW_PIXELS / (WINDOW_PIXELS - 1.0);
/// `(K1 L)²` with `K1 = 0.01` and the data range `L = 1`: stabilizes the quotient of means.
const C1: f64 = 0.01 * 0.01;
/// `(K2 L)²` with `K2 = 0.03` and the data range `L = 1`: stabilizes the quotient of variances.
const C2: f64 = 0.03 * 0.03;

/// Size of a picture `(height, width, channels)`, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageShape {
    /// Number of rows.
    pub height: usize,
    /// Number of pixels in a row.
    pub width: usize,
    /// Number of values of a pixel.
    pub channels: usize,
}

impl std::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({}, {}, {})", self.height, self.width, self.channels)
    }
}

/// Returns the mean structural similarity of two pictures with values in [0, 1]: a number in [-1, 1], 1 for equal pictures.
///
/// With means `μ`, sample variances `σ²` and sample covariance `σ_ab` over a uniform 7 x 7 window,
///
/// ```text
/// SSIM = (2 μ_a μ_b + C1) (2 σ_ab + C2) / ((μ_a² + μ_b² + C1) (σ_a² + σ_b² + C2)),   C1 = 0.01², C2 = 0.03²,
/// ```
///
/// averaged over all windows inside the picture and over the channels. The result equals that of
/// `structural_similarity(a, b, data_range=1, channel_axis=-1)` of scikit-image in double precision, which the authors of SIREN log.
///
/// `a` and `b` are `(height, width, channels)`, row-major. Values outside [0, 1] are used as they are; a NaN makes the result NaN.
///
/// Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
/// similarity", IEEE Transactions on Image Processing 13(4), 2004, with a uniform window.
///
/// # Errors
///
/// [`Error::Shape`] if the picture is narrower or lower than 7 pixels or has no channels, or if `a` or `b` does not
/// have `height * width * channels` values.
pub fn ssim(a: &[f32], b: &[f32], shape: ImageShape) -> Result<f64> {
    check_ssim_input(a, b, shape)?;
    let mut rows = SsimRows::new(shape)?;
    let band = BAND_ROWS * shape.width * shape.channels;
    for (a, b) in a.chunks(band).zip(b.chunks(band)) {
        rows.push(a, b)?;
    }
    rows.finish()
}

/// The [`ssim`] of pictures that come in bands of rows, from the top.
pub struct SsimRows {
    shape: ImageShape,
    columns: Moments,
    windows: Moments,
    /// The last rows of both pictures, fewer than a window.
    a: Vec<f32>,
    b: Vec<f32>,
    /// Rows of windows so far.
    rows: usize,
    total: f64,
}

impl SsimRows {
    /// Starts with the first row of two pictures of this size.
    ///
    /// # Errors
    /// [`Error::Shape`] as for [`ssim`].
    pub fn new(shape: ImageShape) -> Result<Self> {
        check_ssim_shape(shape)?;
        let row_windows = (shape.width - WINDOW + 1) * shape.channels;
        Ok(Self {
            shape,
            columns: Moments::zeros(shape.width * shape.channels),
            windows: Moments::zeros(row_windows),
            a: Vec::new(),
            b: Vec::new(),
            rows: 0,
            total: 0.0,
        })
    }

    /// Adds rows `(rows, width, channels)` of both pictures.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not the same number of whole rows.
    pub fn push(&mut self, a: &[f32], b: &[f32]) -> Result<()> {
        let stride = self.shape.width * self.shape.channels;
        if a.len() != b.len() || !a.len().is_multiple_of(stride) {
            return Err(Error::Shape {
                what: "rows for SSIM",
                expected: format!("whole rows of {stride} values of both pictures"),
                got: format!("{} and {}", a.len(), b.len()),
            });
        }
        self.a.extend_from_slice(a);
        self.b.extend_from_slice(b);
        let windows = (self.a.len() / stride + 1).saturating_sub(WINDOW);
        for row in 0..windows {
            let band = row * stride..(row + WINDOW) * stride;
            self.columns.sum_rows(&self.a[band.clone()], &self.b[band]);
            self.windows.sum_columns(&self.columns, self.shape.channels);
            self.total += self.windows.total_ssim();
        }
        self.rows += windows;
        self.a.drain(..windows * stride);
        self.b.drain(..windows * stride);
        Ok(())
    }

    /// Returns the SSIM.
    ///
    /// # Errors
    /// [`Error::Shape`] if there were fewer or more rows than the pictures have.
    pub fn finish(self) -> Result<f64> {
        let expected = self.shape.height - WINDOW + 1;
        if self.rows != expected {
            return Err(Error::Shape {
                what: "rows for SSIM",
                expected: format!("the {} rows of the pictures", self.shape.height),
                got: format!("{}", self.rows + WINDOW - 1),
            });
        }
        let row_windows = (self.shape.width - WINDOW + 1) * self.shape.channels;
        Ok(self.total / (expected as f64 * row_windows as f64))
    }
}

/// Checks the size of pictures to compare.
fn check_ssim_shape(shape: ImageShape) -> Result<()> {
    if shape.height < WINDOW || shape.width < WINDOW || shape.channels == 0 {
        return Err(Error::Shape {
            what: "SSIM, whose window is 7 x 7 pixels",
            expected: "(height, width, channels) of at least (7, 7, 1)".to_owned(),
            got: shape.to_string(),
        });
    }
    Ok(())
}

/// Checks the arguments of [`ssim`].
fn check_ssim_input(a: &[f32], b: &[f32], shape: ImageShape) -> Result<()> {
    check_ssim_shape(shape)?;
    let length = shape
        .height
        .checked_mul(shape.width)
        .and_then(|pixels| pixels.checked_mul(shape.channels));
    if length != Some(a.len()) || length != Some(b.len()) {
        return Err(Error::Shape {
            what: "SSIM",
            expected: format!("two pictures of {shape} values"),
            got: format!("lengths {} and {}", a.len(), b.len()),
        });
    }
    Ok(())
}

/// Sums over the window, or over its rows, one for each position along a row. Each sum is computed anew for every row instead of updated by
/// addition and subtraction, so rounding errors do not accumulate.
struct Moments {
    /// `Σ a`.
    a: Vec<f64>,
    /// `Σ b`.
    b: Vec<f64>,
    /// `Σ a² + b²`: the formula uses the sum of the two variances only.
    squares: Vec<f64>,
    /// `Σ a b`.
    products: Vec<f64>,
}

impl Moments {
    fn zeros(length: usize) -> Self {
        Self {
            a: vec![0.0; length],
            b: vec![0.0; length],
            squares: vec![0.0; length],
            products: vec![0.0; length],
        }
    }

    /// Sums the rows of a band of both pictures: a whole number of rows, each as long as `self`.
    fn sum_rows(&mut self, a: &[f32], b: &[f32]) {
        for sums in [
            &mut self.a,
            &mut self.b,
            &mut self.squares,
            &mut self.products,
        ] {
            sums.fill(0.0);
        }
        let length = self.a.len();
        for (row_a, row_b) in a.chunks_exact(length).zip(b.chunks_exact(length)) {
            let sums = (self.a.iter_mut().zip(&mut self.b))
                .zip(self.squares.iter_mut().zip(&mut self.products));
            let values = row_a.iter().zip(row_b);
            for (((sum_a, sum_b), (squares, products)), (&a, &b)) in sums.zip(values) {
                let (a, b) = (f64::from(a), f64::from(b));
                *sum_a += a;
                *sum_b += b;
                *squares += a * a + b * b;
                *products += a * b;
            }
        }
    }

    /// Sums seven horizontal neighbors, which are `channels` values apart.
    fn sum_columns(&mut self, columns: &Self, channels: usize) {
        for (sums, columns) in [
            (&mut self.a, &columns.a),
            (&mut self.b, &columns.b),
            (&mut self.squares, &columns.squares),
            (&mut self.products, &columns.products),
        ] {
            sums.fill(0.0);
            for offset in 0..WINDOW {
                for (sum, column) in sums.iter_mut().zip(&columns[offset * channels..]) {
                    *sum += column;
                }
            }
        }
    }

    /// Returns the sum of the SSIM over all positions; `self` must hold the sums over whole windows.
    fn total_ssim(&self) -> f64 {
        let sums = self.a.iter().zip(&self.b);
        let second = self.squares.iter().zip(&self.products);
        sums.zip(second)
            .map(|((sum_a, sum_b), (squares, products))| {
                let (mean_a, mean_b) = (sum_a / WINDOW_PIXELS, sum_b / WINDOW_PIXELS);
                let mean_squares = mean_a * mean_a + mean_b * mean_b;
                let mean_product = mean_a * mean_b;
                let variances = SAMPLE_NORM * (squares / WINDOW_PIXELS - mean_squares);
                let covariance = SAMPLE_NORM * (products / WINDOW_PIXELS - mean_product);
                (2.0 * mean_product + C1) * (2.0 * covariance + C2)
                    / ((mean_squares + C1) * (variances + C2))
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::psnr_db;

    #[test]
    fn bands_of_any_height_give_the_same_bits_as_the_whole() {
        let shape = shape(40, 11, 3);
        let (a, b) = pictures(shape, 0.3);
        let whole = ssim(&a, &b, shape).unwrap();
        for heights in [[1; 40].as_slice(), &[3, 20, 10, 7], &[6, 1, 33]] {
            let mut rows = SsimRows::new(shape).unwrap();
            let mut first = 0;
            for height in heights {
                let band = first * 33..(first + height) * 33;
                rows.push(&a[band.clone()], &b[band]).unwrap();
                first += height;
            }
            assert_eq!(rows.finish().unwrap().to_bits(), whole.to_bits());
        }
        let mut rows = SsimRows::new(shape).unwrap();
        assert!(rows.push(&a[..34], &b[..34]).is_err());
        assert!(rows.push(&a[..33], &b[..66]).is_err());
        rows.push(&a[..33 * 39], &b[..33 * 39]).unwrap();
        let message = rows.finish().unwrap_err().to_string();
        assert!(message.contains("the 40 rows"), "{message}");
    }

    /// Returns two pictures computed with integer arithmetic and correctly rounded operations only, so that numpy gives the same bits.
    fn pictures(shape: ImageShape, mix: f64) -> (Vec<f32>, Vec<f32>) {
        let mut pair = (Vec::new(), Vec::new());
        for i in 0..shape.height {
            for j in 0..shape.width {
                for k in 0..shape.channels {
                    let a = ((i * i + 3 * j + 7 * k) % 32) as f64 / 31.0;
                    let noise = ((5 * i + 11 * j * j + k) % 16) as f64 / 15.0;
                    pair.0.push(a as f32);
                    pair.1.push(((1.0 - mix) * a + mix * noise) as f32);
                }
            }
        }
        pair
    }

    fn mse(a: &[f32], b: &[f32]) -> f64 {
        let squares = a.iter().zip(b);
        let squares = squares.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
        squares.sum::<f64>() / a.len() as f64
    }

    const fn shape(height: usize, width: usize, channels: usize) -> ImageShape {
        ImageShape {
            height,
            width,
            channels,
        }
    }

    // With scikit-image 0.26.0, numpy 2.4.6:
    //   def reference(h, w, c, mix):
    //       i, j, k = np.meshgrid(np.arange(h), np.arange(w), np.arange(c), indexing="ij")
    //       a = ((i * i + 3 * j + 7 * k) % 32) / 31.0
    //       b = (1.0 - mix) * a + mix * (((5 * i + 11 * j * j + k) % 16) / 15.0)
    //       a, b = (x.astype(np.float32).astype(np.float64) for x in (a, b))
    //       return (structural_similarity(a, b, data_range=1, channel_axis=-1), mean_squared_error(a, b),
    //               peak_signal_noise_ratio(a, b, data_range=1))
    const REFERENCES: [(ImageShape, f64, [f64; 3]); 5] = [
        (
            shape(23, 31, 3),
            0.25,
            [
                0.918_277_470_421_725_9,
                0.011_391_001_014_965_454,
                19.434_381_094_438_61,
            ],
        ),
        (
            shape(64, 40, 1),
            0.5,
            [
                0.659_461_215_251_079_7,
                0.045_023_701_299_530_97,
                13.465_588_054_730_437,
            ],
        ),
        (
            shape(7, 7, 1),
            0.05,
            [
                0.996_838_947_788_477_5,
                0.000_436_687_874_370_588_63,
                33.598_288_670_826_78,
            ],
        ),
        (
            shape(7, 9, 4),
            1.0,
            [
                0.034_048_595_584_904_39,
                0.186_762_685_844_057_09,
                7.287_098_890_844_218,
            ],
        ),
        (
            shape(256, 192, 3),
            0.1,
            [
                0.988_521_635_288_484_1,
                0.001_820_788_298_471_412_1,
                27.397_405_463_250_195,
            ],
        ),
    ];

    #[test]
    fn agrees_with_scikit_image() {
        for (shape, mix, [expected_ssim, expected_mse, expected_psnr]) in REFERENCES {
            let (a, b) = pictures(shape, mix);
            let (ssim, mse) = (ssim(&a, &b, shape).unwrap(), mse(&a, &b));
            let psnr = psnr_db(mse, 1.0);
            assert!((ssim - expected_ssim).abs() < 1e-12, "{shape}: SSIM {ssim}");
            assert!((mse - expected_mse).abs() < 1e-12, "{shape}: MSE {mse}");
            assert!((psnr - expected_psnr).abs() < 1e-9, "{shape}: PSNR {psnr}");
        }
    }

    #[test]
    fn equal_pictures_have_ssim_one_and_infinite_psnr() {
        let shape = shape(9, 8, 3);
        let (a, _) = pictures(shape, 0.0);
        assert!((ssim(&a, &a, shape).unwrap() - 1.0).abs() < 1e-14);
        let psnr = psnr_db(mse(&a, &a), 1.0);
        assert!(psnr.is_infinite() && psnr > 0.0);
    }

    #[test]
    fn psnr_grows_with_the_peak() {
        assert!((psnr_db(0.01, 1.0) - 20.0).abs() < 1e-12);
        assert!((psnr_db(0.01, 2.0) - psnr_db(0.01, 1.0) - 20.0 * 2f64.log10()).abs() < 1e-12);
    }

    #[test]
    fn wrong_shapes_are_errors_that_name_the_shape() {
        let (a, b) = pictures(shape(6, 20, 1), 0.5);
        let message = ssim(&a, &b, shape(6, 20, 1)).unwrap_err().to_string();
        assert!(
            message.contains("7 x 7") && message.contains("(6, 20, 1)"),
            "{message}"
        );
        assert!(ssim(&a, &b, shape(8, 20, 1)).is_err());
        assert!(ssim(&a, &b, shape(7, 7, 0)).is_err());
        assert!(ssim(&a, &b, shape(usize::MAX, 7, 1)).is_err());
    }
}
