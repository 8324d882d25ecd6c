//! A stand-in for Slurm: `sbatch`, `squeue`, `scancel` and `scontrol` as shell scripts, and a node that runs one task at a time. All read the
//! folder of their state from the environment variable `SLURM_STATE`.

use std::fs;
use std::io::Result;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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
# A node outlives the process group of the one who submits.
$(command -v setsid) sh "$SLURM_STATE/node" "$job" "$last" "$script" "$name" > /dev/null 2>&1 &
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

/// Folder of the programs in the folder of the state.
pub const PROGRAMS: &str = "bin";
/// Folder of the queue in the folder of the state: a file for each task.
const QUEUE: &str = "queue";

/// Writes the programs of a cluster whose state is in `folder`, and its empty queue.
///
/// # Errors
/// If a file cannot be written.
pub fn install(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join(QUEUE))?;
    fs::create_dir_all(folder.join(PROGRAMS))?;
    fs::write(folder.join("node"), NODE)?;
    for (name, script) in [
        ("sbatch", SBATCH),
        ("squeue", SQUEUE),
        ("scancel", SCANCEL),
        ("scontrol", SCONTROL),
    ] {
        let path = folder.join(PROGRAMS).join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Removes all tasks from the queue, as the controller does if their node is lost.
///
/// # Errors
/// If a file cannot be removed.
pub fn clear_queue(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder.join(QUEUE))? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}
