//! Pages of training runs: one HTML file with everything in it, which opens from disk in any browser, without a network.
//!
//! A [`Page`] says what is shown; [`render`] draws it. Pictures, sounds, clips and meshes are read from the folders of the runs and embedded; the
//! page stays below a size, and names the files that it leaves out. Curves are drawn by the plot library kuva as SVG. The template engine escapes
//! every text.
//!
//! The crate knows neither run folders nor tensors: `siren-run` collects a [`Run`] from a run folder, `siren-sweep` a [`Sweep`].

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod chart;
mod clip;
mod embed;
mod exhibit;
mod mesh;
mod page;
mod reduce;
mod sound;
mod view;

pub use self::exhibit::{Content, Exhibit};
pub use self::page::{
    Cell, Fact, LogEnd, Member, Page, Plot, Point, Run, Score, Series, Setting, Sweep, Table,
};

use minijinja::{AutoEscape, Environment, UndefinedBehavior};

/// A page that cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the page of a report cannot be drawn: {0:#}")]
pub struct Error(#[from] minijinja::Error);

const TEMPLATES: [(&str, &str); 4] = [
    ("page.html", include_str!("../templates/page.html")),
    ("figure.html", include_str!("../templates/figure.html")),
    ("style.css", include_str!("../templates/style.css")),
    ("script.js", include_str!("../templates/script.js")),
];

/// Draws a page as HTML. Files that cannot be read or are too large are named on the page instead of shown.
///
/// # Errors
/// [`Error`] if a template fails, which is an error of this crate.
pub fn render(page: &Page) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_auto_escape_callback(|name| match name {
        // Written by hand, without a value of a run.
        "style.css" | "script.js" => AutoEscape::None,
        _ => AutoEscape::Html,
    });
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment
        .get_template("page.html")?
        .render(view::View::of(page))?)
}
