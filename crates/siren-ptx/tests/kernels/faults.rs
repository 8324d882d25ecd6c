//! Each kind of fault in the smallest kernel that has it.

use siren_ptx::{Argument, Card, Fault, FaultKind, KernelLaunch, Memory, Module, Space};

use crate::support::{Shape, fault_in, fault_of, run_snippet, snippet};

const WARP: Shape = Shape {
    blocks: 1,
    threads: 32,
    shared_bytes: 1024,
};
const TWO_WARPS: Shape = Shape {
    blocks: 1,
    threads: 64,
    shared_bytes: 1024,
};
const TWO_BLOCKS: Shape = Shape {
    blocks: 2,
    threads: 32,
    shared_bytes: 1024,
};

#[test]
fn a_fault_says_where_it_is() {
    let body = "setp.ne.u32 %p1, %r1, 37;\n@%p1 bra end;\nld.global.u32 %r3, [%rd1+4096];\nend:";
    let fault = run_snippet(
        body,
        Shape {
            threads: 64,
            blocks: 3,
            ..WARP
        },
        1024,
    )
    .unwrap_err();
    let place = fault.place.clone().unwrap();
    assert_eq!(
        (place.block, place.warp, place.lane),
        ([0, 0, 0], 1, Some(5))
    );
    assert_eq!(
        snippet(body).lines().nth(place.line as usize - 1),
        Some("ld.global.u32 %r3, [%rd1+4096];")
    );
    let said = fault.to_string();
    assert!(said.starts_with("kernel test, block (0, 0, 0), warp 1, lane 5, line 18 of the PTX `ld.global.u32 %r3, [%rd1+4096];`: "), "{said}");
    assert!(
        said.ends_with(
            "are out of bounds of global memory: offset 4096 of an allocation of 1024 bytes"
        ),
        "{said}"
    );
}

#[test]
fn accesses_out_of_bounds_are_found_in_every_space() {
    let spaces = [
        ("ld.global.u32 %r3, [%rd1+1024];", Space::Global),
        ("st.global.u32 [%rd1+-4], %r1;", Space::Global),
        (
            "mov.u64 %rd2, 0;\nld.global.u32 %r3, [%rd2];",
            Space::Global,
        ),
        ("mov.u64 %rd2, 0;\nld.u32 %r3, [%rd2];", Space::Global),
        ("st.shared.u32 [dynamic+1024], %r1;", Space::Shared),
        (
            ".local .align 4 .b8 depot[8];\nmov.u64 %rd2, depot;\nst.local.u32 [%rd2+8], %r1;",
            Space::Local,
        ),
        ("ld.param.u32 %r3, [buffer+8];", Space::Param),
    ];
    for (body, expected) in spaces {
        let kind = fault_of(body);
        assert!(
            matches!(kind, FaultKind::OutOfBounds { space, .. } if space == expected),
            "{body}: {kind}"
        );
    }
}

#[test]
fn misaligned_addresses_are_found() {
    for (body, wanted) in [
        ("ld.global.u32 %r3, [%rd1+2];", 4),
        ("ld.global.v2.u32 {%r3, %r4}, [%rd1+4];", 8),
        (
            "mov.u32 %r3, 0;\nst.shared.v4.u32 [dynamic+8], {%r3, %r3, %r3, %r3};",
            16,
        ),
        ("st.shared.u64 [dynamic+4], %rd1;", 8),
        ("atom.global.add.u32 %r3, [%rd1+1], 1;", 4),
    ] {
        let kind = fault_of(body);
        assert!(
            matches!(kind, FaultKind::Misaligned { bytes, .. } if bytes == wanted),
            "{body}: {kind}"
        );
    }
}

#[test]
fn reads_of_what_nobody_has_written_are_found() {
    assert_eq!(
        fault_of("ld.shared.u32 %r3, [dynamic+64];"),
        FaultKind::Unwritten {
            space: Space::Shared,
            address: 64
        }
    );
    let local = ".local .align 4 .b8 depot[8];\nmov.u64 %rd2, depot;\nst.local.u32 [%rd2], %r1;\nld.local.u32 %r3, [%rd2+4];";
    assert_eq!(
        fault_of(local),
        FaultKind::Unwritten {
            space: Space::Local,
            address: 4
        }
    );
    // Half of a word is written.
    let half = "mov.u16 %rs1, 7;\nst.shared.u16 [dynamic+2], %rs1;\nld.shared.u16 %rs2, [dynamic];";
    assert_eq!(
        fault_of(half),
        FaultKind::Unwritten {
            space: Space::Shared,
            address: 0
        }
    );
}

#[test]
fn warps_that_meet_in_shared_memory_without_a_barrier_are_a_race() {
    let first = "setp.lt.u32 %p1, %r1, 32;\n";
    let write_write = format!("{first}mov.u32 %r3, 1;\nst.shared.u32 [dynamic], %r3;");
    let read_write = format!(
        "{first}mov.u32 %r3, 1;\n@%p1 st.shared.u32 [dynamic], %r3;\n@!%p1 ld.shared.u32 %r4, [dynamic];"
    );
    let write_read = format!(
        "{first}mov.u32 %r3, 1;\n@%p1 st.shared.u32 [dynamic], %r3;\nbar.sync 0;\n@%p1 ld.shared.u32 %r4, [dynamic];\n@!%p1 st.shared.u32 [dynamic], %r3;"
    );
    let mixed = format!(
        "{first}mov.u32 %r3, 1;\n@%p1 st.shared.u32 [dynamic], %r3;\n@!%p1 atom.shared.add.u32 %r4, [dynamic], 1;"
    );
    for body in [write_write, read_write, write_read, mixed] {
        let kind = fault_in(&body, TWO_WARPS);
        assert!(
            matches!(kind, FaultKind::SharedRace { address: 0, .. }),
            "{body}: {kind}"
        );
    }
    // Two halves of one word are two places.
    let halves = "shl.b32 %r3, %r1, 1;\nmov.u32 %r4, dynamic;\nadd.u32 %r5, %r4, %r3;\ncvt.u16.u32 %rs1, %r1;\nst.shared.u16 [%r5], %rs1;";
    assert!(
        run_snippet(
            halves,
            Shape {
                threads: 33,
                ..TWO_WARPS
            },
            1024
        )
        .is_ok()
    );
}

#[test]
fn blocks_that_meet_in_global_memory_are_a_race() {
    let own = "mul.wide.u32 %rd2, %r2, 4;\nadd.u64 %rd3, %rd1, %rd2;\n";
    let write_write = "st.global.u32 [%rd1], 1;"
        .replace('1', "%r2")
        .replace("%rd%r2", "%rd1");
    let write_read = format!("{own}st.global.u32 [%rd3], %r2;\nld.global.u32 %r3, [%rd1];");
    let read_write = format!(
        "setp.eq.u32 %p1, %r2, 0;\n@%p1 ld.global.u32 %r3, [%rd1];\n@!%p1 st.global.u32 [%rd1], %r2;\n{own}"
    );
    let mixed = "setp.eq.u32 %p1, %r2, 0;\n@%p1 st.global.u32 [%rd1], %r2;\n@!%p1 atom.global.add.u32 %r3, [%rd1], 1;".to_owned();
    let read_atomic = "setp.eq.u32 %p1, %r2, 0;\n@%p1 ld.global.u32 %r3, [%rd1];\n@!%p1 red.global.add.u32 [%rd1], 1;".to_owned();
    for body in [write_write, write_read, read_write, mixed, read_atomic] {
        let kind = fault_in(&body, TWO_BLOCKS);
        assert!(
            matches!(kind, FaultKind::GlobalRace { .. }),
            "{body}: {kind}"
        );
    }
    // Both may read, and each may write its own byte.
    let bytes = "ld.global.u32 %r3, [%rd1+64];\ncvt.u64.u32 %rd2, %r2;\nadd.u64 %rd3, %rd1, %rd2;\nst.global.u8 [%rd3], %r2;";
    assert_eq!(run_snippet(bytes, TWO_BLOCKS, 1024).unwrap()[0], 0x100);
}

#[test]
fn lanes_that_store_different_values_at_one_address_are_found() {
    assert!(matches!(
        fault_of("st.global.u32 [%rd1], %r1;"),
        FaultKind::StoreConflict {
            space: Space::Global,
            ..
        }
    ));
    assert!(matches!(
        fault_of("st.shared.u32 [dynamic], %r1;"),
        FaultKind::StoreConflict {
            space: Space::Shared,
            ..
        }
    ));
    assert_eq!(
        run_snippet("mov.u32 %r3, 5;\nst.global.u32 [%rd1], %r3;", WARP, 1024).unwrap()[0],
        5
    );
}

#[test]
fn instructions_of_a_whole_warp_need_it_whole() {
    let matrix = "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r4}, [%r3];";
    let product = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, {%r3,%r4,%r5,%r6}, {%r7,%r8}, {%f1,%f2,%f3,%f4};";
    let shuffle = "shfl.sync.idx.b32 %r4, %r1, 0, 31, 0xffffffff;";
    for instruction in [
        matrix,
        product,
        shuffle,
        "bar.sync 0;",
        "bar.warp.sync 0xffffffff;",
    ] {
        let branch = format!(
            "setp.lt.u32 %p1, %r1, 16;\n@%p1 bra end;\nmov.u32 %r3, dynamic;\n{instruction}\nend:"
        );
        let kind = fault_of(&branch);
        assert_eq!(
            kind,
            FaultKind::PartialWarp {
                arrived: 0xffff_0000,
                expected: u32::MAX
            },
            "{instruction}"
        );
        let guarded =
            format!("setp.lt.u32 %p1, %r1, 16;\nmov.u32 %r3, dynamic;\n@%p1 {instruction}");
        assert_eq!(
            fault_of(&guarded),
            FaultKind::PartialWarp {
                arrived: 0xffff,
                expected: u32::MAX
            },
            "{instruction}"
        );
    }
    let small = Shape {
        threads: 16,
        ..WARP
    };
    assert!(matches!(
        fault_in(product, small),
        FaultKind::PartialWarp { .. }
    ));
    assert!(run_snippet("bar.sync 0;", small, 1024).is_ok());
}

#[test]
fn lanes_that_took_different_ways_meet_at_a_barrier() {
    // The second way is behind the barrier in the text and jumps back to it.
    let body = "setp.lt.u32 %p1, %r1, 16;\n@%p1 bra far;\nmov.u32 %r3, 1;\nmeet:\nbar.sync 0;\nmul.wide.u32 %rd2, %r1, 4;\nadd.u64 %rd3, %rd1, %rd2;\n\
                st.global.u32 [%rd3], %r3;\nret;\nfar:\nmov.u32 %r3, 2;\nbra meet;";
    let found = run_snippet(body, WARP, 1024).unwrap();
    assert_eq!(found[..32], [[2; 16], [1; 16]].concat());
}

#[test]
fn barriers_that_not_all_warps_reach_are_found() {
    let exit = "setp.lt.u32 %p1, %r1, 32;\n@%p1 ret;\nbar.sync 0;";
    assert_eq!(
        fault_in(exit, TWO_WARPS),
        FaultKind::ExitedBeforeBarrier { exited: 0 }
    );
    let other = "setp.lt.u32 %p1, %r1, 32;\n@%p1 bra other;\nbar.sync 0;\nbra end;\nother:\nbar.sync 0;\nend:";
    assert!(matches!(
        fault_in(other, TWO_WARPS),
        FaultKind::DifferentBarriers { .. }
    ));
}

#[test]
fn a_kernel_that_does_not_end_runs_out_of_budget() {
    let module = Module::parse(&snippet("again:\nbra again;")).unwrap();
    let launch = KernelLaunch {
        budget: 1000,
        ..KernelLaunch::new(module.kernel("test").unwrap(), 1, 32)
    };
    let fault = launch
        .run(&[Argument::from(0_u64)], &mut Memory::new())
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Budget { executed: 1000 });
}

#[test]
fn operations_without_a_fixed_result_are_found() {
    assert_eq!(
        fault_of("mov.f32 %f1, 0f3f800000;\nred.global.add.f32 [%rd1], %f1;"),
        FaultKind::UnorderedSum
    );
    assert_eq!(
        fault_of("mov.u32 %r3, 0;\ndiv.s32 %r4, %r1, %r3;"),
        FaultKind::DivisionByZero
    );
    assert_eq!(fault_of("trap;"), FaultKind::Trap);
}

fn launch_fault(change: impl FnOnce(&mut KernelLaunch<'_>), arguments: &[Argument]) -> Fault {
    let module = Module::parse(&snippet("")).unwrap();
    let mut launch = KernelLaunch::new(module.kernel("test").unwrap(), 1, 32);
    change(&mut launch);
    let fault = launch.run(arguments, &mut Memory::new()).unwrap_err();
    assert_eq!(fault.place, None);
    fault
}

#[test]
fn launches_beyond_the_limits_of_the_card_are_refused() {
    let argument = [Argument::from(0_u64)];
    let limit = |what, found, limit| FaultKind::Limit { what, found, limit };
    let shared = "bytes of shared memory of a block";
    assert_eq!(
        launch_fault(|launch| launch.block = [1025, 1, 1], &argument).kind,
        limit("threads of a block", 1025, 1024)
    );
    assert_eq!(
        launch_fault(|launch| launch.grid = [1, 65_536, 1], &argument).kind,
        limit("blocks on the second or third axis", 65_536, 65_535)
    );
    assert_eq!(
        launch_fault(|launch| launch.grid = [0, 1, 1], &argument).kind,
        FaultKind::Empty
    );
    assert_eq!(
        launch_fault(|launch| launch.shared_bytes = 49_153, &argument).kind,
        limit(shared, 49_153, 49_152)
    );
    for (card, most) in [
        ("sm_80", 163),
        ("sm_86", 99),
        ("sm_89", 99),
        ("sm_90", 227),
        ("sm_120", 99),
    ] {
        let most = most * 1024;
        let change = |launch: &mut KernelLaunch<'_>| {
            launch.card = Card::from_architecture(card).unwrap();
            (launch.shared_bytes, launch.shared_limit) = (most + 1, Some(most + 1));
        };
        assert_eq!(
            launch_fault(change, &argument).kind,
            limit(shared, u64::from(most) + 1, u64::from(most)),
            "{card}"
        );
    }
}

#[test]
fn arguments_of_another_number_or_size_are_refused() {
    let fault = launch_fault(|_| (), &[Argument::from(0_u32)]);
    assert_eq!(
        fault.kind,
        FaultKind::Arguments {
            index: 0,
            found: 4,
            expected: 8
        }
    );
    let fault = launch_fault(|_| (), &[Argument::from(0_u64), Argument::from(1_u32)]);
    assert_eq!(
        fault.kind,
        FaultKind::Arguments {
            index: 1,
            found: 4,
            expected: 0
        }
    );
    assert_eq!(
        fault.to_string(),
        "kernel test: argument 1: 4 bytes, expected 0"
    );
}

#[test]
fn what_is_not_supported_is_refused_with_its_line() {
    for (instruction, reason) in [
        (
            "ex2.approx.f32 %f1, %f2;",
            "approximations differ between cards",
        ),
        (
            "div.approx.f32 %f1, %f2, %f3;",
            "only the rounding `.rn` is supported",
        ),
        (
            "add.rz.f32 %f1, %f2, %f3;",
            "the modifier `.rz` is not supported here",
        ),
        (
            "fma.rn.ftz.f32 %f1, %f2, %f3, %f1;",
            "the modifier `.ftz` is not supported here",
        ),
        ("call.uni printf;", "calls are not supported"),
        (
            "mov.u32 %r3, %clock;",
            "%clock is not declared or not supported",
        ),
        ("add.s32 %r3, %r1, %rd1;", "a register of another size"),
        ("bar.sync 1;", "only barrier 0 is supported"),
        ("bra nowhere;", "a label that does not exist"),
        (
            "frobnicate.u32 %r3;",
            "an instruction that is not supported",
        ),
    ] {
        let error = Module::parse(&snippet(instruction)).unwrap_err();
        assert!(error.reason.contains(reason), "{instruction}: {error}");
        assert_eq!(error.line, 16, "{error}");
    }
}

#[test]
fn more_threads_than_a_number_holds_are_refused() {
    let limit = "\n.maxntid 4294967295, 4294967295, 4294967295\n{";
    let ptx = snippet("ret;").replacen("\n{", limit, 1);
    assert!(ptx.contains(limit), "{ptx}");
    let error = Module::parse(&ptx).unwrap_err();
    assert!(error.reason.contains("more threads than"), "{error}");
}
