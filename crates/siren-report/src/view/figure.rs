//! Exhibits, as the template shows them: with the contents of their files.

use std::fmt::Write as _;

use serde::Serialize;

use crate::clip;
use crate::embed::{Budget, EmbeddedPicture, Reason, read};
use crate::exhibit::{Content, Exhibit};
use crate::mesh::read_obj;
use crate::page::Run;
use crate::sound::with_16_bits;

/// Longest side of a picture whose pixels are shown as squares, in pixels.
const SMALL_SIDE: u32 = 400;
/// Ratios of width to height from which a figure takes a whole row, or two columns.
const WHOLE_RATIO: f64 = 2.6;
const BROAD_RATIO: f64 = 1.5;

/// Exhibits with the same title, one of each run that has one.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    title: String,
    figures: Vec<Figure>,
}

/// An exhibit of a run.
#[derive(Debug, Serialize)]
struct Figure {
    /// Name of the run.
    run: String,
    title: String,
    caption: String,
    /// Names of the files, and what the page does not show of them.
    source: String,
    /// How much of the row it takes.
    width: &'static str,
    #[serde(flatten)]
    shown: Shown,
}

/// What is seen of an exhibit.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Shown {
    Picture { picture: Picture },
    Comparison { target: Picture, fit: Picture },
    Sound { sound: String, picture: Picture },
    Clip { clip: Clip },
    Mesh { mesh: Mesh },
    Missing { reason: Reason },
}

#[derive(Debug, Serialize)]
struct Clip {
    frames: Vec<String>,
    seconds: f64,
    width: u32,
    height: u32,
    is_small: bool,
}

#[derive(Debug, Serialize)]
struct Mesh {
    vertices: String,
    triangles: String,
}

#[derive(Debug, Serialize)]
struct Picture {
    uri: String,
    width: u32,
    height: u32,
    is_small: bool,
}

/// Embeds the exhibits of all runs. Those of a run that have the title of one of an earlier run stand beside it.
pub(super) fn groups(runs: &[Run], budget: &mut Budget) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        for exhibit in &run.exhibits {
            let figure = Figure::of(run, exhibit, budget);
            let is_first = |group: &&mut Group| {
                group.title == exhibit.title && group.figures.iter().all(|one| one.run != run.name)
            };
            match groups.iter_mut().find(is_first) {
                Some(group) => group.figures.push(figure),
                None => groups.push(Group {
                    title: exhibit.title.clone(),
                    figures: vec![figure],
                }),
            }
        }
    }
    groups
}

impl Figure {
    fn of(run: &Run, exhibit: &Exhibit, budget: &mut Budget) -> Self {
        let mut source = exhibit.content.files().join(", ");
        let shown = if exhibit.stays_in_folder() {
            show(run, &exhibit.content, budget, &mut source)
        } else {
            Err("not shown: it does not lie in the folder of artifacts".to_owned())
        };
        let shown = shown.unwrap_or_else(|reason| Shown::Missing { reason });
        Self {
            run: run.name.clone(),
            title: exhibit.title.clone(),
            caption: exhibit.caption.clone(),
            width: shown.width(),
            shown,
            source,
        }
    }
}

impl Shown {
    /// Returns the class of a figure by its proportions: `whole` takes a row, `broad` two columns.
    fn width(&self) -> &'static str {
        let (width, height) = match self {
            Self::Picture { picture } | Self::Sound { picture, .. } => {
                (picture.width, picture.height)
            }
            Self::Comparison { fit, .. } => (fit.width, fit.height),
            Self::Clip { clip } => (clip.width, clip.height),
            Self::Mesh { .. } | Self::Missing { .. } => return "",
        };
        match f64::from(width) / f64::from(height) {
            ratio if ratio > WHOLE_RATIO => "whole",
            // That of an SVG file is not known.
            ratio if ratio > BROAD_RATIO || ratio.is_nan() => "broad",
            _ => "",
        }
    }
}

fn show(
    run: &Run,
    content: &Content,
    budget: &mut Budget,
    source: &mut String,
) -> Result<Shown, Reason> {
    // Writing to a string cannot fail.
    let mut picture = |file: &str, budget: &mut Budget| {
        let embedded = budget.picture(&run.artifacts.join(file))?;
        if embedded.is_reduced {
            let (width, height) = (embedded.width, embedded.height);
            let _ = write!(source, " ({width} × {height} pixels, reduced here)");
        }
        Ok::<_, Reason>(Picture::of(embedded))
    };
    Ok(match content {
        Content::Picture(file) => Shown::Picture {
            picture: picture(file, budget)?,
        },
        Content::Comparison { target, fit } => Shown::Comparison {
            target: picture(target, budget)?,
            fit: picture(fit, budget)?,
        },
        Content::Sound {
            sound,
            picture: file,
        } => {
            let path = run.artifacts.join(sound);
            let picture = picture(file, budget)?;
            let bytes = with_16_bits(read(&path)?, &path)?;
            Shown::Sound {
                sound: budget.data("audio/wav", &bytes, &path)?,
                picture,
            }
        }
        Content::Clip(file) => {
            let path = run.artifacts.join(file);
            let clip = clip::embed(&read(&path)?, &path, budget)?;
            if clip.stride > 1 {
                let _ = write!(source, " (one frame of {} is shown here)", clip.stride);
            }
            Shown::Clip {
                clip: Clip {
                    frames: clip.frames,
                    seconds: clip.seconds,
                    width: clip.width,
                    height: clip.height,
                    is_small: clip.width.max(clip.height) <= SMALL_SIDE,
                },
            }
        }
        Content::Mesh(file) => {
            let path = run.artifacts.join(file);
            let text = String::from_utf8_lossy(&read(&path)?).into_owned();
            let mesh = read_obj(&text, &path)?;
            let _ = write!(source, " ({} triangles)", mesh.triangle_count);
            Shown::Mesh {
                mesh: Mesh {
                    vertices: budget.base64(&mesh.vertices, &path)?,
                    triangles: budget.base64(&mesh.triangles, &path)?,
                },
            }
        }
    })
}

impl Picture {
    fn of(embedded: EmbeddedPicture) -> Self {
        let EmbeddedPicture {
            uri, width, height, ..
        } = embedded;
        Self {
            is_small: width.max(height) <= SMALL_SIDE && width > 0,
            uri,
            width,
            height,
        }
    }
}
