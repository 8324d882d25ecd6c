//! A device on the stream of another library, which hands it memory and takes memory from it.

mod networks;

use std::sync::Arc;

use networks::{NetworkCase, Sizes, plan, under_stand_in_driver};
use siren_cuda::cudarc::driver::{CudaContext, CudaStream};
use siren_cuda::{Device, Order, Precision};
use siren_kernel::Pointwise;
use siren_kernel::network::Features;

fn case() -> NetworkCase {
    let sizes = Sizes {
        dims: 2,
        width: 40,
        hidden: 1,
        channels: 3,
        points: 70,
        fields: 2,
    };
    let plan = plan(sizes, Features::Identity, Pointwise::Sine { omega: 10.0 });
    NetworkCase::draw(sizes, plan, Order::laplacian(2), 1)
}

/// Returns jets and gradient of a network from and in memory of the stream's owner.
fn on_stream(case: &NetworkCase, stream: &Arc<CudaStream>) -> [Vec<f32>; 2] {
    let [params, coords, d_jets] =
        [&case.params, &case.coords, &case.d_jets].map(|host| stream.clone_htod(host).unwrap());
    let before = copies();
    let device = Device::on_stream(Arc::clone(stream)).unwrap();
    let params = device.array_from(&params.as_view()).unwrap();
    let fields = device.fields_of(&case.plan, &params, Precision::Exact);
    let fields = fields.unwrap();
    let coords = device.array_from(&coords.as_view()).unwrap();
    let (jets, tape) = fields.forward_on_device(&coords, &case.order).unwrap();
    let mut gradient = fields.gradient().unwrap();
    let view = device.view(d_jets.as_view()).unwrap();
    fields
        .backward_on_device(&tape, &view, &mut gradient)
        .unwrap();
    drop(view);
    // A copy, from an array with clones, and the memory itself.
    let shared = jets.clone();
    let [copy, jets] = [shared, jets].map(|jets| jets.into_slice().unwrap());
    let gradient = gradient.into_array().into_slice().unwrap();
    let own = copies() - before;
    let found = [&copy, &jets, &gradient].map(|slice| stream.clone_dtoh(slice).unwrap());
    let [copy, jets, gradient] = found;
    assert_eq!(copy, jets);
    // Small tables alone: the components of the jets and the shapes of the layers.
    assert!(own < 300, "{own} bytes between host and device");
    [jets, gradient]
}

/// Returns the bytes that the stand-in for the driver has copied between host and device.
fn copies() -> usize {
    let report = std::fs::read_to_string(std::env::var("SIREN_PTX_REPORT").unwrap());
    let report = report.unwrap_or_default();
    let copies = report.lines().filter(|line| line.starts_with("{\"copy\""));
    let bytes = |line: &str| line.rsplit(':').next()?.trim_end_matches('}').parse().ok();
    copies.map(|line| bytes(line).unwrap_or(0)).sum()
}

#[test]
fn memory_of_another_library_gives_the_same_bits_without_copies_through_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report").display().to_string();
    under_stand_in_driver(&[("SIREN_PTX_REPORT", &report)], || {
        let case = case();
        let expected = case
            .on(&Device::open(0).unwrap(), Precision::Exact)
            .unwrap();
        let context = CudaContext::new(0).unwrap();
        // The last makes cudarc order several streams by events.
        let streams = [
            context.per_thread_stream(),
            context.default_stream(),
            context.new_stream().unwrap(),
        ];
        for stream in streams {
            let found = on_stream(&case, &stream);
            let found = found.map(|part| part.into_iter().map(f64::from).collect::<Vec<_>>());
            assert_eq!(found, [expected.jets.clone(), expected.gradient.clone()]);
        }
    });
}

#[test]
fn gradients_with_respect_to_jets_of_a_wrong_length_are_an_error() {
    under_stand_in_driver(&[], || {
        let case = case();
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let device = Device::on_stream(Arc::clone(&stream)).unwrap();
        let fields = device
            .fields(&case.plan, &case.params, Precision::Exact)
            .unwrap();
        let (_, tape) = fields.forward(&case.coords, &case.order).unwrap();
        let d_jets = stream.clone_htod(&case.d_jets).unwrap();
        let short = d_jets.slice(1..);
        let mut gradient = fields.gradient().unwrap();
        let view = device.view(short).unwrap();
        assert_eq!(view.len(), case.d_jets.len() - 1);
        let refused = fields.backward_on_device(&tape, &view, &mut gradient);
        let message = refused.unwrap_err().to_string();
        let expected = "gradient with respect to jets: expected 1680, got 1679";
        assert_eq!(message, expected);
    });
}
