//! Checks all members of a sweep before the first one starts.

use anyhow::{Context, Result, bail};
use siren_run::Record;

use crate::folder::SweepFolder;
use crate::manifest::Assignment;
use crate::member::Member;
use crate::program::Program;

/// Checks every member and returns those that are not finished.
///
/// The check covers a member's config, its signal, and the config of its run folder if there is one. Members are checked on `jobs` threads.
///
/// # Errors
/// If a config or a signal is invalid, if a run folder cannot be read, or if a run was started with another config.
pub fn unfinished_members(
    members: &[Member],
    folder: &SweepFolder,
    program: &Program,
    jobs: usize,
) -> Result<Vec<Assignment>> {
    let mut unfinished = Vec::new();
    for (member, config) in members
        .iter()
        .zip(resolved_configs(members, program, jobs)?)
    {
        let run = folder.run(member);
        if run.exists() {
            let record = Record::read(&run)?;
            if !record.is_of(&config) {
                bail!(
                    "{} was started with another config than this sweep asks for: choose another folder with `--out`, or delete that run",
                    run.display()
                );
            }
            if record.is_finished() {
                continue;
            }
        }
        unfinished.push(Assignment {
            name: member.name.clone(),
            overrides: member.overrides.clone(),
            log: folder.log(member),
            run,
            checksum: crc32c::crc32c(config.as_bytes()),
        });
    }
    Ok(unfinished)
}

/// Returns the config of every member with every default filled in, in the order of the members.
fn resolved_configs(members: &[Member], program: &Program, jobs: usize) -> Result<Vec<String>> {
    let members_per_thread = members.len().div_ceil(jobs).max(1);
    let check = |member: &Member| {
        program
            .check(member)
            .with_context(|| format!("run `{}`", member.name))
    };
    let check_all = |members: &[Member]| members.iter().map(check).collect::<Result<Vec<_>>>();
    let configs = std::thread::scope(|scope| {
        let threads: Vec<_> = members
            .chunks(members_per_thread)
            .map(|members| {
                let thread = std::thread::Builder::new();
                thread.spawn_scoped(scope, move || check_all(members))
            })
            .collect::<std::io::Result<_>>()
            .context("cannot start a thread for each of `--jobs`; give fewer, or raise the limit of memory or processes")?;
        let configs = threads.into_iter().map(|thread| match thread.join() {
            Ok(configs) => configs,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        configs.collect::<Result<Vec<_>>>()
    })?;
    Ok(configs.concat())
}
