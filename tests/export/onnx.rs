//! ONNX graphs, run by onnxruntime.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use siren_run::portable::{Format, WeightPrecision, encode};

use crate::fields::{assert_close, examples, mosaic_in, portable};

/// Prints the outputs of each model at the points, as JSON.
const SCRIPT: &str = "
import json, sys
import numpy, onnxruntime
given = json.load(open('given.json'))
answers = []
for index, model in enumerate(given):
    d, c = model['sizes']
    coords = numpy.array(model['points'], numpy.float32).reshape(-1, d)
    session = onnxruntime.InferenceSession(f'{index}.onnx')
    named = [(output.name, output.shape) for output in session.get_outputs()]
    assert named == [('value', ['n', c]), ('gradient', ['n', c, d])], named
    value, gradient = session.run(['value', 'gradient'], {'coords': coords})
    for count in [0, 1]:
        few = session.run(['value'], {'coords': coords[:count]})[0]
        assert few.shape == (count, c), few.shape
    answers.append([value.flatten().tolist(), gradient.flatten().tolist()])
print(json.dumps(answers))
";

#[test]
fn an_onnx_graph_computes_the_values_and_gradients_of_networks_and_mosaics() {
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
    let mut examples = examples();
    examples.extend([1, 3].map(mosaic_in));
    let mut given = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        let portable = portable(&example.field);
        let bytes = encode(&portable, WeightPrecision::Single, Format::Onnx).unwrap();
        fs::write(folder.path().join(format!("{index}.onnx")), bytes).unwrap();
        let sizes = [example.field.in_features(), example.field.out_features()];
        given.push(json!({ "points": example.points, "sizes": sizes }));
    }
    fs::write(folder.path().join("given.json"), json!(given).to_string()).unwrap();
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
        let (name, field, points) = (&example.name, &example.double, &example.points);
        assert_close(
            name,
            &values,
            &field.values(points).unwrap(),
            example.tolerance,
        );
        assert_close(
            name,
            &gradients,
            &field.gradients(points).unwrap(),
            3.0 * example.tolerance,
        );
    }
}
