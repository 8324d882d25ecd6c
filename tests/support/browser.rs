//! A headless Chromium, driven by its debugging protocol over a pipe: pages, keys, media features, screenshots, and what the console says.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Names of Chromium's program.
const PROGRAMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// Longest time that a page may need for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one page.
pub struct Browser {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    /// What the console said, uncaught exceptions, and addresses that were requested besides files and data.
    complaints: Vec<String>,
    loads: usize,
    _profile: TempDir,
}

/// Returns the path of Chromium, or `None` and a line on standard error that says so.
pub fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::split_paths(&folders)
        .flat_map(|folder| PROGRAMS.map(|program| folder.join(program)));
    let found = paths.into_iter().find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: no Chromium on PATH ({})", PROGRAMS.join(", "));
    }
    found
}

impl Browser {
    /// Starts the browser. WebGL is computed on the CPU.
    pub fn start(chromium: &Path) -> Self {
        Self::start_with(
            chromium,
            &["--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
    }

    /// Starts the browser with options, which select what computes graphics.
    pub fn start_with(chromium: &Path, options: &[&str]) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The protocol has the descriptors 3 and 4, which a shell copies from the standard streams.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 1>&2"])
            .arg(chromium)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--remote-debugging-pipe",
                "--no-first-run",
                "--hide-scrollbars",
            ])
            .args(options)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Self {
            requests: child.stdin.take().unwrap(),
            replies: BufReader::new(child.stdout.take().unwrap()),
            child,
            session: None,
            last: 0,
            complaints: Vec::new(),
            loads: 0,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", target);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method and returns its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut request = json!({"id": self.last, "method": method});
        request["params"] = parameters;
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests.write_all(&bytes).unwrap();
        loop {
            let message = self.receive();
            if message["id"] == json!(self.last) {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Receives a message and notes what it says of the page.
    fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.replies.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser has ended");
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => {
                self.complaints.push(parameters.to_string());
            }
            Some("Network.requestWillBeSent") => {
                let address = parameters["request"]["url"].as_str().unwrap_or_default();
                if !["file:", "data:"]
                    .iter()
                    .any(|own| address.starts_with(own))
                {
                    self.complaints.push(format!("requested {address}"));
                }
            }
            Some("Page.loadEventFired") => self.loads += 1,
            _ => {}
        }
        message
    }

    /// Opens a file at a size in pixels and waits until all of it is loaded.
    pub fn open(&mut self, page: &Path, width: u32, height: u32) {
        self.open_at(page, "", width, height);
    }

    /// Opens a file as [`open`](Self::open) does, with a fragment of its address, such as `#zoom=8`.
    pub fn open_at(&mut self, page: &Path, fragment: &str, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let loads = self.loads;
        let address = format!("file://{}{fragment}", page.display());
        self.call("Page.navigate", json!({ "url": address }));
        while self.loads == loads {
            self.receive();
        }
    }

    /// Sets media features of later pages, such as `prefers-color-scheme`.
    pub fn set_media(&mut self, features: &[(&str, &str)]) {
        let features = features.iter();
        let features: Vec<Value> = features
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    /// Evaluates an expression on the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", parameters);
        assert!(
            result.get("exceptionDetails").is_none(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true on the page.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str) {
        let start = Instant::now();
        while self.value(expression) != json!(true) {
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for {expression}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses and releases a key of a keyboard, such as `ArrowRight` with the code 39.
    pub fn press(&mut self, key: &str, code: u32) {
        let mut parameters =
            json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code});
        if let [letter] = key.as_bytes() {
            parameters["text"] = json!(char::from(*letter).to_string());
        }
        self.call("Input.dispatchKeyEvent", parameters.clone());
        parameters["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", parameters);
    }

    /// Returns a picture of the whole page as PNG.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let parameters = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.call("Page.captureScreenshot", parameters);
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// Returns what the console said since the last call, with uncaught exceptions and requests of anything but files and data.
    pub fn complaints(&mut self) -> Vec<String> {
        // Messages before the reply have been received.
        self.call("Runtime.evaluate", json!({"expression": "0"}));
        std::mem::take(&mut self.complaints)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
