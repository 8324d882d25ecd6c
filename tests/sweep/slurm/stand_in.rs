//! A stand-in for Slurm: `sbatch`, `squeue`, `scancel` and `scontrol` as shell scripts, and a node that runs one task at a time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::desk::Desk;
use crate::sweep;

/// Submits an array. The file `refuse` holds the message of a refusal.
const SBATCH: &str = r#"#!/bin/sh
[ "$1" = --version ] && exit 0
if [ -e "$SLURM_STATE/refuse" ]; then cat "$SLURM_STATE/refuse" >&2; exit 1; fi
for word; do script=$word; done
job=$(($(cat "$SLURM_STATE/last" 2>/dev/null || echo 100) + 1))
echo $job > "$SLURM_STATE/last"
echo "$*" >> "$SLURM_STATE/submitted"
name=$(sed -n 's/^#SBATCH --job-name=//p' "$script")
last=$(sed -n 's/^#SBATCH --array=0-\([0-9]*\).*/\1/p' "$script")
for task in $(seq 0 "$last"); do
  echo "$job|$task|PENDING|Resources|$name" > "$SLURM_STATE/queue/$job.$task"
done
sh "$SLURM_STATE/node" "$job" "$last" "$script" "$name" > /dev/null 2>&1 &
echo "$job"
"#;

/// Runs the tasks of a job. While the file `hold` exists, none starts. A file `kill.T` kills task T as soon as it has started, and is used up unless
/// it holds the word `always`.
const NODE: &str = r#"
job=$1 last=$2 script=$3 name=$4
for task in $(seq 0 "$last"); do
  while [ -e "$SLURM_STATE/hold" ]; do sleep 0.05; done
  entry=$SLURM_STATE/queue/$job.$task
  [ -e "$entry" ] || continue
  echo "$job|$task|RUNNING|None|$name" > "$SLURM_STATE/entry.$job"
  mv "$SLURM_STATE/entry.$job" "$entry"
  SLURM_ARRAY_TASK_ID=$task sh "$script" &
  if [ -e "$SLURM_STATE/kill.$task" ]; then
    grep -q always "$SLURM_STATE/kill.$task" || rm "$SLURM_STATE/kill.$task"
    sleep 0.3
    kill -9 $!
  fi
  wait $!
  rm -f "$entry"
done
"#;

const SQUEUE: &str = r#"#!/bin/sh
if [ -e "$SLURM_STATE/deaf" ]; then rm "$SLURM_STATE/deaf"; echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; fi
for word; do case $word in --name=*) names=${word#--name=} ;; esac; done
for entry in "$SLURM_STATE"/queue/*; do
  [ -e "$entry" ] || continue
  line=$(cat "$entry" 2>/dev/null) || continue
  case ",$names," in *",${line##*|},"*) echo "$line" ;; esac
done
"#;

const SCANCEL: &str = r#"#!/bin/sh
for job; do rm -f "$SLURM_STATE/queue/$job".*; done
"#;

const SCONTROL: &str = r#"#!/bin/sh
echo "MaxArraySize            = $(cat "$SLURM_STATE/largest" 2>/dev/null || echo 1001)"
"#;

/// A cluster of one node with its state in a folder of the desk.
pub struct StandIn<'a> {
    desk: &'a Desk,
}

impl<'a> StandIn<'a> {
    /// Writes the programs of the cluster.
    pub fn on(desk: &'a Desk) -> Self {
        let cluster = Self { desk };
        fs::create_dir_all(cluster.state("queue")).unwrap();
        fs::create_dir(desk.path("slurm/bin")).unwrap();
        cluster.set("node", NODE);
        for (name, script) in [
            ("sbatch", SBATCH),
            ("squeue", SQUEUE),
            ("scancel", SCANCEL),
            ("scontrol", SCONTROL),
        ] {
            let name = format!("bin/{name}");
            cluster.set(&name, script);
            fs::set_permissions(cluster.state(&name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        cluster
    }

    fn state(&self, name: &str) -> PathBuf {
        self.desk.path(&format!("slurm/{name}"))
    }

    /// Writes a file of the cluster's state.
    pub fn set(&self, name: &str, text: &str) {
        fs::write(self.state(name), text).unwrap();
    }

    /// Removes a file of the cluster's state.
    pub fn unset(&self, name: &str) {
        fs::remove_file(self.state(name)).unwrap();
    }

    /// Returns the command `siren-sweep run s.toml --on slurm` with further arguments, on a login node of this cluster.
    pub fn sweep(&self, arguments: &str) -> Command {
        self.command(&format!("run s.toml --on slurm {arguments}"))
    }

    /// Returns the command `siren-sweep` with the arguments of `line`, on a login node of this cluster.
    pub fn command(&self, line: &str) -> Command {
        let mut command = sweep(self.desk, line);
        let path = std::env::var("PATH").unwrap();
        command
            .env("PATH", format!("{}:{path}", self.state("bin").display()))
            .env("SLURM_STATE", self.state(""));
        command
    }

    /// Returns the arguments of every call of `sbatch` that was not refused.
    pub fn submissions(&self) -> Vec<String> {
        let text = fs::read_to_string(self.state("submitted")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
