//! Runs on an NVIDIA device, through the programs: the driver is the stand-in, which interprets the kernels on the CPU.
#![cfg(target_os = "linux")]

mod support;

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use support::desk::Desk;
use support::program::Ended;
use tempfile::TempDir;

/// Small runs: the kind, and TOML text of the tables that only this kind has. Shapes have a test of their own.
const KINDS: [(&str, &str); 7] = [
    ("image", "[signal]\nsize = 16"),
    (
        "audio",
        "[signal]\nlength = 0.1\nsampling = { subset = { points = 150 } }",
    ),
    (
        "hyper",
        "[signal]\nsize = 8\npictures = 12\nbatch = 5\ncontext = [3, 20]\n[model]\nencoder_features = 16\nhyper_features = 16",
    ),
    ("poisson", "[signal]\nsize = 16\n[train.optimizer.muon]"),
    (
        "video",
        "[signal]\nsize = 16\nlength = 0.5\nsampling = { subset = { points = 150 } }",
    ),
    (
        "wave",
        "[objective]\npoints = 100\nsource_points = 20\n[train.optimizer.gauss_newton]\nmomentum = 0.5",
    ),
    (
        "wave",
        "[objective]\npoints = 100\nsource_points = 20\nhold_points = 0\n[train.optimizer.lbfgs]",
    ),
];
/// A small shape. Each of its evaluations computes the field at 100,000 points, which takes the interpreter seconds.
const SHAPE: &str = "[signal]\nsamples = 500\nsurface_points = 60\nvolume_points = 60\nresolution = 8\nnormals = 'none'\n[objective]\nloss = 'digs'\n[objective.start.sphere]\nsteps = 3";
const LAST: &str = "checkpoints/last.safetensors";

/// A folder for runs, and one with the stand-in for the driver.
struct Machine {
    desk: Desk,
    driver: TempDir,
}

impl Machine {
    fn new(kind: &'static str, tables: &str) -> Self {
        let desk = Desk::of_kind(kind);
        let config = format!(
            "kind = '{kind}'\n{tables}\n[field]\nhidden_features = 16\nhidden_layers = 1\n[train]\nsteps = 12\n[run]\nevaluate_every = 6\ncheckpoint_every = 2\n"
        );
        desk.write("small.toml", config);
        let driver = tempfile::tempdir().unwrap();
        siren_ptx::driver::library_folder(driver.path()).unwrap();
        Self { desk, driver }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.desk.command(line);
        command.env("LD_LIBRARY_PATH", self.driver.path());
        command
    }

    fn run(&self, line: &str) {
        Ended::from(self.command(line).output().unwrap()).assert_success();
    }

    /// Starts a run on the device, kills it after its first checkpoint, and returns whether it was still going.
    fn kill(&self, run: &str) -> bool {
        let mut command = self.command(&format!("run small.toml --out {run} --device cuda:0"));
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        while !self.desk.path(run).join(LAST).exists() {
            assert!(child.try_wait().unwrap().is_none(), "{run} has ended");
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        !child.wait().unwrap().success()
    }

    /// Returns the losses of all steps of a run.
    fn losses(&self, run: &str) -> Vec<f64> {
        let text = String::from_utf8(self.desk.read(&format!("{run}/metrics.csv"))).unwrap();
        let column = text.lines().next().unwrap().split(',');
        let column = column.clone().position(|name| name == "loss").unwrap();
        let loss = |row: &str| row.split(',').nth(column).unwrap().parse().unwrap();
        text.lines().skip(1).map(loss).collect()
    }

    #[track_caller]
    fn assert_close(&self, run: &str, to: &str) {
        let (got, expected) = (self.losses(run), self.losses(to));
        assert_eq!((got.len(), expected.len()), (12, 12));
        for (step, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let error = (got - expected).abs() / expected.abs();
            assert!(error < 1e-3, "{run}, step {step}: {got}, not {expected}");
        }
    }
}

#[test]
fn a_run_of_any_kind_trains_on_the_device_and_resumes_on_either() {
    for (kind, tables) in KINDS {
        let machine = Machine::new(kind, tables);
        let desk = &machine.desk;
        machine.run("run small.toml --out host");
        machine.run("run small.toml --out device --device cuda:0");
        machine.assert_close("device", "host");
        assert_ne!(
            desk.read(&format!("device/{LAST}")),
            desk.read(&format!("host/{LAST}")),
            "{kind}: the bytes are those of the CPU"
        );
        let was_going = machine.kill("resumed");
        machine.run("resume resumed --device cuda:0");
        for file in [LAST, "metrics.csv", "evaluation.csv"] {
            let [got, expected] =
                ["resumed", "device"].map(|run| desk.read(&format!("{run}/{file}")));
            assert!(got == expected, "{kind}: {file} of a resumed run differs");
        }
        assert!(was_going, "{kind}: the run had ended when it was killed");
        assert!(machine.kill("moved"));
        machine.run("resume moved --device cpu");
        machine.assert_close("moved", "host");
    }
}

#[test]
fn a_shape_trains_on_the_device() {
    let machine = Machine::new("shape", SHAPE);
    machine.run("run small.toml --out host --set run.evaluate_every=100");
    machine.run("run small.toml --out device --set run.evaluate_every=100 --device cuda:0");
    machine.assert_close("device", "host");
    assert_ne!(machine.losses("device"), machine.losses("host"));
}

#[test]
fn a_picture_is_rendered_on_the_device_and_provenance_names_the_card() {
    let (kind, tables) = KINDS[0];
    let machine = Machine::new(kind, tables);
    let desk = &machine.desk;
    machine.run("run small.toml --out run --device cuda:0 --set train.precision=fast");
    machine.run("render run -o device.png --device cuda:0");
    machine.run("render run -o host.png");
    let [device, host] = ["device.png", "host.png"].map(|name| {
        let picture = image::open(desk.path(name)).unwrap();
        picture.into_rgb8().into_raw()
    });
    let differs = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 2;
    assert_eq!(
        device
            .iter()
            .zip(&host)
            .filter(|&pair| differs(pair))
            .count(),
        0
    );
    let provenance = String::from_utf8(desk.read("run/provenance.toml")).unwrap();
    let provenance: toml::Table = provenance.parse().unwrap();
    assert_eq!(provenance["device"].as_str(), Some("cuda:0"));
    assert!(provenance["card"].as_str().unwrap().contains("siren-ptx"));
}

#[test]
fn precisions_of_the_cpu_are_refused_on_the_device() {
    let (kind, tables) = KINDS[0];
    let machine = Machine::new(kind, tables);
    for precision in ["double", "bf16", "bf16_emulated"] {
        let set = format!("--set train.precision={precision}");
        let line = format!("run small.toml --out run --device cuda:0 {set}");
        let ended = Ended::from(machine.command(&line).output().unwrap());
        ended.assert_refused(&line, &[&set, "device `cpu`"]);
        assert!(!machine.desk.path("run").exists());
    }
}
