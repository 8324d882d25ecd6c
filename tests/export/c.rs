//! C headers, compiled and run.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use siren_run::portable::Format;

use crate::fields::{assert_close, examples, picture, points, text};

/// Returns a program that prints the value by both functions, and the gradient, of each channel at each point.
fn main_function(points: &[f64]) -> String {
    let mut program = String::from(
        "#include <stdio.h>\n#include \"field.h\"\nint main(void) {\n  float y[3], again[3], dy[3][2];\n  int i;\n",
    );
    for point in points.chunks(2) {
        let (x, y) = (point[0], point[1]);
        let _ = write!(
            program,
            "  {{ float x[2] = {{ {x:?}f, {y:?}f }}; field(x, y); field_gradient(x, again, dy);\n  \
             for (i = 0; i < 3; ++i) printf(\"%.9g %.9g %.9g %.9g\\n\", y[i], again[i], dy[i][0], dy[i][1]); }}\n"
        );
    }
    program += "  return 0;\n}\n";
    program
}

#[test]
fn a_c_header_computes_the_values_and_gradients_of_every_activation_and_encoding() {
    if !Command::new("cc")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        println!("skipped: no C compiler is installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let points = points(40);
    for example in examples() {
        let path = |name: &str| folder.path().join(name);
        fs::write(
            path("field.h"),
            text(&picture(&example.field, 8, 8), Format::C),
        )
        .unwrap();
        fs::write(path("main.c"), main_function(&points)).unwrap();
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
        let column = |at: usize| numbers.chunks(4).map(move |line| line[at]);
        let values = example.double.values(&points).unwrap();
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
            .chunks(4)
            .flat_map(|line| [line[2], line[3]])
            .collect();
        assert_close(
            name,
            &gradients,
            &example.double.gradients(&points).unwrap(),
            3.0 * example.tolerance,
        );
    }
}
