//! What is timed: cases, their operations counted, and the memory an engine without tiles would need.

use serde::{Deserialize, Serialize};

use crate::hyper::{Encoder, Hypernetwork};

/// What a step does with the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A training step on values.
    Value,
    /// A training step on the gradient in space alone.
    Gradient,
    /// A training step on the Laplacian alone.
    Laplacian,
    /// A training step on all second derivatives.
    Hessian,
    /// Evaluation of values.
    Render,
    /// A loss on values of many fields, and its gradient in the parameters of each.
    Batched,
    /// A training step of a hypernetwork that makes the parameters of many fields.
    Hyper,
}

/// One case: a network, its points, and what is done with it. Three hidden layers, as in the paper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    pub name: String,
    pub kind: Kind,
    pub width: usize,
    pub in_features: usize,
    pub out_features: usize,
    /// Points of each field.
    pub points: usize,
    /// Fields with parameters of their own; 1 but for `batched` and hypernetworks.
    pub fields: usize,
    /// Coordinates lie in `[-extent, extent]`.
    pub extent: u32,
    /// What makes the parameters of the fields, for [`Kind::Hyper`].
    pub hyper: Option<Hypernetwork>,
}

/// Hidden layers of every case, the first sine layer not counted (as in the authors' code).
pub const HIDDEN_LAYERS: usize = 3;

impl Case {
    fn square(kind: Kind, width: usize, side: usize, out_features: usize) -> Self {
        let names = [
            "value",
            "gradient",
            "laplacian",
            "hessian",
            "render",
            "batched",
            "hyper",
        ];
        let rgb = if out_features == 3 { "-rgb" } else { "" };
        Self {
            name: format!("{}{rgb}-{width}-{side}", names[kind as usize]),
            kind,
            width,
            in_features: 2,
            out_features,
            points: side * side,
            fields: 1,
            extent: 1,
            hyper: None,
        }
    }

    fn hyper(name: &str, width: usize, fields: usize, hyper: Hypernetwork) -> Self {
        Self {
            name: name.to_owned(),
            fields,
            hyper: Some(hyper),
            ..Self::square(Kind::Hyper, width, hyper.side, 3)
        }
    }

    /// Every case there is.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        let kinds = [
            Kind::Value,
            Kind::Gradient,
            Kind::Laplacian,
            Kind::Hessian,
            Kind::Render,
        ];
        for kind in kinds {
            for width in [64, 256, 1024] {
                all.extend([256, 512].map(|side| Self::square(kind, width, side, 1)));
            }
        }
        all.push(Self::square(Kind::Gradient, 256, 256, 3));
        all.push(Self {
            name: "audio".to_owned(),
            in_features: 1,
            points: 308_207,
            extent: 100,
            ..Self::square(Kind::Value, 256, 1, 1)
        });
        all.push(Self {
            name: "batched".to_owned(),
            points: 1024,
            fields: 16,
            ..Self::square(Kind::Batched, 256, 1, 3)
        });
        all.push(Self::hyper("hyper-set", 256, 100, Hypernetwork::PAPER));
        let conv = Hypernetwork {
            encoder: Encoder::Conv,
            encoder_features: 32,
            ..Hypernetwork::PAPER
        };
        all.push(Self::hyper("hyper-conv", 256, 16, conv));
        all
    }

    /// For tests; not listed.
    fn tiny() -> Vec<Self> {
        let value = Self {
            name: "tiny".to_owned(),
            ..Self::square(Kind::Value, 16, 8, 1)
        };
        let hyper = Hypernetwork {
            side: 8,
            latent: 8,
            encoder: Encoder::Set,
            encoder_features: 8,
            hyper_features: 8,
            context: 20,
        };
        vec![value, Self::hyper("tiny-hyper", 16, 2, hyper)]
    }

    /// The cases that are timed when none is named.
    const USUAL: [&'static str; 9] = [
        "value-64-256",
        "value-256-256",
        "value-256-512",
        "gradient-256-256",
        "laplacian-256-256",
        "render-256-512",
        "audio",
        "batched",
        "hyper-conv",
    ];

    /// Those whose name begins with one of `names`, or the usual ones; the first name that fits none is the error.
    pub fn select(names: &[String]) -> Result<Vec<Self>, String> {
        if names == ["tiny"] {
            return Ok(Self::tiny());
        }
        let all = Self::all();
        if names.is_empty() {
            let usual = |case: &Self| Self::USUAL.contains(&case.name.as_str());
            return Ok(all.into_iter().filter(usual).collect());
        }
        let fits = |case: &Self, name: &str| {
            case.name == name || case.name.starts_with(&format!("{name}-"))
        };
        if let Some(name) = names
            .iter()
            .find(|name| !all.iter().any(|case| fits(case, name)))
        {
            return Err(name.clone());
        }
        let chosen = |case: &Self| names.iter().any(|name| fits(case, name));
        Ok(all.into_iter().filter(chosen).collect())
    }

    /// Weight matrices as `(fan_in, fan_out)`.
    fn matrices(&self) -> Vec<(usize, usize)> {
        let mut matrices = vec![(self.in_features, self.width)];
        matrices.extend([(self.width, self.width); HIDDEN_LAYERS]);
        matrices.push((self.width, self.out_features));
        matrices
    }

    /// Parameters of one field.
    pub fn parameters(&self) -> usize {
        let sizes = self.matrices().into_iter();
        sizes.map(|(fan_in, fan_out)| fan_out * (fan_in + 1)).sum()
    }

    /// Components that a forward-carried jet has.
    fn components(&self) -> usize {
        let d = self.in_features;
        match self.kind {
            Kind::Value | Kind::Render | Kind::Batched | Kind::Hyper => 1,
            Kind::Gradient => 1 + d,
            Kind::Laplacian => 2 + d,
            Kind::Hessian => 1 + d + d * (d + 1) / 2,
        }
    }

    /// Floating-point operations of the matrix products that a step takes at the least, `2 · fan_in · fan_out` each: one
    /// forward and two in reverse a layer and component, of which the first layer needs no `dH`. The gradient of one
    /// output goes backward from it instead: 6 products a layer, of which the first layer needs 4, the last 5. An encoder and
    /// a hypernetwork are counted like values, layer by layer.
    pub fn operations(&self) -> f64 {
        let matrices = self.matrices();
        let last = matrices.len() - 1;
        let adjoint = self.kind == Kind::Gradient && self.out_features == 1 && self.in_features > 1;
        let products = |layer: usize| match (self.kind, layer) {
            (Kind::Render, _) => 1,
            (_, 0) if adjoint => 4,
            (_, layer) if adjoint => {
                if layer == last {
                    5
                } else {
                    6
                }
            }
            (_, 0) => 2 * self.components(),
            _ => 3 * self.components(),
        };
        let sizes = matrices.iter().enumerate();
        let a_point: usize = sizes.map(|(layer, (m, n))| products(layer) * m * n).sum();
        let around = self
            .hyper
            .map_or(0, |hyper| hyper.multiplications(&matrices));
        2.0 * ((a_point * self.points + around) * self.fields) as f64
    }

    /// Bytes of hidden activations that an engine keeps which works on all points at once; derivatives of derivatives keep
    /// some five times as many as the components of a jet (measured with PyTorch: 5.3 GB for the Laplacian at 256², width 256).
    pub fn activation_bytes(&self) -> f64 {
        let kept = match self.kind {
            Kind::Render => 1,
            Kind::Value | Kind::Batched | Kind::Hyper => 2 * (HIDDEN_LAYERS + 1),
            Kind::Gradient | Kind::Laplacian | Kind::Hessian => {
                5 * self.components() * (HIDDEN_LAYERS + 1)
            }
        };
        let around = self.hyper.map_or(0, |hyper| hyper.kept(&self.matrices()));
        (4 * (kept * self.width * self.points + around) * self.fields) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Case {
        let mut found = Case::select(&[name.to_owned()]).unwrap();
        assert_eq!(found.len(), 1, "{name}");
        found.remove(0)
    }

    #[test]
    fn operations_are_those_counted_by_hand() {
        let points = 256.0 * 256.0;
        let hidden = 3.0 * 256.0 * 256.0;
        let value = 2.0 * points * (2.0 * 512.0 + 3.0 * (hidden + 256.0));
        assert!((named("value-256-256").operations() - value).abs() < 1.0);
        let adjoint = 2.0 * points * (4.0 * 512.0 + 6.0 * hidden + 5.0 * 256.0);
        assert!((named("gradient-256-256").operations() - adjoint).abs() < 1.0);
        let laplacian = named("laplacian-256-256").operations();
        assert!((laplacian / value - 4.0).abs() < 1e-12);
        let render = 2.0 * points * (512.0 + hidden + 256.0);
        assert!((named("render-256-256").operations() - render).abs() < 1.0);
    }

    #[test]
    fn operations_of_a_hypernetwork_are_those_counted_by_hand() {
        let square = 256.0 * 256.0;
        let field = 1024.0 * (2.0 * 512.0 + 3.0 * (3.0 * square + 768.0));
        let numbers = 768.0 + 3.0 * (square + 256.0) + 771.0;
        let networks = 3.0 * (10.0 * 2.0 * square + 256.0 * numbers);
        let set = 200.0 * (2.0 * 5.0 * 256.0 + 3.0 * 3.0 * square);
        let blocks = 8.0 * (32.0 * 25.0 * 32.0);
        let rest = 16.0 * 9.0 * 32.0 + blocks + 32.0 * 256.0;
        let conv = 1024.0 * (2.0 * 27.0 * 16.0 + 3.0 * rest) + 3.0 * 256.0 * 1024.0;
        for (name, fields, encoder) in [("hyper-set", 100.0, set), ("hyper-conv", 16.0, conv)] {
            let counted = 2.0 * fields * (field + networks + encoder);
            assert!((named(name).operations() - counted).abs() < 1.0, "{name}");
        }
    }

    #[test]
    fn the_papers_network_has_its_number_of_parameters() {
        assert_eq!(named("value-256-256").parameters(), 198_401);
    }

    #[test]
    fn a_name_selects_what_begins_with_it_as_whole_words() {
        let select = |name: &str| Case::select(&[name.to_owned()]).map(|cases| cases.len());
        assert_eq!(select("value"), Ok(6));
        assert_eq!(select("value-256"), Ok(2));
        assert_eq!(select("value-2"), Err("value-2".to_owned()));
        assert_eq!(Case::select(&[]).unwrap().len(), Case::USUAL.len());
    }
}
