//! What a run has to show: its artifacts, each with a title and the way in which a page shows it.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

/// An artifact of a run, as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    /// A few words. Exhibits of several runs with the same title are shown side by side.
    pub title: String,
    /// What is seen: quantities, colors, units. May be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub caption: String,
    /// The files, and how they are shown.
    pub content: Content,
}

/// Files of an exhibit by name; all lie in the folder of the run's artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A picture: PNG, or SVG.
    Picture(String),
    /// Two pictures of one size (PNG), between which a slider moves.
    Comparison {
        /// The picture on the left.
        target: String,
        /// The picture on the right.
        fit: String,
    },
    /// A WAV file with a player, below a picture whose left and right ends are the first and the last sample.
    Sound {
        /// The WAV file.
        sound: String,
        /// The picture (PNG).
        picture: String,
    },
    /// A GIF file.
    Clip(String),
    /// An OBJ file of triangles, which turns.
    Mesh(String),
}

impl Content {
    /// Returns the names of the files.
    #[must_use]
    pub fn files(&self) -> Vec<&str> {
        match self {
            Self::Picture(file) | Self::Clip(file) | Self::Mesh(file) => vec![file],
            Self::Comparison { target, fit } => vec![target, fit],
            Self::Sound { sound, picture } => vec![sound, picture],
        }
    }
}

impl Exhibit {
    fn new(title: &str, content: Content) -> Self {
        Self {
            title: title.to_owned(),
            caption: String::new(),
            content,
        }
    }

    /// Shows a picture.
    #[must_use]
    pub fn picture(title: &str, file: &str) -> Self {
        Self::new(title, Content::Picture(file.to_owned()))
    }

    /// Shows two pictures with a slider between them.
    #[must_use]
    pub fn comparison(title: &str, target: &str, fit: &str) -> Self {
        let content = Content::Comparison {
            target: target.to_owned(),
            fit: fit.to_owned(),
        };
        Self::new(title, content)
    }

    /// Shows a picture of a sound with a player.
    #[must_use]
    pub fn sound(title: &str, sound: &str, picture: &str) -> Self {
        let content = Content::Sound {
            sound: sound.to_owned(),
            picture: picture.to_owned(),
        };
        Self::new(title, content)
    }

    /// Plays a clip.
    #[must_use]
    pub fn clip(title: &str, file: &str) -> Self {
        Self::new(title, Content::Clip(file.to_owned()))
    }

    /// Turns a mesh.
    #[must_use]
    pub fn mesh(title: &str, file: &str) -> Self {
        Self::new(title, Content::Mesh(file.to_owned()))
    }

    /// Returns the exhibit with a caption.
    #[must_use]
    pub fn captioned(self, caption: &str) -> Self {
        Self {
            caption: caption.to_owned(),
            ..self
        }
    }

    /// Returns whether all files are names of files in the folder of artifacts. A run folder from elsewhere may name others.
    #[must_use]
    pub fn stays_in_folder(&self) -> bool {
        self.content.files().into_iter().all(is_file_name)
    }
}

fn is_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let first = components.next();
    matches!(first, Some(Component::Normal(only)) if only == name) && components.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_outside_of_the_folder_of_artifacts_is_found() {
        for (file, stays) in [
            ("value.png", true),
            ("a b.png", true),
            ("../value.png", false),
            ("/etc/passwd", false),
            ("sub/value.png", false),
            ("value.png/", false),
            ("..", false),
            ("", false),
        ] {
            assert_eq!(
                Exhibit::picture("", file).stays_in_folder(),
                stays,
                "{file}"
            );
        }
        assert!(!Exhibit::comparison("", "a.png", "../b.png").stays_in_folder());
    }
}
