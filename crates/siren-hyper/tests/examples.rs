//! The example runs, and the front page of the crate shows the same code.

#[path = "../examples/learn_faces.rs"]
mod learn_faces;

#[test]
fn learn_faces_draws_a_new_face_from_some_of_its_pixels() {
    learn_faces::main().unwrap();
}

#[test]
fn the_front_page_shows_the_code_of_the_example() {
    let lines = include_str!("../src/lib.rs").lines();
    let page: Vec<&str> = lines
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let start = page.iter().position(|line| *line == "```no_run").unwrap();
    let shown = page[start + 1..].iter().take_while(|line| **line != "```");
    let example = include_str!("../examples/learn_faces.rs").lines().skip(2);
    assert!(shown.copied().eq(example));
}
