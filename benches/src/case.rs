//! Benchmark cases, with the operations that each takes and the memory that an engine without tiling needs for it.

use serde::{Deserialize, Serialize};
use siren_core::train::Precision;

use crate::helmholtz::interior_points;
use crate::hyper::{Encoder, Hypernetwork};

/// Quantity that a step computes from the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A training step on values.
    Value,
    /// A training step on the spatial gradient alone.
    Gradient,
    /// A training step on the Laplacian alone.
    Laplacian,
    /// A training step on all second derivatives.
    Hessian,
    /// Evaluation of values.
    Render,
    /// A loss on the values of many fields, and its gradient with respect to the parameters of each.
    Batched,
    /// A training step of a hypernetwork that makes the parameters of many fields.
    Hyper,
    /// A training step on the loss of signed distance functions: values and gradients, on a surface and in the volume around it.
    Shape,
    /// A training step on the Helmholtz equation with an absorbing layer: Laplacians in the interior, two second derivatives in the layer.
    Helmholtz,
    /// A Gauss–Newton step on that equation.
    GaussNewton,
}

/// One case: a network with three hidden layers, as in the paper, the points it is evaluated at, and the kind of step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    pub name: String,
    pub kind: Kind,
    pub width: usize,
    pub in_features: usize,
    pub out_features: usize,
    /// Number of points of each field.
    pub points: usize,
    /// Number of fields, each with its own parameters. 1 except for [`Kind::Batched`] and [`Kind::Hyper`].
    pub fields: usize,
    /// Coordinates lie in `[-extent, extent]`.
    pub extent: u32,
    /// Sizes of the encoder and the hypernetwork that generate the fields' parameters, for [`Kind::Hyper`].
    pub hyper: Option<Hypernetwork>,
    /// Type of all numbers; single except for some [`Kind::GaussNewton`], and for steps on values that are also timed in bfloat16.
    pub precision: Precision,
}

/// Points with jets of the same number of components.
struct Jets {
    points: usize,
    components: usize,
}

/// Hidden layers of every case. As in the authors' code, the first sine layer is not counted.
pub const HIDDEN_LAYERS: usize = 3;

impl Case {
    /// A field over a square of `side` × `side` points.
    pub fn square(kind: Kind, width: usize, side: usize, out_features: usize) -> Self {
        let names = [
            "value",
            "gradient",
            "laplacian",
            "hessian",
            "render",
            "batched",
            "hyper",
            "shape",
            "helmholtz",
            "gauss-newton",
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
            precision: Precision::Single,
        }
    }

    /// A signed distance function of `side` × `side` points.
    fn shape(width: usize, side: usize) -> Self {
        Self {
            in_features: 3,
            ..Self::square(Kind::Shape, width, side, 1)
        }
    }

    /// A Gauss–Newton step on the real and the imaginary part of the residual at so many points.
    fn gauss_newton(name: &str, width: usize, points: usize, precision: Precision) -> Self {
        Self {
            name: name.to_owned(),
            points,
            precision,
            ..Self::square(Kind::GaussNewton, width, 1, 2)
        }
    }

    /// A hypernetwork that generates `fields` color fields.
    fn hyper(name: &str, width: usize, fields: usize, hyper: Hypernetwork) -> Self {
        Self {
            name: name.to_owned(),
            fields,
            hyper: Some(hyper),
            ..Self::square(Kind::Hyper, width, hyper.side, 3)
        }
    }

    /// Returns every case.
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
        all.extend([128, 512].map(|width| Self::square(Kind::Value, width, 256, 1)));
        all.push(Self::square(Kind::Gradient, 256, 256, 3));
        all.extend([64, 256].map(|width| Self::shape(width, 128)));
        all.push(Self::square(Kind::Helmholtz, 256, 230, 2));
        let newton = |name, precision| Self::gauss_newton(name, 64, 1500, precision);
        all.push(newton("gauss-newton-64-f32", Precision::Single));
        all.push(newton("gauss-newton-64-f64", Precision::Double));
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

    /// Returns small cases for tests, which `--list` does not show.
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
        let shape = Self {
            name: "tiny-shape".to_owned(),
            ..Self::shape(16, 8)
        };
        let helmholtz = Self {
            name: "tiny-helmholtz".to_owned(),
            ..Self::square(Kind::Helmholtz, 16, 8, 2)
        };
        let newton = Self::gauss_newton("tiny-gauss-newton", 16, 64, Precision::Double);
        let hyper = Self::hyper("tiny-hyper", 16, 2, hyper);
        vec![value, hyper, shape, helmholtz, newton]
    }

    /// Names of the cases that are timed if the user names none.
    const DEFAULT: [&'static str; 11] = [
        "value-64-256",
        "value-256-256",
        "value-256-512",
        "gradient-256-256",
        "laplacian-256-256",
        "render-256-512",
        "audio",
        "batched",
        "hyper-conv",
        "shape-256-128",
        "helmholtz-256-230",
    ];

    /// Returns the cases whose names begin with one of `names` as whole words, or the default cases if there are no names.
    ///
    /// # Errors
    /// The first name that matches no case.
    pub fn select(names: &[String]) -> Result<Vec<Self>, String> {
        if names == ["tiny"] {
            return Ok(Self::tiny());
        }
        let all = Self::all();
        if names.is_empty() {
            let is_default = |case: &Self| Self::DEFAULT.contains(&case.name.as_str());
            return Ok(all.into_iter().filter(is_default).collect());
        }
        let matches = |case: &Self, name: &str| {
            case.name == name || case.name.starts_with(&format!("{name}-"))
        };
        if let Some(name) = names
            .iter()
            .find(|name| !all.iter().any(|case| matches(case, name)))
        {
            return Err(name.clone());
        }
        let is_chosen = |case: &Self| names.iter().any(|name| matches(case, name));
        Ok(all.into_iter().filter(is_chosen).collect())
    }

    /// Returns the shapes `(fan_in, fan_out)` of the field's weight matrices.
    fn matrices(&self) -> Vec<(usize, usize)> {
        let mut matrices = vec![(self.in_features, self.width)];
        matrices.extend([(self.width, self.width); HIDDEN_LAYERS]);
        matrices.push((self.width, self.out_features));
        matrices
    }

    /// Returns the number of parameters of one field.
    pub fn parameters(&self) -> usize {
        let sizes = self.matrices().into_iter();
        sizes.map(|(fan_in, fan_out)| fan_out * (fan_in + 1)).sum()
    }

    /// Returns the points by the number of components of the jets whose derivatives are propagated forward.
    fn jets(&self) -> Vec<Jets> {
        let d = self.in_features;
        let jets = |points, components| Jets { points, components };
        let components = match self.kind {
            Kind::Value | Kind::Render | Kind::Batched | Kind::Hyper => 1,
            Kind::Gradient | Kind::Shape => 1 + d,
            Kind::Laplacian => 2 + d,
            Kind::Hessian => 1 + d + d * (d + 1) / 2,
            Kind::Helmholtz | Kind::GaussNewton => {
                let interior = interior_points(self.points);
                return vec![jets(interior, 2 + d), jets(self.points - interior, 3 + d)];
            }
        };
        vec![jets(self.points, components)]
    }

    /// Returns the floating-point operations of the matrix products that one step needs at least, `2 · fan_in · fan_out` per product and
    /// point.
    ///
    /// A layer takes three products per component: one in the forward pass and two in the reverse pass, of which the first layer needs
    /// no `dH`. The gradient of a single output is propagated backward from the output instead, with 6 products per layer; the first layer
    /// needs 4 and the last 5. Layers of an encoder and a hypernetwork are counted like those of a field on values.
    ///
    /// A Gauss–Newton step takes the forward pass twice, as its loss must fall, the reverse pass for each output, and linear algebra.
    pub fn operations(&self) -> f64 {
        let matrices = self.matrices();
        let of_points = |jets: Jets| jets.points * self.multiplications(&matrices, jets.components);
        let fields: usize = self.jets().into_iter().map(of_points).sum();
        let hypernetwork = self
            .hyper
            .map_or(0, |hyper| hyper.multiplications(&matrices));
        2.0 * ((fields + hypernetwork) * self.fields) as f64 + self.linear_algebra()
    }

    /// Returns the multiplications of one point whose jet has so many components.
    fn multiplications(&self, matrices: &[(usize, usize)], components: usize) -> usize {
        let last = matrices.len() - 1;
        let needs_gradient = matches!(self.kind, Kind::Gradient | Kind::Shape);
        let adjoint = needs_gradient && self.out_features == 1 && self.in_features > 1;
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
            (Kind::GaussNewton, 0) => (2 + self.out_features) * components,
            (Kind::GaussNewton, _) => (2 + 2 * self.out_features) * components,
            (_, 0) => 2 * components,
            _ => 3 * components,
        };
        let sizes = matrices.iter().enumerate();
        sizes.map(|(layer, (m, n))| products(layer) * m * n).sum()
    }

    /// Returns the operations of a Gauss–Newton step on the Jacobian `J (N, P)`: `N² P` for the lower half of `J Jᵀ`, `N³ / 3` for its Cholesky factor.
    fn linear_algebra(&self) -> f64 {
        if self.kind != Kind::GaussNewton {
            return 0.0;
        }
        let residuals = (self.points * self.out_features) as f64;
        residuals.powi(2) * self.parameters() as f64 + residuals.powi(3) / 3.0
    }

    /// Returns the bytes of hidden activations that an engine stores for the reverse pass if it processes all points at once.
    ///
    /// Double backward stores about five times as many as a jet has components, as measured with PyTorch: 5.3 GB for the Laplacian at 256²
    /// points and width 256. So it does for each output of the Helmholtz equation: 10.8 GB at 230² points.
    pub fn activation_bytes(&self) -> f64 {
        let elements = |jets: Jets| {
            let per_point = match self.kind {
                Kind::Render => 1,
                Kind::Value | Kind::Batched | Kind::Hyper => 2 * (HIDDEN_LAYERS + 1),
                Kind::Helmholtz => 5 * self.out_features * jets.components * (HIDDEN_LAYERS + 1),
                _ => 5 * jets.components * (HIDDEN_LAYERS + 1),
            };
            per_point * self.width * jets.points
        };
        let stored: usize = self.jets().into_iter().map(elements).sum();
        let hypernetwork = self
            .hyper
            .map_or(0, |hyper| hyper.stored_elements(&self.matrices()));
        (4 * (stored + hypernetwork) * self.fields) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Selects the only case that `name` matches.
    fn named(name: &str) -> Case {
        let mut found = Case::select(&[name.to_owned()]).unwrap();
        assert_eq!(found.len(), 1, "{name}");
        found.remove(0)
    }

    #[test]
    fn operations_of_a_field_match_a_count_by_hand() {
        let points = 256.0 * 256.0;
        let hidden = 3.0 * 256.0 * 256.0;
        let value = 2.0 * points * (2.0 * 512.0 + 3.0 * (hidden + 256.0));
        assert!((named("value-256-256").operations() - value).abs() < 1.0);
        let adjoint = 2.0 * points * (4.0 * 512.0 + 6.0 * hidden + 5.0 * 256.0);
        assert!((named("gradient-256-256").operations() - adjoint).abs() < 1.0);
        let shape = 2.0 * 128.0 * 128.0 * (4.0 * 768.0 + 6.0 * hidden + 5.0 * 256.0);
        assert!((named("shape-256-128").operations() - shape).abs() < 1.0);
        let laplacian = named("laplacian-256-256").operations();
        assert!((laplacian / value - 4.0).abs() < 1e-12);
        let render = 2.0 * points * (512.0 + hidden + 256.0);
        assert!((named("render-256-256").operations() - render).abs() < 1.0);
    }

    #[test]
    fn operations_on_the_helmholtz_equation_match_a_count_by_hand() {
        // A quarter of the points is in the interior and has one component less.
        let components = 4.75 * 52_900.0;
        let helmholtz = 2.0 * components * (2.0 * 512.0 + 3.0 * (3.0 * 65_536.0 + 512.0));
        let counted = named("helmholtz-256-230").operations();
        assert!((counted / helmholtz - 1.0).abs() < 1e-12, "{counted}");
        let newton = 2.0 * 4.75 * 1500.0 * (4.0 * 128.0 + 6.0 * (3.0 * 4096.0 + 128.0));
        let parameters = 192.0 + 3.0 * 4160.0 + 130.0;
        let algebra = 3000.0 * 3000.0 * (parameters + 1000.0);
        let counted = named("gauss-newton-64-f64").operations();
        assert!((counted / (newton + algebra) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn operations_of_a_hypernetwork_match_a_count_by_hand() {
        let square = 256.0 * 256.0;
        let field = 1024.0 * (2.0 * 512.0 + 3.0 * (3.0 * square + 768.0));
        let parameters = 768.0 + 3.0 * (square + 256.0) + 771.0;
        let networks = 3.0 * (10.0 * 2.0 * square + 256.0 * parameters);
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
    fn the_network_of_the_paper_has_198401_parameters() {
        assert_eq!(named("value-256-256").parameters(), 198_401);
    }

    #[test]
    fn a_name_selects_the_cases_that_begin_with_it_as_whole_words() {
        let select = |name: &str| Case::select(&[name.to_owned()]).map(|cases| cases.len());
        assert_eq!(select("value"), Ok(8));
        assert_eq!(select("value-256"), Ok(2));
        assert_eq!(select("value-2"), Err("value-2".to_owned()));
        assert_eq!(Case::select(&[]).unwrap().len(), Case::DEFAULT.len());
    }
}
