//! Exported fields against the CPU: pages and shaders in a browser, C headers by a compiler, ONNX graphs by onnxruntime.
//!
//! A test prints why it is skipped where its program is not installed: Chromium, a C compiler, Python with onnxruntime.

mod browser;
mod c;
mod fields;
mod notes;
mod onnx;
mod pages;
mod shaders;
mod sounds;
#[path = "../support/mod.rs"]
mod support;
