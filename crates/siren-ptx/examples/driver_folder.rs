//! Fills a folder with the stand-in for the driver, for programs that are linked to CUDA and hence need its libraries to start:
//!
//! ```sh
//! cargo run --release -p siren-ptx --example driver_folder -- target/driver
//! LD_LIBRARY_PATH=$PWD/target/driver SIREN_PTX_REFUSE=kernel \
//!     cargo test --release -p siren-core --features candle-cuda --test candle_cuda -- engine
//! ```

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1);
    let folder = folder.ok_or("expected the folder as an argument")?;
    std::fs::create_dir_all(&folder)?;
    siren_ptx::driver::library_folder_with_toolkit(Path::new(&folder))?;
    Ok(())
}
