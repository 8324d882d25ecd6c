//! Kernels of nvcc with one fault planted: each is found, and named.

use siren_ptx::{Fault, FaultKind, KernelLaunch, Module, Space, WarpOrder};

use crate::programs::{pipeline, product};
use crate::support::{ORDERS, PRODUCT, REDUCTION, Setup, VARIETY, bytes, numbers, replaced};

/// Faults of the product in every order.
fn product_faults(old: &str, new: &str) -> Vec<Fault> {
    let module = Module::parse(&replaced(PRODUCT, old, new, 1)).unwrap();
    ORDERS
        .iter()
        .map(|&order| {
            product(&module, order)
                .map(drop)
                .expect_err("a fault was planted")
        })
        .collect()
}

/// Runs `block_sums` on 1000 values.
fn block_sums(text: &str, shared_bytes: u32) -> Result<(), Fault> {
    let module = Module::parse(text).unwrap();
    let mut setup = Setup::default();
    setup.input(&bytes(&numbers(1000, 3), f32::to_le_bytes));
    setup.output(16);
    setup.number(1000_i32);
    let kernel = module.kernel("block_sums").unwrap();
    setup
        .run(&KernelLaunch {
            shared_bytes,
            ..KernelLaunch::new(kernel, 4, 256)
        })
        .map(drop)
}

/// Runs `largest_magnitude` on 1000 values.
fn largest(text: &str, order: WarpOrder) -> Result<(), Fault> {
    let module = Module::parse(text).unwrap();
    let mut setup = Setup::default();
    setup.input(&bytes(&numbers(1000, 3), f32::to_le_bytes));
    setup.input(&[0; 4]);
    setup.number(1000_i32);
    let kernel = module.kernel("largest_magnitude").unwrap();
    setup
        .run(&KernelLaunch {
            order,
            ..KernelLaunch::new(kernel, 3, 96)
        })
        .map(drop)
}

#[test]
fn the_barrier_before_the_tiles_are_read_is_missed() {
    for fault in product_faults(
        "bar.sync \t0;\n\t// begin inline asm",
        "\n\t// begin inline asm",
    ) {
        let unordered = matches!(
            fault.kind,
            FaultKind::SharedRace { .. }
                | FaultKind::Unwritten {
                    space: Space::Shared,
                    ..
                }
        );
        assert!(unordered, "{fault}");
        assert!(fault.place.unwrap().instruction.starts_with("ldmatrix"));
    }
}

#[test]
fn the_barrier_before_the_tiles_are_overwritten_is_missed() {
    for fault in product_faults("bar.sync \t0;\n\tadd.s64", "\n\tadd.s64") {
        assert!(
            matches!(fault.kind, FaultKind::SharedRace { .. }),
            "{fault}"
        );
    }
}

#[test]
fn a_ragged_edge_that_is_not_guarded_is_out_of_bounds() {
    for fault in product_faults("setp.ge.s32 \t%p2, %r4, %r28", "setp.lt.s32 \t%p2, %r4, 0") {
        assert!(
            matches!(
                fault.kind,
                FaultKind::OutOfBounds {
                    space: Space::Global,
                    bytes: 16,
                    ..
                }
            ),
            "{fault}"
        );
        let place = fault.place.unwrap();
        assert!(
            place.instruction.contains("ld.global.v4.u32"),
            "{}",
            place.instruction
        );
        assert_eq!(
            place.block[1], 1,
            "the last rows are in the second row of blocks"
        );
    }
    for fault in product_faults(
        "setp.ge.s32 \t%p4, %r26, %r28",
        "setp.lt.s32 \t%p4, %r26, 0",
    ) {
        assert!(
            matches!(
                fault.kind,
                FaultKind::OutOfBounds {
                    space: Space::Global,
                    bytes: 8,
                    ..
                }
            ),
            "{fault}"
        );
        assert!(
            fault
                .place
                .unwrap()
                .instruction
                .contains("st.global.v2.f32")
        );
    }
}

#[test]
fn two_blocks_that_write_one_place_are_a_race() {
    // All blocks write the rows of the first.
    let text = PRODUCT.replace("%ctaid.y", "0");
    let module = Module::parse(&text).unwrap();
    for order in ORDERS {
        let fault = product(&module, order)
            .map(drop)
            .expect_err("a fault was planted");
        assert!(
            matches!(
                fault.kind,
                FaultKind::GlobalRace {
                    action: "a write",
                    ..
                }
            ),
            "{fault}"
        );
    }
}

#[test]
fn a_vector_load_at_half_its_size_is_misaligned() {
    for fault in product_faults("[%rd27];", "[%rd27+8];") {
        assert!(
            matches!(
                fault.kind,
                FaultKind::Misaligned {
                    space: Space::Global,
                    bytes: 16,
                    ..
                }
            ),
            "{fault}"
        );
    }
    for fault in product_faults("[%r7];", "[%r7+2];") {
        assert!(
            matches!(
                fault.kind,
                FaultKind::Misaligned {
                    space: Space::Shared,
                    bytes: 16,
                    ..
                }
            ),
            "{fault}"
        );
    }
}

#[test]
fn a_tile_that_is_too_small_is_out_of_bounds() {
    for fault in product_faults("b_tile[2304]", "b_tile[2272]") {
        assert!(
            matches!(
                fault.kind,
                FaultKind::OutOfBounds {
                    space: Space::Shared,
                    ..
                }
            ),
            "{fault}"
        );
    }
    let fault = block_sums(REDUCTION, 512).expect_err("half of the memory that the kernel uses");
    assert!(
        matches!(
            fault.kind,
            FaultKind::OutOfBounds {
                space: Space::Shared,
                address: 512,
                bytes: 4,
                ..
            }
        ),
        "{fault}"
    );
}

#[test]
fn an_index_that_is_off_by_one_is_found() {
    let text = replaced(REDUCTION, "setp.ge.s32 \t%p3", "setp.gt.s32 \t%p3", 1);
    let fault = block_sums(&text, 1024).expect_err("a fault was planted");
    assert!(
        matches!(
            fault.kind,
            FaultKind::OutOfBounds {
                space: Space::Shared,
                address: 1024,
                ..
            }
        ),
        "{fault}"
    );
    assert_eq!(
        fault.place.map(|place| (place.warp, place.lane)),
        Some((4, Some(0)))
    );
    // With memory behind the tree, nobody has written there.
    let fault = block_sums(&text, 2048).expect_err("a fault was planted");
    assert_eq!(
        fault.kind,
        FaultKind::Unwritten {
            space: Space::Shared,
            address: 1024
        }
    );
}

#[test]
fn a_barrier_in_a_branch_is_found() {
    let text = replaced(
        REDUCTION,
        "$L__BB0_5:\n\tbar.sync \t0;",
        "bar.sync \t0;\n$L__BB0_5:",
        1,
    );
    let fault = block_sums(&text, 1024).expect_err("a fault was planted");
    assert!(
        matches!(fault.kind, FaultKind::ExitedBeforeBarrier { exited: 4 }),
        "{fault}"
    );
}

#[test]
fn a_reduction_without_its_barriers_is_a_race() {
    let text = replaced(REDUCTION, "$L__BB0_5:\n\tbar.sync \t0;", "$L__BB0_5:", 1);
    let fault = block_sums(&text, 1024).expect_err("a fault was planted");
    assert!(
        matches!(fault.kind, FaultKind::SharedRace { .. }),
        "{fault}"
    );
}

#[test]
fn an_accumulator_that_is_not_initialized_is_found() {
    let text = replaced(
        REDUCTION,
        "st.shared.u32 \t[_ZZ17largest_magnitudeE13block_largest], %r8;",
        "",
        1,
    );
    for order in ORDERS {
        let fault = largest(&text, order).expect_err("a fault was planted");
        assert!(
            matches!(
                fault.kind,
                FaultKind::Unwritten {
                    space: Space::Shared,
                    ..
                }
            ),
            "{fault}"
        );
    }
}

#[test]
fn a_store_in_place_of_an_atomic_operation_is_a_race() {
    let text = replaced(
        REDUCTION,
        "atom.global.max.s32 \t%r15, [%rd6], %r14;",
        "st.global.u32 [%rd6], %r14;",
        1,
    );
    for order in ORDERS {
        let fault = largest(&text, order).expect_err("a fault was planted");
        assert!(
            matches!(fault.kind, FaultKind::GlobalRace { .. }),
            "{fault}"
        );
    }
}

#[test]
fn a_copy_that_is_not_waited_for_is_found() {
    let text = VARIETY.replace("cp.async.wait_group 1;", "cp.async.wait_group 2;");
    let fault = pipeline(&Module::parse(&text).unwrap(), WarpOrder::Forward)
        .expect_err("a fault was planted");
    assert!(
        matches!(fault.kind, FaultKind::PendingCopy { .. }),
        "{fault}"
    );
}

#[test]
fn an_input_that_nobody_has_copied_is_found() {
    let module = Module::parse(REDUCTION).unwrap();
    let mut setup = Setup::default();
    setup.output(4000);
    setup.output(16);
    setup.number(1000_i32);
    let kernel = module.kernel("block_sums").unwrap();
    let fault = setup
        .run(&KernelLaunch {
            shared_bytes: 1024,
            ..KernelLaunch::new(kernel, 4, 256)
        })
        .unwrap_err();
    assert!(
        matches!(
            fault.kind,
            FaultKind::Unwritten {
                space: Space::Global,
                ..
            }
        ),
        "{fault}"
    );
}

#[test]
fn a_buffer_that_was_freed_is_found() {
    let module = Module::parse(REDUCTION).unwrap();
    let mut setup = Setup::default();
    let values = setup.input(&bytes(&numbers(1000, 3), f32::to_le_bytes));
    setup.output(16);
    setup.number(1000_i32);
    setup.memory.free(values).unwrap();
    let kernel = module.kernel("block_sums").unwrap();
    let fault = setup
        .run(&KernelLaunch {
            shared_bytes: 1024,
            ..KernelLaunch::new(kernel, 4, 256)
        })
        .unwrap_err();
    let FaultKind::OutOfBounds { detail, .. } = &fault.kind else {
        panic!("{fault}")
    };
    assert_eq!(detail, "an allocation of 4000 bytes that was freed");
}
