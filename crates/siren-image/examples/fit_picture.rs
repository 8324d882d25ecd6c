//! Fits a field to a picture in memory, then asks it for values, derivatives and a larger rendering.

use siren_core::train::{Fit, FitConfig};
use siren_image::{Image, Picture, PictureField, Size};

fn main() -> siren_core::Result<()> {
    let (height, width) = (48, 64);
    let color = |at: usize| [(5 * (at / width)) as u8, (3 * (at % width)) as u8, 128];
    let bytes: Vec<u8> = (0..height * width).flat_map(color).collect();
    let image = Image::from_picture(Picture::from_rgb8(Size { height, width }, &bytes)?)?;

    let mut config = FitConfig::default();
    config.field.hidden_features = 64.into();
    config.train.steps = 200;
    config.train.learning_rate = 1e-3;
    let mut fit = Fit::new(&image, &config)?;
    while !fit.is_finished() {
        let report = fit.step()?;
        if report.step.is_multiple_of(50) {
            let psnr_db = image.psnr_db(fit.model())?;
            println!("step {}: {psnr_db:.1} dB", report.step);
        }
    }

    let field: PictureField = image.field(fit.into_model())?;
    let larger = field.render(field.size().scaled(4.0)?)?;
    println!("{} × {} pixels", larger.height, larger.width);
    let point = field.coords(10.5, 20.25); // between pixels
    println!("value {:?}", field.values(&point)?);
    println!("gradient {:?}", field.gradients(&point)?);
    println!("Laplacian {:?}", field.laplacians(&point)?);
    Ok(())
}
