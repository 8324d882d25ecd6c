//! The script of an array of tasks.

use std::fmt::Write as _;
use std::path::Path;

use siren_core::file::quoted;

use crate::folder::JobFolder;

/// An array of tasks: one for each run of a manifest.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a> {
    /// Name of the job.
    pub name: &'a str,
    /// Number of tasks.
    pub tasks: usize,
    /// Most tasks that run at a time.
    pub limit: Option<usize>,
    /// Threads of each run, for each of which Slurm reserves one CPU.
    pub threads: usize,
}

impl Array<'_> {
    /// Returns the script that each task runs. `program` is the path of `siren-sweep`.
    ///
    /// `exec` lets Slurm's signals reach the program, which saves a checkpoint: SIGTERM comes 60 s before the time limit.
    #[must_use]
    pub fn script(&self, program: &Path, folder: &JobFolder) -> String {
        let mut script = String::from("#!/bin/sh\n");
        let mut option = |name: &str, value: String| {
            let _ = writeln!(script, "#SBATCH --{name}={value}");
        };
        let limit = self.limit.map_or_else(String::new, |n| format!("%{n}"));
        option("job-name", self.name.to_owned());
        option("array", format!("0-{}{limit}", self.tasks - 1));
        option("cpus-per-task", self.threads.to_string());
        option("output", pattern(&folder.output("%a")));
        option("open-mode", "append".to_owned());
        option("signal", "B:TERM@60".to_owned());
        script += "#SBATCH --requeue\n";
        let (program, manifest) = (quoted(program), quoted(&folder.manifest()));
        let _ = writeln!(
            script,
            "exec {program} member {manifest} \"$SLURM_ARRAY_TASK_ID\""
        );
        script
    }
}

/// Returns the path of an output file, the last part of which is a pattern, for an option in a script.
fn pattern(path: &Path) -> String {
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = folder.display().to_string().replace('%', "%%");
    let name = path.file_name().unwrap_or_default().display();
    format!("\"{folder}/{name}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_an_array_replaces_its_shell_by_the_program() {
        let array = Array {
            name: "siren-s-00000000-001",
            tasks: 12,
            limit: Some(4),
            threads: 2,
        };
        let folder = JobFolder::of_manifest(Path::new("/my runs/50%/jobs/001/manifest.toml"));
        let script = array.script(Path::new("/bin/siren-sweep"), &folder);
        let expected = "#!/bin/sh\n\
            #SBATCH --job-name=siren-s-00000000-001\n\
            #SBATCH --array=0-11%4\n\
            #SBATCH --cpus-per-task=2\n\
            #SBATCH --output=\"/my runs/50%%/jobs/001/output/%a.txt\"\n\
            #SBATCH --open-mode=append\n\
            #SBATCH --signal=B:TERM@60\n\
            #SBATCH --requeue\n\
            exec /bin/siren-sweep member '/my runs/50%/jobs/001/manifest.toml' \"$SLURM_ARRAY_TASK_ID\"\n";
        assert_eq!(script, expected);
    }
}
