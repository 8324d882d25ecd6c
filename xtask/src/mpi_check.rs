//! Runs that MPI shares among processes, compared with runs of one process: `cargo xtask mpi-check`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::launch::cargo;

/// The kinds whose programs are built, all with the feature `mpi`.
const KINDS: [&str; 3] = ["image", "poisson", "hyper"];
/// Runs of fields, small enough for seconds and large enough for all ranks.
const FIELDS: [(&str, &str); 2] = [
    (
        "image",
        "--set signal.size=128 --set field.hidden_features=64 --set train.steps=40",
    ),
    (
        "poisson",
        "--set signal.size=96 --set field.hidden_features=48 --set train.steps=40",
    ),
];
/// Settings that all runs of fields have.
const OFTEN: &str = "--set run.evaluate_every=10 --set run.checkpoint_every=3";
/// A small run of a hypernetwork.
const HYPER: &str = "--set signal.size=16 --set signal.pictures=60 --set signal.batch=9 --set model.encoder_features=16 \
    --set model.hyper_features=32 --set train.steps=20 --set run.evaluate_every=10 --set run.checkpoint_every=4";
/// Relative difference that the losses of a hypernetwork may have for another number of ranks.
const ROUNDING: f64 = 1e-3;
/// Files of a run folder that contain times.
const TIMES: [&str; 4] = [
    "timing.csv",
    "summary.toml",
    "provenance.toml",
    "report.html",
];
/// What Open MPI needs on one computer with fewer cores than ranks; other libraries ignore it.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
    ("OMPI_MCA_hwloc_base_binding_policy", "none"),
];
/// Root is refused by Open MPI unless both are set.
const AS_ROOT: [&str; 2] = ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"];
/// Longest time that a run takes.
const PATIENCE: Duration = Duration::from_mins(5);

/// The programs under test, and the folder of their runs.
struct Check {
    programs: PathBuf,
    configs: PathBuf,
    folder: PathBuf,
}

/// Builds the programs with the feature `mpi`, and compares their runs.
///
/// # Errors
/// If `mpirun` is missing, a program cannot be built, or a run is not what it should be.
pub fn run(root: &Path) -> Result<ExitCode> {
    let found = Command::new("mpirun").arg("--version").output();
    ensure!(
        found.is_ok_and(|output| output.status.success()),
        "`mpirun` is not installed: on Debian and Ubuntu, install libopenmpi-dev and libclang-dev"
    );
    let check = Check::build(root)?;
    for (kind, settings) in FIELDS {
        let alone = check.alone(kind, settings)?;
        for count in 1..=4 {
            let out = check.shared(kind, settings, count)?;
            must_be_equal(&out, &alone)?;
            println!("{kind}: {count} ranks write the same bytes as one process");
        }
        check.killed_rank(kind, settings, &alone)?;
        println!("{kind}: a killed rank ends all, and 2 ranks resume to the same bytes");
        check.stopped_rank(kind, settings, &alone)?;
        println!("{kind}: a signal to one rank stops all, and 1 process resumes to the same bytes");
    }
    check.hypernetwork()?;
    fs::remove_dir_all(&check.folder).context("cannot remove the runs")?;
    Ok(ExitCode::SUCCESS)
}

impl Check {
    fn build(root: &Path) -> Result<Self> {
        let mut build = cargo();
        build.current_dir(root).args(["build", "--release"]);
        for kind in KINDS {
            build.arg("--package").arg(format!("siren-{kind}"));
            build.arg("--features").arg(format!("siren-{kind}/mpi"));
        }
        let status = build.status().context("cannot start cargo")?;
        ensure!(
            status.success(),
            "the programs cannot be built with the feature `mpi`"
        );
        // This program is `<target>/<profile>/xtask`, whatever names the target folder.
        let own = std::env::current_exe().context("cannot find this program")?;
        let target = own
            .ancestors()
            .nth(2)
            .context("this program has no target folder")?;
        let folder = target.join("mpi-check");
        if folder.exists() {
            fs::remove_dir_all(&folder).context("cannot remove the runs of the last check")?;
        }
        fs::create_dir_all(&folder).context("cannot create a folder for runs")?;
        Ok(Self {
            programs: target.join("release"),
            configs: root.join("configs"),
            folder,
        })
    }

    /// Returns the command that starts a program, on some ranks.
    fn command(&self, kind: &str, ranks: Option<usize>) -> Command {
        let program = self.programs.join(format!("siren-{kind}"));
        let Some(ranks) = ranks else {
            return Command::new(program);
        };
        let mut command = Command::new("mpirun");
        command.arg("-n").arg(ranks.to_string()).arg(program);
        command.envs(ENVIRONMENT);
        if fs::metadata("/proc/self").is_ok_and(|own| is_of_root(&own)) {
            command.envs(AS_ROOT.map(|name| (name, "1")));
        }
        command
    }

    /// Returns the command of a run in a new folder, and the folder.
    fn run(&self, kind: &str, settings: &str, ranks: Option<usize>) -> (Command, PathBuf) {
        let taken = fs::read_dir(&self.folder).map_or(0, Iterator::count);
        let out = self.folder.join(format!("{kind}-{taken}"));
        let mut command = self.command(kind, ranks);
        command
            .arg("run")
            .arg(self.configs.join(format!("{kind}.toml")));
        command
            .args(settings.split_whitespace())
            .arg("--out")
            .arg(&out);
        (command, out)
    }

    fn alone(&self, kind: &str, settings: &str) -> Result<PathBuf> {
        let (mut command, out) = self.run(kind, &format!("{settings} {OFTEN}"), None);
        must_succeed(&mut command)?;
        Ok(out)
    }

    fn shared(&self, kind: &str, settings: &str, count: usize) -> Result<PathBuf> {
        let (mut command, out) = self.run(kind, &format!("{settings} {OFTEN}"), Some(count));
        must_succeed(&mut command)?;
        Ok(out)
    }

    /// Kills rank 1 of three in the middle of a run, and resumes with two.
    fn killed_rank(&self, kind: &str, settings: &str, alone: &Path) -> Result<()> {
        let (mut running, out) = self.interrupted(kind, settings, "KILL")?;
        let status = wait(&mut running)?;
        ensure!(!status, "a run whose rank 1 was killed has exit status 0");
        self.resumed(kind, &out, Some(2), alone)
    }

    /// Interrupts rank 1 of three in the middle of a run, and resumes with one process.
    fn stopped_rank(&self, kind: &str, settings: &str, alone: &Path) -> Result<()> {
        let (mut running, out) = self.interrupted(kind, settings, "INT")?;
        wait(&mut running)?;
        self.resumed(kind, &out, None, alone)
    }

    /// Starts a run on three ranks, and sends rank 1 a signal after its first checkpoint.
    fn interrupted(&self, kind: &str, settings: &str, signal: &str) -> Result<(Child, PathBuf)> {
        let (mut command, out) = self.run(kind, &format!("{settings} {OFTEN}"), Some(3));
        let mut running = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let start = Instant::now();
        while !out.join("checkpoints/last.safetensors").exists() {
            ensure!(
                start.elapsed() < PATIENCE,
                "no checkpoint of {}",
                out.display()
            );
            ensure!(
                running.try_wait()?.is_none(),
                "{} ended early",
                out.display()
            );
            sleep(Duration::from_millis(5));
        }
        let process = process_of_rank(running.id(), 1)?;
        let mut kill = Command::new("kill");
        must_succeed(kill.arg(format!("-{signal}")).arg(process.to_string()))?;
        Ok((running, out))
    }

    fn resumed(&self, kind: &str, out: &Path, ranks: Option<usize>, alone: &Path) -> Result<()> {
        ensure!(
            !out.join("summary.toml").exists(),
            "{} was finished before it was interrupted",
            out.display()
        );
        must_succeed(self.command(kind, ranks).arg("resume").arg(out))?;
        must_be_equal(out, alone)
    }

    /// Compares the losses of a hypernetwork on two ranks with those of one process.
    fn hypernetwork(&self) -> Result<()> {
        let mut losses = Vec::new();
        for ranks in [None, Some(1), Some(2), Some(3)] {
            let (mut command, out) = self.run("hyper", HYPER, ranks);
            must_succeed(&mut command)?;
            losses.push(losses_of(&out)?);
        }
        let one = &losses[0];
        ensure!(
            losses[1] == *one,
            "hyper: 1 rank of MPI differs from one process"
        );
        for (count, other) in [(2, &losses[2]), (3, &losses[3])] {
            ensure!(
                other.len() == one.len(),
                "hyper: {} steps, {}",
                other.len(),
                one.len()
            );
            let errors = one
                .iter()
                .zip(other)
                .map(|(one, other)| (one - other).abs() / one);
            let largest = errors.fold(0.0, f64::max);
            ensure!(
                largest < ROUNDING,
                "hyper: losses of {count} ranks differ by {largest:e}"
            );
            println!(
                "hyper: losses of {count} ranks differ from those of one process by at most {largest:.1e} of their values"
            );
        }
        Ok(())
    }
}

/// Runs a command without its output, which an error shows.
fn must_succeed(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Waits until a process ends, and returns whether it succeeded.
fn wait(process: &mut Child) -> Result<bool> {
    let start = Instant::now();
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(status.success());
        }
        if start.elapsed() > PATIENCE {
            process.kill()?;
            bail!("a run whose rank was interrupted goes on");
        }
        sleep(Duration::from_millis(20));
    }
}

/// Returns the process of a rank of the run that the process `launcher` started.
fn process_of_rank(launcher: u32, rank: usize) -> Result<u32> {
    let own = format!("OMPI_COMM_WORLD_RANK={rank}");
    for entry in fs::read_dir("/proc").context("this check needs Linux")? {
        let path = entry?.path();
        let Some(process) = path.file_name().and_then(OsStr::to_str) else {
            continue;
        };
        let (Ok(process), Ok(stat)) = (process.parse(), fs::read_to_string(path.join("stat")))
        else {
            continue;
        };
        // After the name in brackets: the state, and the parent.
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1));
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        let has_rank = environment
            .split(|byte| *byte == 0)
            .any(|one| one == own.as_bytes());
        if parent == Some(launcher.to_string().as_str()) && has_rank {
            return Ok(process);
        }
    }
    bail!("rank {rank} of the run is not found; this check needs Open MPI");
}

#[cfg(unix)]
fn is_of_root(file: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(file) == 0
}

#[cfg(not(unix))]
fn is_of_root(_file: &fs::Metadata) -> bool {
    false
}

/// Checks that two run folders have the same files with the same bytes, except those that contain times.
fn must_be_equal(found: &Path, expected: &Path) -> Result<()> {
    let (files, others) = (results(found)?, results(expected)?);
    ensure!(
        files == others,
        "{} has {files:?}, {} has {others:?}",
        found.display(),
        expected.display()
    );
    ensure!(files.len() > 4, "{} has only {files:?}", found.display());
    for file in files {
        let same = fs::read(found.join(&file))? == fs::read(expected.join(&file))?;
        ensure!(
            same,
            "{} of {} and of {} differ",
            file.display(),
            found.display(),
            expected.display()
        );
    }
    Ok(())
}

/// Returns the files of a run folder without times, sorted.
fn results(run: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![run.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !TIMES.contains(&name.as_ref()) && !name.starts_with("events.") && name != ".lock" {
                files.push(path.strip_prefix(run)?.to_path_buf());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the loss of every step of a run.
fn losses_of(run: &Path) -> Result<Vec<f64>> {
    let text = fs::read_to_string(run.join("metrics.csv"))?;
    let mut lines = text.lines();
    let names = lines.next().unwrap_or_default();
    let column = names
        .split(',')
        .position(|name| name == "loss")
        .context("no column `loss`")?;
    let loss = |line: &str| {
        line.split(',')
            .nth(column)
            .unwrap_or_default()
            .parse()
            .map_err(Into::into)
    };
    lines.map(loss).collect()
}
