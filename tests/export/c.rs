//! C headers, compiled and run.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use siren_run::portable::Format;

use crate::fields::{assert_close, examples, mosaic_in, portable, text};

/// Returns a program that prints, of each channel at each point, the value by both functions and the gradient.
fn main_function(points: &[f64], dims: usize) -> String {
    let mut program = format!(
        "#include <stdio.h>\n#include \"field.h\"\n\
         static const float points[][{dims}] = {{\n"
    );
    for point in points.chunks(dims) {
        let point: Vec<String> = point.iter().map(|x| format!("{x:?}f")).collect();
        let _ = writeln!(program, "  {{ {} }},", point.join(", "));
    }
    let _ = write!(
        program,
        "}};\nint main(void) {{\n  float y[FIELD_OUTPUTS], again[FIELD_OUTPUTS], dy[FIELD_OUTPUTS][FIELD_INPUTS];\n  \
         int n, i, a;\n  for (n = 0; n < {}; ++n) {{\n    field(points[n], y);\n    field_gradient(points[n], again, dy);\n    \
         for (i = 0; i < FIELD_OUTPUTS; ++i) {{\n      printf(\"%.9g %.9g\", y[i], again[i]);\n      \
         for (a = 0; a < FIELD_INPUTS; ++a) printf(\" %.9g\", dy[i][a]);\n      printf(\"\\n\");\n    }}\n  }}\n  return 0;\n}}\n",
        points.len() / dims
    );
    program
}

#[test]
fn a_c_header_computes_the_values_and_gradients_of_networks_and_mosaics() {
    if !Command::new("cc")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        println!("skipped: no C compiler is installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for example in examples().into_iter().chain([1, 3].map(mosaic_in)) {
        let (points, dims) = (&example.points, example.field.in_features());
        let path = |name: &str| folder.path().join(name);
        fs::write(path("field.h"), text(&portable(&example.field), Format::C)).unwrap();
        fs::write(path("main.c"), main_function(points, dims)).unwrap();
        let built = Command::new("cc")
            .args([
                "-std=c99",
                "-O1",
                "-Wall",
                "-Wextra",
                "-pedantic",
                "-Werror",
            ])
            .args(["-o", "main", "main.c", "-lm"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let name = &example.name;
        assert!(
            built.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&built.stderr)
        );
        let output = Command::new(path("main")).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<f64> = output
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        let column = |at: usize| numbers.chunks(2 + dims).map(move |line| line[at]);
        let values = example.double.values(points).unwrap();
        assert_close(
            name,
            &column(0).collect::<Vec<_>>(),
            &values,
            example.tolerance,
        );
        assert!(
            column(0).eq(column(1)),
            "{name}: both functions return the same values"
        );
        let gradients: Vec<f64> = numbers
            .chunks(2 + dims)
            .flat_map(|line| &line[2..])
            .copied()
            .collect();
        assert_close(
            name,
            &gradients,
            &example.double.gradients(points).unwrap(),
            3.0 * example.tolerance,
        );
    }
}
