//! Pages in headless Chromium, on software implementations of WebGL 2 and WebGPU.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The interface by which a page evaluates the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    WebGl2,
    WebGpu,
}

/// Time for a page, which runs on a CPU that other tests share.
const PATIENCE: Duration = Duration::from_mins(4);

/// Collects what a page writes to the console, and errors that it does not catch.
const LISTENER: &str = "<script>window.heard=[];\
    for(const kind of ['error','warn'])console[kind]=(...all)=>heard.push(`${kind}: ${all.join(' ')}`);\
    addEventListener('error',(event)=>heard.push(`uncaught: ${event.message}`));\
    addEventListener('unhandledrejection',(event)=>heard.push(`rejected: ${event.reason}`));</script>";

/// Returns the path of Chromium, or prints why the test is skipped.
pub fn chromium() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let works = |name: &&str| {
        let version = Command::new(name)
            .arg("--version")
            .stderr(Stdio::null())
            .output();
        version.is_ok_and(|output| output.status.success())
    };
    let found = names.into_iter().find(works);
    if found.is_none() {
        println!("skipped: no Chromium is installed (cargo xtask setup --browser)");
    }
    found
}

/// A browser that is closed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Opens a page, runs the body of an async function in it, and returns its result.
///
/// # Panics
/// If the browser gives no result in time, the script throws, or the console of the page is not empty.
pub fn run(page: &str, engine: Engine, script: &str) -> Value {
    let call = format!(
        "<script>(async()=>{{let answer;try{{answer={{result:await(async()=>{{{script}}})()}}}}\
         catch(error){{answer={{error:String(error.stack||error)}}}}\
         await fetch('/answer',{{method:'POST',body:JSON.stringify({{...answer,heard}})}})}})()</script></body>"
    );
    let page = page.replacen("<head>", &format!("<head>{LISTENER}"), 1);
    let page = page.replacen("</body>", &call, 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let profile = tempfile::tempdir().unwrap();
    let (fragment, flags): (_, &[&str]) = match engine {
        Engine::WebGl2 => (
            "webgl2",
            &[
                "--use-gl=angle",
                "--use-angle=swiftshader",
                "--enable-unsafe-swiftshader",
            ],
        ),
        Engine::WebGpu => (
            "webgpu",
            &[
                "--enable-unsafe-webgpu",
                "--use-webgpu-adapter=swiftshader",
                "--enable-features=Vulkan",
            ],
        ),
    };
    let browser = Command::new(chromium().expect("a browser"))
        .args([
            "--headless=new",
            "--no-sandbox",
            "--no-first-run",
            "--window-size=300,200",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(flags)
        .arg(format!("http://127.0.0.1:{port}/#engine={fragment}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _browser = Running(browser.unwrap());
    listener.set_nonblocking(true).unwrap();
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        if let Some(answer) = serve(stream, &page) {
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(
                answer["error"],
                Value::Null,
                "the script in the page failed"
            );
            assert_eq!(
                answer["heard"],
                serde_json::json!([]),
                "the console is not empty"
            );
            return answer["result"].clone();
        }
    }
    panic!("Chromium gave no answer within {PATIENCE:?}");
}

/// Answers one request: with the page, or to the posted answer, which is returned.
fn serve(stream: TcpStream, page: &str) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first).ok()?;
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut stream = stream;
    let mut answer = |body: &str| {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    if first.starts_with("POST") {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        answer("").ok()?;
        return String::from_utf8(body).ok();
    }
    answer(page).ok()?;
    None
}
