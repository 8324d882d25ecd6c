//! Files as data URIs, of which a page holds so many bytes.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};

use crate::reduce;

/// Bytes of all embedded files of a page, as text.
const PAGE_BYTES: usize = 20 << 20;
/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Memory that decoding a picture may take.
pub(crate) const MAX_DECODED_BYTES: u64 = 1 << 30;
/// Longest side of an embedded picture, in pixels.
const MAX_SIDE: u32 = 1024;
/// Longest side of a small picture in a list, in pixels.
const MAX_THUMBNAIL_SIDE: u32 = 240;

/// Why a file is not on the page: one sentence.
pub(crate) type Reason = String;

/// What is left of the size of a page.
pub(crate) struct Budget {
    bytes: usize,
}

/// An embedded picture.
pub(crate) struct EmbeddedPicture {
    pub(crate) uri: String,
    /// Sides of the file in pixels; 0 for SVG.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Whether the page has fewer pixels than the file.
    pub(crate) is_reduced: bool,
}

impl Budget {
    /// Returns the budget of a new page.
    pub(crate) fn new() -> Self {
        Self { bytes: PAGE_BYTES }
    }

    /// Embeds a picture, PNG or SVG, with at most [`MAX_SIDE`] pixels a side.
    pub(crate) fn picture(&mut self, path: &Path) -> Result<EmbeddedPicture, Reason> {
        if let Some(large) = large(path, MAX_SIDE)? {
            return Ok(EmbeddedPicture {
                uri: self.png(&reduced(&large.picture, MAX_SIDE), path)?,
                width: large.width,
                height: large.height,
                is_reduced: true,
            });
        }
        let bytes = read(path)?;
        if path.extension().is_some_and(|extension| extension == "svg") {
            return Ok(EmbeddedPicture {
                uri: self.data("image/svg+xml", &bytes, path)?,
                width: 0,
                height: 0,
                is_reduced: false,
            });
        }
        let picture = decode(&bytes, path)?;
        let (width, height) = (picture.width(), picture.height());
        let is_reduced = width.max(height) > MAX_SIDE;
        let uri = if is_reduced {
            self.png(&reduced(&picture, MAX_SIDE), path)?
        } else {
            self.data("image/png", &bytes, path)?
        };
        Ok(EmbeddedPicture {
            uri,
            width,
            height,
            is_reduced,
        })
    }

    /// Embeds a picture with at most [`MAX_THUMBNAIL_SIDE`] pixels a side.
    pub(crate) fn thumbnail(&mut self, path: &Path) -> Result<String, Reason> {
        let picture = match large(path, MAX_THUMBNAIL_SIDE)? {
            Some(large) => large.picture,
            None => decode(&read(path)?, path)?,
        };
        self.png(&reduced(&picture, MAX_THUMBNAIL_SIDE), path)
    }

    fn png(&mut self, picture: &DynamicImage, path: &Path) -> Result<String, Reason> {
        let mut bytes = Cursor::new(Vec::new());
        let written = picture.write_to(&mut bytes, ImageFormat::Png);
        written.map_err(|error| format!("{} cannot be reduced: {error}", path.display()))?;
        self.data("image/png", bytes.get_ref(), path)
    }

    /// Embeds bytes of a media type, if there is room for them. `path` is named if there is not.
    pub(crate) fn data(
        &mut self,
        media_type: &str,
        bytes: &[u8],
        path: &Path,
    ) -> Result<String, Reason> {
        let text = self.base64(bytes, path)?;
        Ok(format!("data:{media_type};base64,{text}"))
    }

    /// Encodes bytes, if there is room for them.
    pub(crate) fn base64(&mut self, bytes: &[u8], path: &Path) -> Result<String, Reason> {
        let len = bytes.len().div_ceil(3) * 4;
        self.bytes = self.bytes.checked_sub(len).ok_or_else(|| {
            format!(
                "left out, because the page would be larger than {} MiB: see {}",
                PAGE_BYTES >> 20,
                path.display()
            )
        })?;
        Ok(STANDARD.encode(bytes))
    }
}

/// Checks that an exhibit is a file, and returns its bytes. A folder from elsewhere must not make a page of files that lie outside of it.
fn check(path: &Path) -> Result<u64, Reason> {
    let fail =
        |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", path.display());
    let metadata = fs::symlink_metadata(path).map_err(|error| fail(&error))?;
    if !metadata.is_file() {
        return Err(fail(&"it is no file"));
    }
    Ok(metadata.len())
}

/// Reads a picture that is large as a PNG file and reduces it to about twice `side` pixels; `None` if it is another file.
fn large(path: &Path, side: u32) -> Result<Option<reduce::Reduced>, Reason> {
    check(path)?;
    reduce::reduced(path, side)
        .map_err(|error| format!("{} cannot be read as PNG: {error}", path.display()))
}

/// Reads a file of an exhibit.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Reason> {
    let len = check(path)?;
    if len > MAX_FILE_BYTES {
        let size = MAX_FILE_BYTES >> 20;
        return Err(format!(
            "left out, because the file is larger than {size} MiB: see {}",
            path.display()
        ));
    }
    fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn decode(bytes: &[u8], path: &Path) -> Result<DynamicImage, Reason> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let decoded = reader.decode();
    decoded.map_err(|error| format!("{} cannot be read as PNG: {error}", path.display()))
}

fn reduced(picture: &DynamicImage, side: u32) -> DynamicImage {
    if picture.width().max(picture.height()) <= side {
        return picture.clone();
    }
    picture.resize(side, side, image::imageops::FilterType::CatmullRom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_embedded_as_it_is_or_reduced_and_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let mut budget = Budget::new();
        image::RgbImage::new(30, 20).save(&path).unwrap();
        let small = budget.picture(&path).unwrap();
        let expected = STANDARD.encode(fs::read(&path).unwrap());
        assert_eq!(small.uri, format!("data:image/png;base64,{expected}"));
        assert_eq!(
            (small.width, small.height, small.is_reduced),
            (30, 20, false)
        );
        image::RgbImage::new(2048, 20).save(&path).unwrap();
        let large = budget.picture(&path).unwrap();
        assert!(large.is_reduced);
        let text = large.uri.split_once(',').unwrap().1;
        let picture = image::load_from_memory(&STANDARD.decode(text).unwrap()).unwrap();
        assert_eq!((picture.width(), picture.height()), (1024, 10));
        fs::write(&path, "no picture").unwrap();
        let reason = budget.picture(&path).err().unwrap();
        assert!(reason.contains("a.png cannot be read as PNG"), "{reason}");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let reason = budget.picture(&path).err().unwrap();
        assert!(
            reason.ends_with("a.png cannot be read: it is no file"),
            "{reason}"
        );
        fs::remove_dir(&path).unwrap();
        assert!(
            budget
                .picture(&path)
                .err()
                .unwrap()
                .contains("a.png cannot be read")
        );
    }

    #[test]
    fn a_file_beyond_the_size_of_the_page_is_left_out_and_a_later_smaller_one_is_not() {
        let path = Path::new("runs/a/artifacts/large.wav");
        let mut budget = Budget::new();
        assert!(budget.data("audio/wav", &vec![0; 12 << 20], path).is_ok());
        let reason = budget
            .data("audio/wav", &vec![0; 8 << 20], path)
            .unwrap_err();
        assert!(
            reason.contains("20 MiB") && reason.contains("large.wav"),
            "{reason}"
        );
        assert!(budget.data("audio/wav", &[0; 10], path).is_ok());
    }
}
