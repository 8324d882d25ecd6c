//! Pages in headless Chromium, on software implementations of WebGL 2 and WebGPU.

use serde_json::Value;

use crate::support::browser::Browser;

pub use crate::support::browser::chromium;

/// The interface by which a page evaluates the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    WebGl2,
    WebGpu,
}

impl Engine {
    /// Returns the fragment of a page's address that selects the engine, and the options of the browser.
    fn settings(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::WebGl2 => (
                "#engine=webgl2",
                &[
                    "--use-gl=angle",
                    "--use-angle=swiftshader",
                    "--enable-unsafe-swiftshader",
                ],
            ),
            Self::WebGpu => (
                "#engine=webgpu",
                &[
                    "--enable-unsafe-webgpu",
                    "--use-webgpu-adapter=swiftshader",
                    "--enable-features=Vulkan",
                ],
            ),
        }
    }
}

/// Opens a page at 300 × 200 pixels.
pub fn open(page: &str, engine: Engine) -> Browser {
    let (fragment, options) = engine.settings();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    std::fs::write(&path, page).unwrap();
    let mut browser = Browser::start_with(&chromium().expect("a browser"), options);
    browser.open_at(&path, fragment, 300, 200);
    browser
}

/// Opens a page, runs the body of an async function in it, and returns its result.
///
/// # Panics
/// If the script throws, or the console of the page is not empty.
pub fn run(page: &str, engine: Engine, script: &str) -> Value {
    let mut browser = open(page, engine);
    let result = browser.value(&format!("(async()=>{{{script}}})()"));
    assert_is_quiet(&mut browser);
    result
}

/// Asserts that the console of the page is empty.
pub fn assert_is_quiet(browser: &mut Browser) {
    let mut complaints = browser.complaints();
    // What the graphics system remarks on the test's own script, such as that it waits for pixels.
    complaints.retain(|one| !one.contains(r#""source":"rendering""#));
    assert_eq!(complaints, Vec::<String>::new(), "the console is not empty");
}
