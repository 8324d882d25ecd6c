//! Pages in a browser: their engines against the CPU, and their pictures against renderings.

use serde_json::{Value, json};
use siren_core::field::{MosaicConfig, SirenConfig};
use siren_image::{Picture, PictureField, Quantity, Size};
use siren_picture::PictureMetadata;
use siren_run::portable::{Format, Portable, WeightPrecision, encode};

use crate::browser::{Engine, chromium, run};
use crate::fields::{assert_close, examples, field, mosaic_in, portable, text};

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Evaluates the jets at points with each engine of a page.
fn assert_engines_agree(engine: Engine) {
    // All fields in one page, since a browser takes seconds to start.
    let (mut pages, mut fields) = (Vec::new(), Vec::new());
    for example in examples().into_iter().chain([1, 3].map(mosaic_in)) {
        let page = text(&portable(&example.field), Format::Page);
        let start = page.find("const FIELD = ").unwrap() + "const FIELD = ".len();
        let end = start + page[start..].find(";\n").unwrap();
        let field = serde_json::from_str::<Value>(&page[start..end]).unwrap();
        fields.push(json!([field, example.points]));
        pages.push((example, page));
    }
    let script = format!(
        "const fields = {}, answers = [];
         while (!sirenViewer.engine) await new Promise((resolve) => setTimeout(resolve, 20));
         await sirenViewer.idle();
         for (const [field, points] of fields) {{
           const layers = unpack(field), shaders = field.shaders, dims = field.axes.length;
           const engine = evaluator({}, field, layers), center = [0.25, -0.5, 0.125].slice(0, dims), count = points.length / dims, at = new Float32Array(4 * count);
           engine.recenter(center);
           for (let i = 0; i < count; ++i) for (let k = 0; k < dims; ++k) at[4 * i + k] = points[dims * i + k] - center[k];
           const along = center.map((_, k) => Object.assign(new Float32Array(4), {{ [k]: 1 }}));
           answers.push([Array.from(await engine.evaluate(at, count, along, true)), Array.from(await engine.evaluate(at, count, [], false))]);
         }}
         return answers;",
        json!(fields),
        match engine {
            Engine::WebGl2 => "WebGlEngine.create(layers, shaders.glsl)",
            Engine::WebGpu => "await WebGpuEngine.create(layers, shaders.wgsl)",
        }
    );
    let answers = run(&pages[0].1, engine, &script);
    for ((example, _), answer) in pages.iter().zip(answers.as_array().unwrap()) {
        let (name, field, points) = (&example.name, &example.double, &example.points);
        let (dims, channels) = (field.in_features(), field.out_features());
        let [jets, alone] = [&answer[0], &answer[1]].map(numbers);
        // Components: the value, the derivatives, the Laplacian, each of a group of four channels.
        let part = |k: usize| -> Vec<f64> {
            let points = jets.chunks(4 * (2 + dims));
            let points = points.flat_map(|point| &point[4 * k..4 * k + channels]);
            points.copied().collect()
        };
        let values = field.values(points).unwrap();
        assert_close(name, &part(0), &values, 3.0 * example.tolerance);
        let alone = alone.chunks(4).flat_map(|y| &y[..channels]);
        let alone: Vec<f64> = alone.copied().collect();
        assert_close(name, &alone, &values, 3.0 * example.tolerance);
        let gradients = field.gradients(points).unwrap();
        for axis in 0..dims {
            let expected = gradients.iter().skip(axis).step_by(dims);
            let expected: Vec<f64> = expected.copied().collect();
            assert_close(name, &part(1 + axis), &expected, 10.0 * example.tolerance);
        }
        assert_close(
            name,
            &part(1 + dims),
            &field.laplacians(points).unwrap(),
            100.0 * example.tolerance,
        );
    }
}

#[test]
fn webgl_computes_the_jets_of_networks_and_mosaics() {
    if chromium().is_some() {
        assert_engines_agree(Engine::WebGl2);
    }
}

#[test]
fn webgpu_computes_the_jets_of_networks_and_mosaics() {
    if chromium().is_some() {
        assert_engines_agree(Engine::WebGpu);
    }
}

#[test]
fn tiles_that_exceed_the_height_of_a_texture_are_put_beside_one_another() {
    if chromium().is_none() {
        return;
    }
    let example = mosaic_in(2);
    let page = text(&portable(&example.field), Format::Page);
    // Twelve tiles of three groups of outputs: five of them fit into 16 rows.
    let script = format!(
        "while (!sirenViewer.engine) await new Promise((resolve) => setTimeout(resolve, 20));
        await sirenViewer.idle();
        const points = {}, {{ engine: {{ engine }}, layers, field }} = sirenViewer;
        const narrow = new WebGlEngine(engine.gl, layers, engine.shaders, 16);
        const at = new Float32Array(2 * points.length);
        points.forEach((x, i) => {{ at[4 * (i >> 1) + (i & 1)] = x; }});
        const answers = [];
        for (const one of [engine, narrow]) {{
          const mosaic = evaluator(one, field, layers);
          answers.push(Array.from(await mosaic.evaluate(at, points.length / 2, [], false)));
        }}
        return {{ answers, columns: WebGlEngine.columns(layers[0], 16) }};",
        json!(example.points)
    );
    let answer = run(&page, Engine::WebGl2, &script);
    assert_eq!(answer["columns"], 3);
    let [whole, split] = [0, 1].map(|at| numbers(&answer["answers"][at]));
    assert_eq!(whole, split);
}

/// Returns the peak signal-to-noise ratio in decibels between levels `(height, width, 4)` and a picture.
fn psnr_db(levels: &[f64], picture: &Picture) -> f64 {
    let per_pixel = picture.channels;
    let errors = levels.chunks(4).enumerate().flat_map(|(pixel, found)| {
        (0..3).map(move |c| {
            let channel = if per_pixel == 1 { 0 } else { c };
            let expected = f64::from(picture.values.at(pixel * per_pixel + channel));
            (found[c] / 255.0 - (255.0 * expected).round() / 255.0).powi(2)
        })
    });
    let errors: Vec<f64> = errors.collect();
    -10.0
        * (errors.iter().sum::<f64>() / errors.len() as f64)
            .max(1e-20)
            .log10()
}

/// Asserts that the pictures of a page are those of the program.
fn assert_renders(config: &SirenConfig, engine: Engine, precision: WeightPrecision, least_db: f64) {
    let siren = field(config, 2, 3);
    let metadata = PictureMetadata {
        height: 40,
        width: 56,
        coordinates: siren_core::signal::CoordinateRule::Aspect,
        tone: vec![[0.9, 0.05]; 3],
    };
    let page = {
        let portable: Portable<'_> = siren_picture::cli::portable(&metadata, &siren).unwrap();
        String::from_utf8(encode(&portable, precision, Format::Page).unwrap()).unwrap()
    };
    let script =
        "while (!sirenViewer.engine) await new Promise((resolve) => setTimeout(resolve, 20));
        const all = {};
        for (const quantity of ['value', 'gradient', 'laplacian']) {
          const picture = await sirenViewer.picture(quantity);
          all[quantity] = { ...picture, pixels: Array.from(picture.pixels) };
        }
        await sirenViewer.idle();
        return { all, name: sirenViewer.engine.name, state: document.body.dataset.state };";
    let answer = run(&page, engine, script);
    let name = match engine {
        Engine::WebGl2 => "WebGL 2",
        Engine::WebGpu => "WebGPU",
    };
    assert_eq!([&answer["name"], &answer["state"]], [name, "done"]);
    let own = PictureField::new(siren, metadata).unwrap();
    for (key, quantity) in [
        ("value", Quantity::Value),
        ("gradient", Quantity::Gradient),
        ("laplacian", Quantity::Laplacian),
    ] {
        let drawn = &answer["all"][key];
        assert_eq!([&drawn["height"], &drawn["width"]], [40, 56]);
        let size = Size {
            height: 40,
            width: 56,
        };
        let expected = own.render_quantity(quantity, size).unwrap();
        let psnr = psnr_db(&numbers(&drawn["pixels"]), &expected);
        println!("{engine:?} {precision:?} {key}: {psnr:.1} dB");
        assert!(psnr >= least_db, "{engine:?} {key}: {psnr} dB");
    }
}

fn network() -> SirenConfig {
    SirenConfig {
        hidden_features: 32.into(),
        ..SirenConfig::default()
    }
}

#[test]
fn a_page_draws_a_mosaic_as_render_draws_it() {
    if chromium().is_some() {
        let config = SirenConfig {
            hidden_layers: 2,
            first_omega_0: 10.0.into(),
            mosaic: Some(MosaicConfig {
                tile: vec![12],
                sides: vec![40, 56],
                extents: vec![40.0 / 56.0, 1.0],
                ..MosaicConfig::default()
            }),
            ..network()
        };
        assert_renders(&config, Engine::WebGl2, WeightPrecision::Single, 60.0);
        assert_renders(&config, Engine::WebGpu, WeightPrecision::Single, 60.0);
        assert_renders(&config, Engine::WebGpu, WeightPrecision::Half, 25.0);
    }
}

#[test]
fn a_page_draws_what_render_draws_by_webgl_and_webgpu() {
    if chromium().is_some() {
        assert_renders(&network(), Engine::WebGl2, WeightPrecision::Single, 60.0);
        assert_renders(&network(), Engine::WebGpu, WeightPrecision::Single, 60.0);
    }
}

#[test]
fn weights_of_16_bits_keep_a_picture_recognizable() {
    if chromium().is_some() {
        assert_renders(&network(), Engine::WebGl2, WeightPrecision::Half, 25.0);
    }
}
