use super::*;

/// Returns values in memory, and the same in a file that they were written to in parts.
fn both(values: Values) -> (Values, Values) {
    let mut writer = FileWriter::create().unwrap();
    let len = values.len();
    for part in [0..len / 3, len / 3..len / 3, len / 3..len] {
        let part = values.select(std::iter::once(part)).unwrap();
        writer.push(&part).unwrap();
    }
    (values, Values::File(writer.finish()))
}

fn kinds(len: u32) -> [Values; 3] {
    let noise = |at: u32| at.wrapping_mul(2_654_435_761) >> 7;
    let bytes = (0..len).map(|at| noise(at).to_le_bytes()[0]).collect();
    let words = (0..len).map(|at| noise(at) as u16).collect();
    let floats = (0..len).map(|at| of_word(noise(at) as u16)).collect();
    [
        Values::Bytes(bytes),
        Values::Words(words),
        Values::Floats(floats),
    ]
}

#[test]
fn values_in_a_file_are_those_in_memory() {
    for values in kinds(300_000) {
        let (memory, file) = both(values);
        assert_eq!(memory, file);
        assert_eq!(file.len(), 300_000);
        assert_eq!(*memory.to_floats(), *file.to_floats());
        assert_eq!(*memory.to_bytes(), *file.to_bytes());
        assert_eq!(*memory.part(262_140..262_150), *file.part(262_140..262_150));
        let ranges = || [5..9, 250_000..300_000, 7..7, 1..2].into_iter();
        let selected = [&memory, &file].map(|values| values.select(ranges()).unwrap());
        assert_eq!(selected[0], selected[1]);
        assert!(!matches!(selected[1], Values::File(_)), "it is small");
        let Values::File(file) = file else {
            panic!("no file")
        };
        let copied = Values::File(file.copy(ranges()).unwrap());
        assert_eq!(copied, selected[0]);
    }
}

#[test]
fn pixels_are_gathered_whether_they_ascend_or_not_and_however_far_apart_they_are() {
    let near = (0..99_999).step_by(2);
    let far = (1..99_999).step_by(30_011);
    let orders: [Vec<usize>; 4] = [
        near.clone().collect(),
        far.clone().chain(near).collect(),
        far.rev().chain([5, 5, 4]).collect(),
        Vec::new(),
    ];
    for values in kinds(300_000) {
        let (memory, file) = both(values);
        for pixels in &orders {
            let expected: Vec<f32> = pixels
                .iter()
                .flat_map(|pixel| [0, 1, 2].map(|k| memory.at(pixel * 3 + k)))
                .collect();
            for values in [&memory, &file] {
                let gathered = values.gather(pixels.iter().copied(), 3).unwrap();
                assert_eq!(gathered, expected);
            }
        }
    }
}

#[test]
fn a_file_of_integers_becomes_one_of_floats_when_floats_come() {
    let [bytes, words, floats] = kinds(1000);
    let parts = [&bytes, &words, &floats, &bytes];
    let mut writer = FileWriter::create().unwrap();
    for part in parts {
        writer.push(part).unwrap();
    }
    let all: Values = parts.into_iter().flat_map(Values::iter).collect();
    assert_eq!(Values::File(writer.finish()), all);
}

#[test]
fn reading_past_the_end_is_an_error() {
    let [bytes, ..] = kinds(1000);
    let (_, file) = both(bytes);
    for error in [
        file.read(990..1001).unwrap_err(),
        file.gather([333].into_iter(), 3).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_names_the_folder_and_what_to_do() {
    let mut writer = FileWriter::create().unwrap();
    writer.file = File::options().write(true).open("/dev/full").unwrap();
    let error = writer.push(&Values::Bytes(vec![0; 9])).unwrap_err();
    let message = error.to_string();
    let folder = std::env::temp_dir();
    let start = format!("cannot write a temporary file in {}: ", folder.display());
    assert!(message.starts_with(&start), "{message}");
    for part in ["No space left on device", "free some space", "TMPDIR"] {
        assert!(message.contains(part), "{message}");
    }
}
