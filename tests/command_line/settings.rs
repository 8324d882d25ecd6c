//! Mistakes in a config, in an override or in an option, and what correct overrides do.

use siren_core::field::FieldEngine;

use super::{Case, GOOD, assert_refused_cleanly, desk};
use crate::support::desk::Desk;
use crate::support::program::Ended;

/// Asserts that `check` and `run` refuse each config with its words. Line 1 of a config is `kind = "image"`, and the given text begins on line 2.
#[track_caller]
fn assert_configs_refused(configs: &[Case]) {
    let desk = desk();
    for (text, words) in configs {
        desk.write("bad.toml", format!("kind = \"image\"\n{text}\n"));
        desk.run("check bad.toml").assert_refused(text, words);
        assert_refused_cleanly(&desk, "run bad.toml --out run", words);
    }
}

#[test]
fn a_bad_config_is_refused_with_file_line_and_key() {
    assert_configs_refused(&[
        (
            "[field]\nhiden_features = 8",
            &["bad.toml:3:1", "did you mean `hidden_features`?"],
        ),
        ("[feild]", &["bad.toml:2:", "did you mean `field`?"]),
        (
            "[train]\nsteps = 'many'",
            &["bad.toml:3:9", "`train.steps`", "expected a whole number"],
        ),
        (
            "[signal]\nsize = 16\ncrop = 17",
            &["bad.toml:4:8", "`signal.crop` is 17", "16 × 16"],
        ),
        (
            "[objective]\nprior = 'hessian'",
            &[
                "bad.toml:3:9",
                "`hessian` needs a value",
                "prior = { hessian = … }",
            ],
        ),
        (
            "[train]\nlearning_rate = nan",
            &["bad.toml:3:17", "`train.learning_rate` is NaN", "positive"],
        ),
        (
            "[train]\n\nsteps = -3",
            &["bad.toml:4:9", "`train.steps`", "-3"],
        ),
        (
            "[train]\nsteps = 0",
            &["bad.toml:3:9", "`train.steps` is 0", "at least 1"],
        ),
        (
            "[signal]\nobserved = { fraction = 1.5 }",
            &["bad.toml:3:25", "`signal.observed.fraction` is 1.5"],
        ),
        ("[train\nsteps = 3", &["bad.toml:2:"]),
        (
            "[signal]\ncrop = 3\ncrop = 4",
            &["bad.toml:4:1", "duplicate key", "crop = 4"],
        ),
    ]);
}

#[test]
fn a_bad_network_is_refused_with_file_line_and_key() {
    assert_configs_refused(&[
        (
            "[field]\nhidden_features = 0",
            &["bad.toml:3:19", "`field.hidden_features` is 0", "1 to"],
        ),
        (
            "[field]\nactivation = 'sin'",
            &["bad.toml:3:14", "did you mean `sine`?"],
        ),
        (
            "[field]\nencoding = 'furier'",
            &["bad.toml:3:12", "did you mean `fourier`?"],
        ),
        (
            "[field]\nencoding = { fourier = { scales = 3.0 } }",
            &["bad.toml:3:26", "did you mean `scale`?"],
        ),
        (
            "[field]\nhidden_features = 16384\nhidden_layers = 256",
            &[
                "bad.toml:3:19",
                "`field.hidden_features` is 16384",
                "parameters",
            ],
        ),
        (
            "[field]\nactivation = 'finer'\nlearn_omega = true",
            &["bad.toml:4:15", "`field.learn_omega`", "`sine`"],
        ),
    ]);
}

#[test]
fn automatic_settings_are_refused_where_there_is_no_spectrum() {
    assert_configs_refused(&[
        (
            "[field]\nfirst_omega_0 = 'atuo'",
            &["bad.toml:3:17", "atuo", "a number or \"auto\""],
        ),
        (
            "[signal]\nobserved = 'even'\n[field]\nfirst_omega_0 = 'auto'",
            &["bad.toml:3:12", "`signal.observed`", "held-out"],
        ),
        (
            "[signal]\nsize = 1\n[field]\nfirst_omega_0 = 'auto'",
            &["bad.toml:5:17", "`field.first_omega_0`", "does not vary"],
        ),
        (
            "[field]\nactivation = 'tanh'\nweight_noise = 'auto'",
            &["bad.toml:4:16", "`field.weight_noise`", "`sine`"],
        ),
        (
            "[field]\nweight_noise = { scales = [1.0, -1.0] }",
            &["bad.toml:3:27", "`field.weight_noise.scales`", "at least 0"],
        ),
    ]);
}

#[test]
fn automatic_settings_are_numbers_in_the_config_of_the_run() {
    let desk = desk();
    let sets = "--set field.first_omega_0=auto --set field.weight_noise=auto";
    desk.run(&format!("run good.toml --out run {sets}"))
        .assert_success();
    let config: toml::Table = String::from_utf8(desk.read("run/config.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let field = config["field"].as_table().unwrap();
    assert!(field["first_omega_0"].as_float().unwrap() > 1.0);
    let scales = field["weight_noise"]["scales"].as_array().unwrap();
    assert!(scales.iter().all(|s| s.as_float().unwrap() > 0.0));
    desk.run("resume run").assert_success();
}

#[test]
fn a_file_that_is_not_a_config_is_refused() {
    let desk = desk();
    desk.write("audio.toml", "# A song.\nkind = \"audio\"\n");
    desk.write("no_kind.toml", "[train]\nsteps = 3\n");
    desk.write("bytes.toml", [0xff, 0xfe, 0x00, 0x80]);
    desk.write("empty.toml", "");
    std::fs::create_dir(desk.path("folder.toml")).unwrap();
    let cases: &[Case] = &[
        (
            "audio.toml",
            &["audio.toml:2:8", "`kind` is audio", "image"],
        ),
        ("no_kind.toml", &["no_kind.toml", "`kind`"]),
        ("empty.toml", &["empty.toml", "`kind`"]),
        ("bytes.toml", &["bytes.toml", "UTF-8"]),
        ("folder.toml", &["folder.toml", "directory"]),
        ("absent.toml", &["absent.toml", "No such file"]),
    ];
    for (file, words) in cases {
        assert_refused_cleanly(&desk, &format!("run {file} --out run"), words);
    }
}

#[test]
fn a_bad_override_or_option_is_refused_by_its_own_name() {
    let desk = desk();
    let cases: &[Case] = &[
        (
            "--set train.stepps=3",
            &["--set train.stepps=3", "did you mean `steps`?"],
        ),
        (
            "--set trian.steps=3",
            &["--set trian.steps=3", "did you mean `train`?"],
        ),
        (
            "--set train.steps",
            &["--set train.steps", "expected key=value"],
        ),
        ("--set =3", &["--set =3", "before `=`"]),
        (
            "--set train.steps=0",
            &["--set train.steps=0", "at least 1"],
        ),
        ("--set train.steps=-1", &["--set train.steps=-1", "-1"]),
        (
            "--set train.learning_rate=fast",
            &["--set train.learning_rate=fast", "fast"],
        ),
        (
            "--set signal.observed.fraction=0",
            &["--set signal.observed.fraction=0", "above 0"],
        ),
        (
            "--set train.learning_rate=1e30",
            &["not finite at step", "train.learning_rate"],
        ),
        (
            "--set train.learning_rate=3e38 --set train.steps=1",
            &["a parameter is not finite at step 1:"],
        ),
        (
            "--set train.steps=9000000000",
            &["--set train.steps=9000000000", "at most 1000000000"],
        ),
        (
            "--set train.precision=fast",
            &["--set train.precision=fast", "CUDA devices alone"],
        ),
        (
            "--set train.precision=bf16_emulated",
            &[
                "--set train.precision=bf16_emulated",
                "96 and more features",
            ],
        ),
        (
            "--set train.optimizer=lbfgs --set train.precision=bf16_emulated",
            &["--set train.precision=bf16_emulated", "compare losses"],
        ),
        ("--threads 0", &["--threads", "1 to"]),
        ("--threads -1", &["-1"]),
        ("--device foo", &["--device", "foo", "cpu"]),
        ("--device cuda:x", &["--device", "cuda:x", "number"]),
        ("--color", &["--color"]),
    ];
    for (option, words) in cases {
        let line = format!("run good.toml --out run {option}");
        assert_refused_cleanly(&desk, &line, words);
    }
}

#[test]
fn kinds_that_are_not_trained_in_bfloat16_refuse_it_before_they_start() {
    let hyper = "[signal]\nsize = 8\npictures = 12\nbatch = 5\ncontext = [3, 20]\n[model]\nencoder_features = 16\nhyper_features = 16";
    for (kind, tables, reason) in [
        ("hyper", hyper, "this kind of model"),
        ("poisson", "[signal]\nsize = 24", "needs derivatives"),
    ] {
        let desk = Desk::of_kind(kind);
        let config = format!(
            "kind = '{kind}'\n{tables}\n[field]\nhidden_features = 96\n[train]\nsteps = 2\nprecision = 'bf16_emulated'\n"
        );
        desk.write("small.toml", config);
        for line in ["run small.toml --out run", "check small.toml"] {
            let words = ["small.toml", "`train.precision` is bf16_emulated", reason];
            desk.run(line).assert_refused(line, &words);
        }
        assert!(!desk.path("run").exists());
    }
}

#[test]
fn a_cuda_device_that_cannot_be_opened_is_an_error_that_says_why() {
    let desk = desk();
    let why = FieldEngine::cuda(99).unwrap_err().to_string();
    for line in [
        "run good.toml --out run --device cuda:99",
        "run good.toml --out run --device=cuda:99 --set train.precision=fast",
    ] {
        assert_refused_cleanly(&desk, line, &[&why]);
    }
    desk.run("run good.toml --out run").assert_success();
    for line in [
        "render run -o a.png --device cuda:99",
        "resume run --device cuda:99",
    ] {
        desk.run(line).assert_refused(line, &[&why]);
    }
    assert!(!desk.path("a.png").exists());
}

#[test]
fn expected_metrics_are_shown_only_if_the_signal_is_unchanged() {
    let desk = desk();
    desk.write_picture("mine.png", 16, 16);
    desk.write(
        "good.toml",
        format!("{}[expect]\npsnr_db = 49.4\n", super::GOOD),
    );
    for (sets, is_shown) in [
        ("train.steps=2", true),
        ("signal.size=16", true),
        ("signal.size=17", false),
        ("signal.path=mine.png", false),
        ("signal.crop=9", false),
        ("signal.color=gray", false),
    ] {
        let ended = desk.run(&format!("run good.toml --out run --set {sets}"));
        let stdout = ended.assert_success().stdout;
        assert_eq!(
            stdout.contains("(expected 49.4)"),
            is_shown,
            "{sets}: {stdout}"
        );
        for file in ["summary.toml", "config.toml"] {
            let text = String::from_utf8(desk.read(&format!("run/{file}"))).unwrap();
            assert_eq!(text.contains("49.4"), is_shown, "{sets}: {text}");
        }
        desk.remove("run");
    }
    let line = "run good.toml --out run --set signal.path=mine.png --set expect.psnr_db=31.5";
    let stdout = desk.run(line).assert_success().stdout;
    assert!(stdout.contains("(expected 31.5)"), "{stdout}");
}

#[test]
fn overrides_replace_values_of_the_file_and_paths_need_no_quotes() {
    let desk = desk();
    desk.write_picture("12.png", 16, 16);
    desk.write(
        "part.toml",
        GOOD.replace("size = 16", "size = 16\nobserved = { fraction = 0.5 }"),
    );
    for set in [
        "signal.observed.mask=12.png",
        "signal.observed=even",
        "objective.prior.hessian=1e-6",
        "signal.path=12.png",
        "signal.path=~/12.png",
        "name=2024",
    ] {
        let mut command = desk.command(&format!("run part.toml --out run --set {set}"));
        let ended = command.env("HOME", desk.path("")).output().unwrap();
        Ended::from(ended).assert_success();
        desk.remove("run");
    }
}
