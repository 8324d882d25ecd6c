//! A stand-in for NVIDIA's driver library.
//!
//! The crate is also built as a dynamic library that exports the part of `libcuda.so.1` that a program needs to allocate, copy, load PTX and
//! launch. A test puts it into a folder with [`library_folder`] and starts the program under test with `LD_LIBRARY_PATH` set to that folder:
//! the program's own host code and its own PTX run, on the CPU.
//!
//! All calls are synchronous. A fault of a kernel makes its launch return an error that every later call repeats, as on hardware, and is
//! printed to standard error.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `SIREN_PTX_CARD` | architecture of the card, one of [`Card::ALL`](crate::Card::ALL), such as `sm_89` | `sm_80` |
//! | `SIREN_PTX_ORDER` | `forward`, `backward`, or a seed from which each launch draws its order of blocks and warps | `0` |
//! | `SIREN_PTX_MEMORY` | memory of the card in bytes | 4 GiB |
//! | `SIREN_PTX_DRIVER` | version of the driver as `cuDriverGetVersion` tells it; newer PTX is refused | `13000` |
//! | `SIREN_PTX_REFUSE` | what a kernel that is not supported spoils: its `module`, which does not load, or the `kernel` alone, when a program asks for it | `module` |
//! | `SIREN_PTX_REPORT` | file to which a line of JSON is appended for each launch, copy between host and device, fault and refused module | none |

mod device;
#[expect(
    unsafe_code,
    reason = "functions with a C interface read and write through the caller's pointers"
)]
mod functions;
mod launch;
mod library;
mod report;
mod settings;
mod status;
mod world;

pub use self::library::{LibraryError, library_folder, library_folder_with_toolkit};
