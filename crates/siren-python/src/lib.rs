//! The native part of the Python package `siren`: networks for its PyTorch module, fits of arrays, and runs of configs.
//!
//! `python/siren/` holds the Python part, which checks and names arguments, and the stubs of this one. Arrays come in as NumPy arrays of any layout
//! and leave as arrays that own the memory in which they were computed. The interpreter is released while anything is computed.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 passes arguments of Python by value"
)]

mod arrays;
mod errors;
mod field;
mod fit;
mod kind;
mod network;
mod pickle;
mod process;
mod render;
mod runs;
mod settings;
mod signals;
mod watch;

use pyo3::prelude::*;

/// What `siren/__init__.py` and `siren/_module.py` import.
#[pymodule]
mod _siren {
    #[pymodule_export]
    use crate::field::{Field, load};
    #[pymodule_export]
    use crate::fit::fit;
    #[pymodule_export]
    use crate::network::{PyForwardPass, PyNetwork};
    #[pymodule_export]
    use crate::pickle::_unpickled;
    #[pymodule_export]
    use crate::runs::{record, run};
    #[pymodule_export]
    use crate::signals::grid;

    use super::{Bound, PyModule, PyModuleMethods as _, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
