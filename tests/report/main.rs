//! Pages of runs and sweeps, in a real browser: every kind, wide and narrow, dark and light, by keyboard.

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::browser::{Browser, chromium};
use support::desk::Desk;

/// Width of a phone in pixels.
const PHONE: u32 = 390;
const DESKTOP: u32 = 1200;
/// Folder into which the tests write pictures of the pages, if the variable is set.
const SCREENSHOTS: &str = "SIREN_SCREENSHOTS";

/// A run that takes a moment, and what its page has.
struct Kind {
    name: &'static str,
    config: &'static str,
    /// Selectors of elements that the page has.
    elements: &'static [&'static str],
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "image",
        config: "[signal]\nsize = 64\n[field]\nhidden_features = 32\n[train]\nsteps = 40\nlearning_rate = 1e-3\nschedule = \"cosine\"\n[run]\nevaluate_every = 5\n\
                 [expect]\npsnr_db = 30.0\n",
        elements: &["figure.comparison", "figure.picture", ".numbers .expected"],
    },
    Kind {
        name: "poisson",
        config: "[signal]\nsize = 32\n[field]\nhidden_features = 32\n[train]\nsteps = 20\n[run]\nevaluate_every = 5\n",
        elements: &["figure.comparison", "figure.picture"],
    },
    Kind {
        name: "audio",
        config: "[signal]\nlength = 0.2\n[field]\nhidden_features = 32\n[train]\nsteps = 20\n[run]\nevaluate_every = 5\n",
        elements: &["figure.sound audio", "figure.picture"],
    },
    Kind {
        name: "video",
        config: "[signal]\nsize = 24\n[field]\nhidden_features = 32\n[train]\nsteps = 20\n[run]\nevaluate_every = 5\n",
        elements: &["figure.clip .player", "figure.comparison"],
    },
    Kind {
        name: "shape",
        config: "[signal]\nsamples = 1000\nsurface_points = 100\nvolume_points = 100\nresolution = 32\n[field]\nhidden_features = 64\n\
                 [train]\nsteps = 20\n[run]\nevaluate_every = 10\n",
        elements: &["figure.mesh canvas", "figure.picture"],
    },
    Kind {
        name: "wave",
        config: "[signal]\nsource_variance = 0.01\n[field]\nhidden_features = 16\n[objective]\npoints = 60\nsource_points = 20\n\
                 [objective.equation.wave]\n[train]\nsteps = 10\n[run]\nevaluate_every = 5\n",
        elements: &["figure.clip .player", "figure.picture"],
    },
    Kind {
        name: "hyper",
        config: "[signal]\nsize = 16\npictures = 12\nbatch = 3\n[field]\nhidden_features = 16\nhidden_layers = 1\n[model]\nencoder_features = 16\n\
                 latent_features = 8\nhyper_features = 16\nfit_steps = 3\n[train]\nsteps = 20\n[run]\nevaluate_every = 5\n",
        elements: &["figure.picture"],
    },
];

impl Kind {
    fn named(name: &str) -> &'static Self {
        KINDS.iter().find(|kind| kind.name == name).unwrap()
    }

    /// Runs the config in a new folder `run`, and returns the desk.
    fn run(&self) -> Desk {
        let desk = Desk::of_kind(self.name);
        desk.write(
            "small.toml",
            format!("kind = \"{}\"\n{}", self.name, self.config),
        );
        desk.run("run small.toml --out run").assert_success();
        desk
    }
}

/// Writes a picture of the page if [`SCREENSHOTS`] names a folder.
fn keep_screenshot(browser: &mut Browser, name: &str) {
    let Some(folder) = std::env::var_os(SCREENSHOTS) else {
        return;
    };
    let height = browser.value("document.documentElement.scrollHeight");
    let width = browser.value("innerWidth");
    let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
    browser.call("Emulation.setDeviceMetricsOverride", size);
    browser.wait_for(
        "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(true))))",
    );
    std::fs::write(
        PathBuf::from(folder).join(format!("{name}.png")),
        browser.screenshot(),
    )
    .unwrap();
}

/// Checks what must hold of every page.
#[track_caller]
fn check_page(browser: &mut Browser, name: &str, elements: &[&str]) {
    assert_eq!(browser.complaints(), [] as [String; 0], "{name}");
    for element in elements {
        let found = format!("document.querySelectorAll({element:?}).length > 0");
        assert_eq!(
            browser.value(&found),
            json!(true),
            "{name} has no {element}"
        );
    }
    let missing = "[...document.querySelectorAll('.missing')].map(p => p.textContent)";
    assert_eq!(browser.value(missing), json!([]), "{name}");
    browser.wait_for("[...document.images].every(image => image.complete)");
    let broken =
        "[...document.images].filter(image => !image.naturalWidth).map(image => image.alt)";
    assert_eq!(browser.value(broken), json!([]), "{name}");
    let unnamed = "[...document.querySelectorAll('img:not([alt]), input:not([id]):not([aria-label])')].filter(e => !e.closest('label')).length";
    assert_eq!(browser.value(unnamed), json!(0), "{name}");
    let too_wide = "document.documentElement.scrollWidth - innerWidth";
    assert_eq!(browser.value(too_wide), json!(0), "{name} scrolls sideways");
}

#[test]
fn the_page_of_every_kind_is_whole_wide_and_narrow_dark_and_light() {
    let Some(chromium) = chromium() else {
        return;
    };
    let mut browser = Browser::start(&chromium);
    for kind in &KINDS {
        let desk = kind.run();
        let page = desk.path("run/report.html");
        let mut papers = Vec::new();
        for (width, scheme) in [
            (DESKTOP, "light"),
            (DESKTOP, "dark"),
            (PHONE, "dark"),
            (PHONE, "light"),
        ] {
            browser.set_media(&[("prefers-color-scheme", scheme)]);
            browser.open(&page, width, 800);
            let name = format!("{}-{width}-{scheme}", kind.name);
            check_page(&mut browser, &name, kind.elements);
            papers
                .push(browser.value("getComputedStyle(document.documentElement).backgroundColor"));
            keep_screenshot(&mut browser, &name);
        }
        assert!(
            papers[0] != papers[1] && papers[1] == papers[2],
            "{papers:?}"
        );
        let drawn = "document.querySelectorAll('.drawing svg path').length > 1";
        assert_eq!(browser.value(drawn), json!(true), "{}", kind.name);
    }
}

/// Gives an element the focus, and presses a key.
fn press_at(browser: &mut Browser, selector: &str, key: &str, code: u32) {
    let focus = format!(
        "document.querySelector({selector:?}).focus(), document.activeElement.matches({selector:?})"
    );
    assert_eq!(
        browser.value(&focus),
        json!(true),
        "{selector} takes no focus"
    );
    browser.press(key, code);
}

fn is_seen(browser: &mut Browser, selector: &str) -> Value {
    browser.value(&format!(
        "document.querySelector({selector:?}).getClientRects().length > 0"
    ))
}

#[test]
fn slider_axes_and_config_work_by_keyboard() {
    let Some(chromium) = chromium() else {
        return;
    };
    let desk = Kind::named("image").run();
    let mut browser = Browser::start(&chromium);
    browser.open(&desk.path("run/report.html"), DESKTOP, 800);
    let share = "document.querySelector('.pair').style.getPropertyValue('--share')";
    assert_eq!(browser.value(share), json!("50%"));
    press_at(&mut browser, ".pair input", "ArrowRight", 39);
    assert_eq!(browser.value(share), json!("50.5%"));
    press_at(&mut browser, ".pair input", "Home", 36);
    assert_eq!(browser.value(share), json!("0%"));
    let seconds = ".drawing[data-x=seconds]";
    assert_eq!(is_seen(&mut browser, seconds), json!(false));
    press_at(&mut browser, "#x-steps", "ArrowRight", 39);
    assert_eq!(is_seen(&mut browser, seconds), json!(true));
    assert_eq!(
        is_seen(&mut browser, ".drawing[data-x=steps]"),
        json!(false)
    );
    // The learning rate falls to a hundredth.
    browser
        .value("document.querySelectorAll('details').forEach(details => { details.open = true; })");
    let linear = ".drawing[data-x=seconds][data-y=linear]";
    assert_eq!(is_seen(&mut browser, linear), json!(false));
    press_at(&mut browser, "#y-log", "ArrowRight", 39);
    assert_eq!(is_seen(&mut browser, linear), json!(true));
    assert_eq!(is_seen(&mut browser, ".config tr.same"), json!(false));
    press_at(&mut browser, ".only input", " ", 32);
    assert_eq!(is_seen(&mut browser, ".config tr.same"), json!(true));
    let changed = "[...document.querySelectorAll('.config tr.differs th')].map(th => th.textContent).includes('hidden_features')";
    assert_eq!(browser.value(changed), json!(true));
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn clips_and_meshes_move_and_stop_by_keyboard_and_stand_still_where_that_is_preferred() {
    let Some(chromium) = chromium() else {
        return;
    };
    let mut browser = Browser::start(&chromium);
    let desk = Kind::named("video").run();
    let page = desk.path("run/report.html");
    browser.open(&page, DESKTOP, 800);
    let frame = "Number(document.querySelector('.clip output').textContent)";
    browser.wait_for(&format!("{frame} > 2"));
    press_at(&mut browser, ".clip .player input", "Home", 36);
    assert_eq!(browser.value(frame), json!(1));
    press_at(&mut browser, ".clip .player input", "ArrowRight", 39);
    assert_eq!(browser.value(frame), json!(2));
    let shown = "[...document.querySelectorAll('.clip img')].flatMap((image, index) => image.hidden ? [] : [index])";
    assert_eq!(browser.value(shown), json!([1]));
    browser.set_media(&[("prefers-reduced-motion", "reduce")]);
    browser.open(&page, DESKTOP, 800);
    let button = "document.querySelector('.player button').textContent";
    assert_eq!(browser.value(button), json!("Play"));
    let desk = Kind::named("shape").run();
    browser.open(&desk.path("run/report.html"), DESKTOP, 800);
    let button = "document.querySelector('figure.mesh .player button').textContent";
    assert_eq!(browser.value(button), json!("Turn"));
    let before = mesh_pixels(&mut browser);
    assert!(
        before.as_f64().unwrap() > 0.05,
        "{before} of the pixels show the mesh"
    );
    press_at(&mut browser, "canvas.mesh", "ArrowRight", 39);
    press_at(&mut browser, "canvas.mesh", "ArrowRight", 39);
    press_at(&mut browser, "canvas.mesh", "+", 187);
    let after = mesh_pixels(&mut browser);
    assert_ne!(after, before);
    press_at(&mut browser, "canvas.mesh", " ", 32);
    assert_eq!(browser.value(button), json!("Stop"));
    press_at(&mut browser, "canvas.mesh", " ", 32);
    assert_eq!(browser.value(button), json!("Turn"));
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

/// Returns the share of the pixels of the canvas that the mesh covers, in the frame that is drawn next.
fn mesh_pixels(browser: &mut Browser) -> Value {
    browser.value(
        "new Promise(done => {
            const canvas = document.querySelector('canvas.mesh');
            dispatchEvent(new Event('resize'));
            requestAnimationFrame(() => {
                const gl = canvas.getContext('webgl2');
                const pixels = new Uint8Array(4 * canvas.width * canvas.height);
                gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
                let covered = 0;
                for (let index = 3; index < pixels.length; index += 4) covered += pixels[index] > 0;
                done(4 * covered / pixels.length);
            });
        })",
    )
}

#[test]
fn a_sound_plays_and_the_line_in_its_picture_follows() {
    let Some(chromium) = chromium() else {
        return;
    };
    let desk = Kind::named("audio").run();
    let mut browser = Browser::start(&chromium);
    browser.open(&desk.path("run/report.html"), DESKTOP, 800);
    browser.wait_for("[...document.querySelectorAll('audio')].every(audio => audio.duration > 0.19 && audio.duration < 0.21)");
    browser.value("document.querySelector('audio').currentTime = 0.1");
    browser.wait_for("document.querySelector('.playhead').style.left === '50%'");
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn runs_stand_side_by_side_and_a_sweep_shows_all_its_runs() {
    let Some(chromium) = chromium() else {
        return;
    };
    let desk = Kind::named("image").run();
    desk.run("run small.toml --out other --set seed=1 --set train.steps=20")
        .assert_success();
    let sound = Kind::named("audio").run();
    let line = format!(
        "report run other {} -o both.html",
        sound.path("run").display()
    );
    desk.run(&line).assert_success();
    let mut browser = Browser::start(&chromium);
    for width in [DESKTOP, PHONE] {
        browser.open(&desk.path("both.html"), width, 800);
        check_page(
            &mut browser,
            "both",
            &["figure.comparison", "figure.sound", ".legend"],
        );
        keep_screenshot(&mut browser, &format!("both-{width}"));
    }
    let headings = "[...document.querySelectorAll('.numbers thead th')].map(th => th.textContent)";
    let other = sound.path("run");
    let other = other.display().to_string();
    assert_eq!(
        browser.value(headings),
        json!(["metric", "run", "other", other])
    );
    let sliders = "document.querySelectorAll('.pair').length";
    assert_eq!(browser.value(sliders), json!(2));
    check_sweep(&mut browser);
}

fn check_sweep(browser: &mut Browser) {
    // Its programs lie side by side.
    support::program::program("image");
    let desk = Desk::of_kind("sweep");
    let text = format!(
        "kind = 'image'\n{}[[sweep.axes]]\nname = 'activation'\nkey = 'field.activation'\nvalues = ['sine', 'relu', 'tanh']\n\
         [sweep.table]\nrows = 'activation'\nmetrics = ['psnr_db', 'ssim']\n",
        Kind::named("image")
            .config
            .replace("[expect]\npsnr_db = 30.0\n", "")
    );
    desk.write("sweep.toml", text);
    desk.run("run sweep.toml --out swept").assert_success();
    std::fs::remove_dir_all(desk.path("swept/runs/tanh")).unwrap();
    desk.run("table swept").assert_success();
    for width in [DESKTOP, PHONE] {
        browser.open(&desk.path("swept/report.html"), width, 800);
        check_page(
            browser,
            "sweep",
            &[".members img", ".members a", "td.best", ".drawing"],
        );
        keep_screenshot(browser, &format!("sweep-{width}"));
    }
    let states = "[...document.querySelectorAll('.members .unfinished small')].map(state => state.innerText)";
    assert_eq!(browser.value(states), json!(["It has no run folder."]));
    let log = "document.querySelector('.members .unfinished .log').innerText";
    let log = browser.value(log);
    assert!(log.as_str().unwrap().contains("psnr_db"), "{log}");
    let first = browser.value("document.querySelector('.members a').href");
    let first = first
        .as_str()
        .unwrap()
        .trim_start_matches("file://")
        .to_owned();
    assert!(Path::new(&first).is_file(), "{first}");
}
