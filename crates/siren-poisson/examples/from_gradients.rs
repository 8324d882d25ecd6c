//! Fits a field to the gradient of a picture, and recovers the picture, which the field does not see.

use siren_core::train::{Fit, FitConfig};
use siren_poisson::{Picture, PictureField, Poisson, Quantity, Size};

fn main() -> siren_core::Result<()> {
    let (height, width) = (48, 48);
    let gray = |at: usize| {
        let (row, column) = ((at / width) as f32, (at % width) as f32);
        0.5 + 0.4 * (0.3 * row).sin() * (0.2 * column).cos()
    };
    let values = (0..height * width).map(gray).collect();
    let picture = Picture::from_values(Size { height, width }, 1, values)?;
    let poisson = Poisson::from_picture(picture)?;

    let mut config = FitConfig::default();
    config.field.hidden_features = 64.into();
    config.train.steps = 200;
    config.train.learning_rate = 1e-3;
    let mut fit = Fit::new(&poisson, &config)?;
    while !fit.is_finished() {
        let report = fit.step()?;
        if report.step.is_multiple_of(50) {
            let psnr_db = poisson.psnr_db(fit.model())?;
            println!("step {}: {psnr_db:.1} dB", report.step);
        }
    }

    let field: PictureField = poisson.field(fit.into_model())?;
    let recovered = field.render(field.size())?;
    println!("brightness at (10, 20): {:?}", recovered.pixel(10, 20));
    let laplacian = field.render_quantity(Quantity::Laplacian, field.size())?;
    println!("{} × {} pixels", laplacian.height, laplacian.width);
    println!("{:?}", field.gradients(&field.coords(10.5, 20.25))?); // between pixels
    Ok(())
}
