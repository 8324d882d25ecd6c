//! A Slurm of one node on this computer: `munged`, `slurmctld` and `slurmd`, with all their files in a temporary folder.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::killed::{signal, wait_until};

/// The config of the cluster. The words in braces are replaced.
const CONFIG: &str = "
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=2,sched_min_interval=100000
ReturnToService=2
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
KillWait=5
MinJobAge=10
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
";

/// The running cluster. Dropping it cancels its jobs and ends its programs.
pub struct SlurmCluster {
    folder: TempDir,
    munge: Child,
    controller: Child,
    node: Child,
}

impl SlurmCluster {
    /// Starts the programs and waits until the node is idle.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // The programs of other users must reach the socket.
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["state", "spool"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        fs::write(path.join("slurm.conf"), config(path)).unwrap();
        fs::write(path.join("cgroup.conf"), "CgroupAutomount=no\n").unwrap();
        let munge = start_munge(path);
        let socket = path.join("munge.socket");
        wait_until("munge has its socket", || socket.exists());
        let controller = daemon(path, "slurmctld");
        let node = daemon(path, "slurmd");
        let cluster = Self {
            folder,
            munge,
            controller,
            node,
        };
        wait_until("the node is idle", || {
            cluster.output("sinfo", &["--noheader", "--format=%T"]) == "idle"
        });
        cluster
    }

    /// Returns the path of the config, for the variable `SLURM_CONF`.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    /// Returns what a program of Slurm prints.
    pub fn output(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments).env("SLURM_CONF", self.config());
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Ends `slurmd` and starts it again. The tasks on the node go on.
    pub fn restart_node(&mut self) {
        signal("TERM", &self.node.id());
        self.node.wait().unwrap();
        self.node = daemon(self.folder.path(), "slurmd");
    }
}

impl Drop for SlurmCluster {
    fn drop(&mut self) {
        self.output("scancel", &["--signal=KILL", "--full", "--me"]);
        self.output("scancel", &["--me"]);
        for daemon in [&mut self.node, &mut self.controller, &mut self.munge] {
            // A test that fails shows its own reason, not this one.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn start_munge(folder: &Path) -> Child {
    let key = folder.join("munge.key");
    // No secret: the folder of this cluster is deleted soon. Munge asks for 32 bytes or more.
    fs::write(&key, [7; 128]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    let mut command = program("munged");
    command.args(["--foreground", "--force"]);
    for (option, file) in [
        ("key-file", "munge.key"),
        ("socket", "munge.socket"),
        ("pid-file", "munge.pid"),
        ("seed-file", "munge.seed"),
        ("log-file", "munge.log"),
    ] {
        command.arg(format!("--{option}={}", folder.join(file).display()));
    }
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// Starts `slurmctld` or `slurmd`, which writes its log into the folder.
fn daemon(folder: &Path, name: &str) -> Child {
    let mut command = program(name);
    command
        .arg("-D")
        .arg("-L")
        .arg(folder.join(format!("{name}.log")));
    command.env("SLURM_CONF", folder.join("slurm.conf"));
    command.stderr(Stdio::null()).stdout(Stdio::null());
    command.spawn().unwrap()
}

/// Returns the command of a program that is not on the path of every user.
fn program(name: &str) -> Command {
    let system = Path::new("/usr/sbin").join(name);
    Command::new(if system.exists() {
        system
    } else {
        PathBuf::from(name)
    })
}

fn config(folder: &Path) -> String {
    let text = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [controller, node] = ports.map(|port| port.local_addr().unwrap().port().to_string());
    let cpus = std::thread::available_parallelism().unwrap().to_string();
    let host = text("hostname", "-s");
    let user = text("id", "-un");
    let words = [
        ("{host}", host.as_str()),
        ("{user}", &user),
        ("{cpus}", &cpus),
        ("{controller_port}", &controller),
        ("{node_port}", &node),
        ("{folder}", folder.to_str().unwrap()),
    ];
    words.into_iter().fold(CONFIG.to_owned(), |config, word| {
        config.replace(word.0, word.1)
    })
}
