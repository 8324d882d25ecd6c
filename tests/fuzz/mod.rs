//! Fuzz targets: every parser of bytes that a stranger may have written. A target reads bytes and returns; it must not panic, hang, or take
//! memory out of proportion.
//!
//! `tests/mutations.rs` calls them with mutations of `torture/corpus` in every test run, and `fuzz/` with inputs that libFuzzer finds.

use std::fs;
use std::path::Path;

use siren_audio::{Audio, Sound};
use siren_core::config::Source;
use siren_core::field::Siren;
use siren_core::file::ArrayHeader;
use siren_hyper::Hyper;
use siren_image::{ColorMode, Image, Picture};
use siren_poisson::Poisson;
use siren_ptx::Module;
use siren_run::{ConfigOf, Domain, Weights};
use siren_shape::{Geometry, Shape};
use siren_video::{Clip, Video};
use siren_wave::Waves;
use siren_wave::medium::{Medium, MediumConfig, MediumFileConfig};
use siren_wave::recording::Recording;
use tempfile::TempDir;

/// A fuzz target with the files from which mutations start.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name; that of its file in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Reads the bytes.
    pub run: fn(&[u8]),
    /// Folders and files of the corpus, relative to the workspace. Folders are searched for files with one of the extensions.
    pub corpus: &'static [&'static str],
    /// Extensions of the files of the corpus that the target reads.
    pub extensions: &'static [&'static str],
    /// Parts of the format, which mutations insert.
    pub words: &'static [&'static [u8]],
}

/// All targets.
pub const TARGETS: [Target; 16] = [
    Target {
        name: "config",
        run: config,
        corpus: &["configs", "configs/paper", "configs/sweeps"],
        extensions: &["toml"],
        words: &[
            b"[signal]\n",
            b"[train.optimizer.muon]\n",
            b"kind = 'wave'\n",
            b"sampling = { subset = { points = 3 } }\n",
            b"[[sweep.axes]]\n",
            b"name = '../x'\n",
            b"\"auto\"",
            b"1e400",
            b"'''",
            b"\\u0000",
        ],
    },
    Target {
        name: "safetensors",
        run: safetensors,
        corpus: &["torture/corpus/weights"],
        extensions: &["safetensors"],
        words: &[
            b"\"dtype\":\"F64\"",
            b"\"shape\":[]",
            b"\"shape\":[4294967296,4294967296]",
            b"\"data_offsets\":[0,0]",
            b"__metadata__",
            b"optimizer.first_moment",
        ],
    },
    Target {
        name: "pth",
        run: pth,
        corpus: &["torture/corpus/weights"],
        extensions: &["pth"],
        words: &[
            b"PK\x03\x04",
            b"PK\x01\x02",
            b"cos\nsystem\n",
            b"R.",
            b"ctorch\nFloatStorage\n",
            b"\x80\x02",
            b"((((",
            b"Q",
        ],
    },
    Target {
        name: "picture",
        run: picture,
        corpus: &["torture/corpus/pictures"],
        extensions: &["png", "jpg", "jpeg", "tiff", "gif", "bmp", "webp", "ppm"],
        words: &[
            b"IHDR",
            b"IDAT",
            b"tRNS",
            b"iCCP",
            b"acTL",
            b"\xff\xc2",
            b"\xff\xda",
            b"II+\0",
            b"VP8X",
            b"P6\n",
        ],
    },
    Target {
        name: "wav",
        run: sound,
        corpus: &["torture/corpus/sounds"],
        extensions: &["wav"],
        words: &[
            b"RIFF",
            b"RIFX",
            b"RF64",
            b"ds64",
            b"fmt ",
            b"data",
            b"LIST",
            b"fact",
            b"\xfe\xff",
        ],
    },
    Target {
        name: "sound",
        run: sound,
        corpus: &["torture/corpus/sounds"],
        extensions: &["flac", "mp3", "ogg", "aiff"],
        words: &[
            b"fLaC",
            b"OggS",
            b"ID3",
            b"FORM",
            b"COMM",
            b"SSND",
            b"\xff\xfb",
            b"Xing",
        ],
    },
    Target {
        name: "y4m",
        run: clip,
        corpus: &["torture/corpus/clips"],
        extensions: &["y4m"],
        words: &[
            b"FRAME\n",
            b" W",
            b" H",
            b" F0:0",
            b" C444p12",
            b" Cmono",
            b" A0:1",
            b" XCOLORRANGE=FULL",
        ],
    },
    Target {
        name: "gif",
        run: clip,
        corpus: &["torture/corpus/clips"],
        extensions: &["gif"],
        words: &[b"GIF89a", b"\x21\xf9\x04", b"\x2c", b"\x3b", b"NETSCAPE2.0"],
    },
    Target {
        name: "npy",
        run: npy,
        corpus: &[
            "torture/corpus/clips",
            "torture/corpus/media",
            "torture/corpus/shapes",
        ],
        extensions: &["npy"],
        words: &[
            b"'descr'",
            b"'<f8'",
            b"'|b1'",
            b"'>i8'",
            b"True",
            b"(1000000000, 1000000000)",
            b"()",
            b"(0, 3)",
            b"[('a', '<f4')]",
        ],
    },
    Target {
        name: "ply",
        run: ply,
        corpus: &["torture/corpus/shapes"],
        extensions: &["ply"],
        words: &[
            b"element vertex 4294967295\n",
            b"property list uint int vertex_indices\n",
            b"format binary_big_endian 1.0\n",
            b"end_header\n",
            b"property double x\n",
        ],
    },
    Target {
        name: "obj",
        run: obj,
        corpus: &["torture/corpus/shapes"],
        extensions: &["obj"],
        words: &[
            b"v 1 2 3\n",
            b"f 1 2 3 4 5\n",
            b"f -1 -2 -3\n",
            b"f 1/2/3 4//5 6\n",
            b"\\\n",
            b"vn 0 0 0\n",
        ],
    },
    Target {
        name: "stl",
        run: stl,
        corpus: &["torture/corpus/shapes"],
        extensions: &["stl"],
        words: &[
            b"solid ",
            b"facet normal 0 0 0\n",
            b"outer loop\n",
            b"vertex 1 2 3\n",
            b"endsolid\n",
        ],
    },
    Target {
        name: "points",
        run: points,
        corpus: &["torture/corpus/shapes"],
        extensions: &["xyz", "csv", "pts"],
        words: &[
            b"x,y,z,nx,ny,nz\n",
            b"1 2 3 4 5 6\n",
            b"# \n",
            b"//",
            b"1;2;3\n",
            b"1,5 2,5 3,5\n",
        ],
    },
    Target {
        name: "glb",
        run: glb,
        corpus: &["torture/corpus/shapes"],
        extensions: &["glb"],
        words: &[
            b"glTF",
            b"JSON",
            b"BIN\0",
            b"\"children\":[0]",
            b"\"matrix\":[1]",
            b"\"sparse\":{}",
            b"\"count\":4294967295",
            b"\"byteOffset\":-1",
        ],
    },
    Target {
        name: "mat",
        run: mat,
        corpus: &["torture/corpus/media"],
        extensions: &["mat"],
        words: &[
            b"MATLAB",
            b"IM",
            b"MI",
            b"\x0e\0\0\0",
            b"\x0f\0\0\0",
            b"\x78\x9c",
        ],
    },
    Target {
        name: "ptx",
        run: ptx,
        corpus: &["torture/corpus/ptx"],
        extensions: &["ptx"],
        words: &[
            b".visible .entry k(",
            b".reg .f32 %f<4294967295>;",
            b"ld.param.u64 ",
            b"bra $L1;",
            b"{",
            b"}",
            b".shared .align 16 .b8 s[99999999999];",
            b"@%p1 ",
        ],
    },
];

/// Reads a config of every kind.
pub fn config(data: &[u8]) {
    let source = Source {
        origin: "fuzzed.toml".to_owned(),
        text: String::from_utf8_lossy(data).into_owned(),
    };
    parse::<Image>(&source);
    parse::<Audio>(&source);
    parse::<Video>(&source);
    parse::<Poisson>(&source);
    parse::<Shape>(&source);
    parse::<Waves>(&source);
    parse::<Hyper>(&source);
}

fn parse<D: Domain>(source: &Source) {
    if let Ok(config) = ConfigOf::<D>::parse(source, D::KIND, &[]) {
        // What can be read can be written, and is the same afterwards.
        let text = config.to_toml().unwrap_or_default();
        let again = Source {
            origin: source.origin.clone(),
            text,
        };
        assert!(ConfigOf::<D>::parse(&again, D::KIND, &[]).is_ok());
    }
}

/// Reads weights: a field, a checkpoint, or tensors.
pub fn safetensors(data: &[u8]) {
    with_file(data, "safetensors", |path| {
        let _ = Weights::read(path);
        let _ = Siren::open(path);
    });
}

/// Reads weights that PyTorch wrote.
pub fn pth(data: &[u8]) {
    with_file(data, "pth", |path| {
        let _ = Weights::read(path);
    });
}

/// Reads a picture of any format.
pub fn picture(data: &[u8]) {
    with_file(data, "picture", |path| {
        let _ = Picture::open(path, ColorMode::Rgb);
    });
}

/// Reads a sound of any format.
pub fn sound(data: &[u8]) {
    with_file(data, "sound", |path| {
        let _ = Sound::open(path);
    });
}

/// Reads a clip of any format.
pub fn clip(data: &[u8]) {
    with_file(data, "clip", |path| {
        let _ = Clip::open(path);
    });
}

/// Reads a NumPy array as a clip, as points and as a medium.
pub fn npy(data: &[u8]) {
    let _ = ArrayHeader::read(&mut &*data);
    with_file(data, "npy", |path| {
        let _ = Clip::open(path);
        let _ = Geometry::open(path, &mut Vec::new());
        read_medium(path);
    });
}

fn read_medium(path: &Path) {
    let config = MediumConfig::File(MediumFileConfig {
        path: path.to_path_buf(),
        ..MediumFileConfig::default()
    });
    let _ = Medium::from_config(&config, "signal.medium", Some(1500.0), &mut Vec::new());
}

/// Reads MATLAB's files as a medium and as a recording.
pub fn mat(data: &[u8]) {
    with_file(data, "mat", |path| {
        read_medium(path);
        let _ = Recording::open(path);
    });
}

/// Reads a PLY file.
pub fn ply(data: &[u8]) {
    geometry(data, "ply");
}

/// Reads an OBJ file.
pub fn obj(data: &[u8]) {
    geometry(data, "obj");
}

/// Reads an STL file.
pub fn stl(data: &[u8]) {
    geometry(data, "stl");
}

/// Reads a binary glTF file.
pub fn glb(data: &[u8]) {
    geometry(data, "glb");
}

/// Reads points as text of every kind.
pub fn points(data: &[u8]) {
    for extension in ["xyz", "csv", "pts"] {
        geometry(data, extension);
    }
}

fn geometry(data: &[u8], extension: &str) {
    with_file(data, extension, |path| {
        let _ = Geometry::open(path, &mut Vec::new());
    });
}

/// Parses the text of a kernel.
pub fn ptx(data: &[u8]) {
    let _ = Module::parse(&String::from_utf8_lossy(data));
}

/// Calls a reader with a file of these bytes, in memory where the system has such a folder.
fn with_file(data: &[u8], extension: &str, read: impl FnOnce(&Path)) {
    thread_local! {
        static FOLDER: Option<TempDir> = folder();
    }
    FOLDER.with(|folder| {
        let Some(folder) = folder else { return };
        let path = folder.path().join("fuzzed").with_extension(extension);
        if fs::write(&path, data).is_ok() {
            read(&path);
        }
    });
}

fn folder() -> Option<TempDir> {
    let memory = Path::new("/dev/shm");
    let folder = tempfile::Builder::new()
        .prefix("siren-fuzz-")
        .tempdir_in(memory);
    folder.or_else(|_| tempfile::tempdir()).ok()
}
