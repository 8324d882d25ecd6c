//! Which kernels compute a network: one for all layers of a narrow network, or one for each layer.

use siren_kernel::network::Plan;

use crate::arguments::MOST_LAYERS;
use crate::forward::FeatureArguments;
use crate::kernels::MOST_GROUPS;
use crate::tiles::column_tiles;
use crate::weights::first_product;

/// The kernels of a forward pass and a backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernels {
    /// One launch for each layer.
    Layers,
    /// One launch for all layers, whose widest one has so many tiles of columns.
    Network { tiles: usize },
}

impl Kernels {
    /// Returns the kernels for a plan: those of a whole network if its features, layers and outputs are at most 128 wide and it has 1 to 16
    /// products. The choice depends on the plan alone, so results do not depend on the card.
    pub(crate) fn of(plan: &Plan) -> Self {
        let products = &plan.layers[first_product(plan)..];
        let outputs = products.iter().map(|layer| layer.fan_out);
        let widest = outputs
            .chain([FeatureArguments::of(plan).width])
            .max()
            .unwrap_or(0);
        let tiles = column_tiles(widest);
        let is_narrow = tiles <= MOST_GROUPS as usize;
        if is_narrow && (1..=MOST_LAYERS).contains(&products.len()) {
            Self::Network { tiles }
        } else {
            Self::Layers
        }
    }
}

/// Returns the bits of the jets and the gradient of a case by these kernels.
#[cfg(test)]
pub(crate) fn bits_of(
    case: &crate::networks::NetworkCase,
    device: &crate::Device,
    precision: crate::Precision,
    kernels: Kernels,
) -> crate::Result<Vec<u32>> {
    let mut fields = device.fields(&case.plan, &case.params, precision)?;
    fields.kernels = kernels;
    let (jets, tape) = fields.forward(&case.coords, &case.order)?;
    let mut gradient = fields.gradient()?;
    fields.backward(&tape, &case.d_jets, &mut gradient)?;
    let all = jets.into_iter().chain(gradient.read()?);
    Ok(all.map(f32::to_bits).collect())
}

#[cfg(test)]
mod tests {
    use siren_kernel::Pointwise;
    use siren_kernel::network::{Features, Order};

    use super::{Kernels, bits_of};
    use crate::device::Device;
    use crate::kernels::Precision;
    use crate::networks::matrix::{every_kind, narrow};
    use crate::networks::{NetworkCase, Sizes, plan, under_stand_in_driver};

    fn sizes(width: usize, hidden: usize) -> Sizes {
        Sizes {
            dims: 2,
            width,
            hidden,
            channels: 1,
            points: 150,
            fields: 1,
        }
    }

    #[test]
    fn networks_of_at_most_128_features_and_16_products_have_one_kernel() {
        let kernels = |width, hidden, features| {
            Kernels::of(&plan(sizes(width, hidden), features, Pointwise::Tanh))
        };
        let one = |tiles| Kernels::Network { tiles };
        assert_eq!(kernels(64, 3, Features::Identity), one(1));
        assert_eq!(kernels(65, 3, Features::Identity), one(2));
        assert_eq!(kernels(128, 15, Features::Identity), one(2));
        assert_eq!(kernels(128, 16, Features::Identity), Kernels::Layers);
        assert_eq!(kernels(129, 3, Features::Identity), Kernels::Layers);
        // 2 + 4 · 32 features.
        assert_eq!(kernels(64, 1, Features::nerf(2, 32)), Kernels::Layers);
        let channels = Sizes {
            channels: 200,
            ..sizes(32, 1)
        };
        let wide_output = plan(channels, Features::Identity, Pointwise::Tanh);
        assert_eq!(Kernels::of(&wide_output), Kernels::Layers);
    }

    #[test]
    fn one_kernel_for_a_network_and_one_for_each_layer_give_the_same_bits() {
        under_stand_in_driver(&[], || {
            let device = Device::open(0).unwrap();
            let kinds = every_kind(3).into_iter().step_by(7);
            let cases: Vec<_> = kinds.chain(narrow()).collect();
            for case in &cases {
                let drawn = case.draw();
                let network = Kernels::of(&drawn.plan);
                assert_ne!(network, Kernels::Layers, "{}", case.name());
                for precision in Precision::ALL {
                    let found = [network, Kernels::Layers]
                        .map(|kernels| bits_of(&drawn, &device, precision, kernels).unwrap());
                    assert_eq!(found[0], found[1], "{}, {precision:?}", case.name());
                }
                let fields = device.fields(&drawn.plan, &drawn.params, Precision::Exact);
                let fields = fields.unwrap();
                // An evaluation stores no activations.
                let evaluated = fields.jets(&drawn.coords, &drawn.order).unwrap();
                let (jets, _) = fields.forward(&drawn.coords, &drawn.order).unwrap();
                assert_eq!(evaluated, jets, "{}", case.name());
            }
        });
    }

    #[test]
    fn a_training_step_of_a_narrow_network_starts_nine_kernels() {
        under_stand_in_driver(&[], || {
            let device = Device::open(0).unwrap();
            let sine = Pointwise::Sine { omega: 30.0 };
            let plan = plan(sizes(64, 3), Features::Identity, sine);
            let case = NetworkCase::draw(sizes(64, 3), plan, Order::Value, 1);
            let (_, times) = device
                .kernel_times(|| case.on(&device, Precision::Exact))
                .unwrap();
            let names: Vec<&str> = times.iter().map(|time| time.kernel).collect();
            // And `square_error`, if the loss is computed on the device.
            let expected = [
                "weight_maximum",
                "pack",
                "narrow_forward",
                "pack",
                "narrow_backward",
                "weight_gradient",
                "features_gradient",
                "reduce",
            ];
            assert_eq!(names, expected);
        });
    }
}
