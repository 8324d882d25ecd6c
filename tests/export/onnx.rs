//! ONNX graphs, run by onnxruntime.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use siren_run::portable::{Format, WeightPrecision, encode};

use crate::fields::{assert_close, examples, picture, points};

/// Prints the outputs of each model at the points, as JSON.
const SCRIPT: &str = "
import json, sys
import numpy, onnxruntime
given = json.load(open('given.json'))
coords = numpy.array(given['points'], numpy.float32).reshape(-1, 2)
answers = []
for index in range(given['models']):
    session = onnxruntime.InferenceSession(f'{index}.onnx')
    named = [(output.name, output.shape) for output in session.get_outputs()]
    assert named == [('value', ['n', 3]), ('gradient', ['n', 3, 2])], named
    value, gradient = session.run(['value', 'gradient'], {'coords': coords})
    one = session.run(['value'], {'coords': coords[:1]})[0]
    assert one.shape == (1, 3), one.shape
    answers.append([value.flatten().tolist(), gradient.flatten().tolist()])
print(json.dumps(answers))
";

#[test]
fn an_onnx_graph_computes_the_values_and_gradients_of_every_activation_and_encoding() {
    let python = std::env::var("SIREN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imported = Command::new(&python)
        .args(["-c", "import numpy, onnxruntime"])
        .output();
    if !imported.is_ok_and(|output| output.status.success()) {
        println!(
            "skipped: {python} has no onnxruntime (pip install onnxruntime; SIREN_PYTHON names another Python)"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (points, examples) = (points(40), examples());
    for (index, example) in examples.iter().enumerate() {
        let portable = picture(&example.field, 8, 8);
        let bytes = encode(&portable, WeightPrecision::Single, Format::Onnx).unwrap();
        fs::write(folder.path().join(format!("{index}.onnx")), bytes).unwrap();
    }
    let given = json!({ "points": points, "models": examples.len() });
    fs::write(folder.path().join("given.json"), given.to_string()).unwrap();
    let run = Command::new(&python)
        .args(["-c", SCRIPT])
        .current_dir(folder.path())
        .output();
    let run = run.unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let answers: Vec<[Vec<f64>; 2]> = serde_json::from_slice::<Value>(&run.stdout)
        .and_then(serde_json::from_value)
        .unwrap();
    assert_eq!(answers.len(), examples.len());
    for (example, [values, gradients]) in examples.iter().zip(answers) {
        let (name, field) = (&example.name, &example.double);
        assert_close(
            name,
            &values,
            &field.values(&points).unwrap(),
            example.tolerance,
        );
        assert_close(
            name,
            &gradients,
            &field.gradients(&points).unwrap(),
            3.0 * example.tolerance,
        );
    }
}
