use super::*;
use crate::reference::cylinder::{Cylinder, CylinderField};
use crate::reference::hankel::HankelField;

fn authors() -> Pml {
    Pml {
        width: 0.5,
        strength: 5.0,
    }
}

/// Relative L2 error in |x|, |y| ≤ ½ outside the source, against the exact field.
fn error_against(
    exact: impl Fn(Point) -> Complex64,
    grid: &FrequencyGrid,
    field: &[Complex64],
    source: &PointSource,
) -> f64 {
    let (mut difference, mut scale) = (0.0, 0.0);
    for (index, value) in field.iter().enumerate() {
        let point = grid.point(index);
        if point[0].abs().max(point[1].abs()) > 0.5 + 1e-9 || source.distance(point) <= 0.06 {
            continue;
        }
        let expected = exact(point);
        difference += (value - expected).norm_sqr();
        scale += expected.norm_sqr();
    }
    (difference / scale).sqrt()
}

fn uniform_error(side: usize, pml: Pml) -> f64 {
    let source = PointSource::at([0.0, 0.0]);
    let grid = FrequencyGrid::new(side, 20.0, pml).unwrap();
    let solver = grid.factorize(&vec![1.0; grid.points()]).unwrap();
    let field = &solver.fields(&[source]).unwrap()[0];
    let exact = HankelField::new(source, 20.0).unwrap();
    error_against(|point| exact.value(point), &grid, field, &source)
}

#[test]
fn finite_differences_meet_the_hankel_function_with_second_order() {
    for pml in [Pml::default(), authors()] {
        let [coarse, fine] = [129, 257].map(|side| uniform_error(side, pml));
        let order = (coarse / fine).log2();
        assert!((coarse / 2.47e-2 - 1.0).abs() < 0.1, "{coarse}");
        assert!((fine / 5.9e-3 - 1.0).abs() < 0.1, "{fine}");
        assert!((order - 2.0).abs() < 0.2, "{order}");
    }
}

const CYLINDER: Cylinder = Cylinder {
    center: [0.0, 0.0],
    radius: 0.1,
    squared_slowness: 0.25,
};

/// The share of the cylinder in the cell around each node, by 16 × 16 points, gives the mean squared slowness.
fn averaged_cylinder(grid: &FrequencyGrid) -> Vec<f64> {
    let offset = |i: i32| (f64::from(i) - 7.5) / 16.0 * grid.spacing();
    let share = |[x, y]: Point| {
        let inside = (0..256)
            .filter(|i| (x + offset(i % 16)).hypot(y + offset(i / 16)) < CYLINDER.radius)
            .count();
        inside as f64 / 256.0
    };
    let contrast = 1.0 - CYLINDER.squared_slowness;
    (0..grid.points())
        .map(|index| 1.0 - contrast * share(grid.point(index)))
        .collect()
}

#[test]
fn finite_differences_meet_the_series_of_a_cylinder() {
    let source = PointSource::at([-0.35, 0.0]);
    let incident = HankelField::new(source, 20.0).unwrap();
    let exact = CylinderField::new(incident, CYLINDER).unwrap();
    let errors = [129, 257].map(|side| {
        let grid = FrequencyGrid::new(side, 20.0, Pml::default()).unwrap();
        let at_nodes: Vec<f64> = (0..grid.points())
            .map(|index| {
                let [x, y] = grid.point(index);
                if x.hypot(y) < 0.1 { 0.25 } else { 1.0 }
            })
            .collect();
        [averaged_cylinder(&grid), at_nodes].map(|medium| {
            let solver = grid.factorize(&medium).unwrap();
            let field = &solver.fields(&[source]).unwrap()[0];
            error_against(|point| exact.value(point), &grid, field, &source)
        })
    });
    let [[coarse, coarse_at_nodes], [fine, fine_at_nodes]] = errors;
    assert!((coarse_at_nodes / 2.7e-2 - 1.0).abs() < 0.05);
    assert!((fine_at_nodes / 9.26e-3 - 1.0).abs() < 0.05);
    // Averaged over the cells, the edge costs no order.
    let order = (coarse / fine).log2();
    assert!((order - 2.0).abs() < 0.2, "{order}");
}

/// A medium of blocks in [0.3, 1.7].
fn rough(grid: &FrequencyGrid) -> Vec<f64> {
    (0..grid.points())
        .map(|i| 0.3 + 1.4 * ((i * 7919) % 101) as f64 / 100.0)
        .collect()
}

fn noise(count: usize) -> Vec<Complex64> {
    (0..count)
        .map(|i| Complex64::new((i as f64 * 0.7).sin(), (i as f64 * 1.3).cos()))
        .collect()
}

#[test]
fn solutions_leave_a_residual_of_rounding_and_are_the_same_bits_each_time() {
    let grid = FrequencyGrid::new(65, 20.0, authors()).unwrap();
    let solver = grid.factorize(&rough(&grid)).unwrap();
    let right = noise(grid.points());
    let field = solver
        .solve(std::slice::from_ref(&right))
        .unwrap()
        .remove(0);
    let (mut residual, mut scale) = (0.0, 0.0);
    for (index, product) in solver.apply(&field).unwrap().iter().enumerate() {
        if grid.mass()[index] == Complex64::ZERO {
            continue;
        }
        residual += (product - right[index]).norm_sqr();
        scale += right[index].norm_sqr();
    }
    let residual = (residual / scale).sqrt();
    assert!(residual < 1e-11, "{residual}");
    let again = grid
        .factorize(&rough(&grid))
        .unwrap()
        .solve(&[right])
        .unwrap();
    assert_eq!(again[0], field);
}

#[test]
fn the_matrix_is_symmetric_so_that_source_and_receiver_may_be_exchanged() {
    let grid = FrequencyGrid::new(41, 12.0, Pml::default()).unwrap();
    let solver = grid.factorize(&rough(&grid)).unwrap();
    let (a, b) = (3 * 41 + 5, 30 * 41 + 22);
    let at = |index: usize| {
        let mut values = vec![Complex64::ZERO; grid.points()];
        values[index] = Complex64::ONE;
        values
    };
    let fields = solver.solve(&[at(a), at(b)]).unwrap();
    let (there, back) = (fields[0][b], fields[1][a]);
    assert!((there - back).norm() < 1e-12 * there.norm() && there.norm() > 0.0);
}

/// 97² points, where the paper's source has a standard deviation of 0.48 grid spacings.
#[test]
fn a_source_between_the_nodes_radiates_as_one_on_a_node() {
    let grid = FrequencyGrid::new(97, 20.0, Pml::default()).unwrap();
    let solver = grid.factorize(&vec![1.0; grid.points()]).unwrap();
    let errors = [[0.0, 0.0], [0.5, 0.5], [0.25, 0.0]].map(|offset: Point| {
        let source = PointSource::at(offset.map(|share| share * grid.spacing()));
        let terms = grid.source_terms(&source).unwrap();
        let integral = terms.iter().sum::<Complex64>() * grid.spacing().powi(2);
        let variance = (0.75 * grid.spacing()).powi(2);
        let expected = source.strength * (200.0 * (variance - source.variance)).exp();
        assert!((integral / expected - 1.0).norm() < 1e-4, "{integral}");
        let exact = HankelField::new(source, 20.0).unwrap();
        let field = &solver.fields(&[source]).unwrap()[0];
        error_against(|point| exact.value(point), &grid, field, &source)
    });
    for error in errors {
        assert!(
            (error / errors[0] - 1.0).abs() < 0.05 && error < 0.05,
            "{errors:?}"
        );
    }
}

#[test]
fn grids_and_media_without_a_solution_are_refused() {
    let pml = Pml::default();
    assert!(FrequencyGrid::new(25, 20.0, pml).is_err());
    assert!(FrequencyGrid::new(4, 1.0, pml).is_err());
    assert!(FrequencyGrid::new(97, f64::NAN, pml).is_err());
    for width in [0.0, 1.0, f64::NAN] {
        assert!(FrequencyGrid::new(97, 20.0, Pml { width, ..pml }).is_err());
    }
    let grid = FrequencyGrid::new(41, 12.0, pml).unwrap();
    for position in [[1.0, 0.0], [0.0, -2.0], [f64::NAN, 0.0]] {
        assert!(grid.source_terms(&PointSource::at(position)).is_err());
    }
    for variance in [-1e-4, f64::NAN] {
        let source = PointSource::at([0.0, 0.0]);
        let source = PointSource { variance, ..source };
        assert!(grid.source_terms(&source).is_err());
    }
    assert!(grid.factorize(&[1.0; 40 * 40]).is_err());
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut medium = vec![1.0; grid.points()];
        medium[77] = bad;
        assert!(grid.factorize(&medium).is_err(), "{bad}");
    }
    let solver = grid.factorize(&vec![1.0; grid.points()]).unwrap();
    assert!(solver.solve(&[noise(7)]).is_err());
    assert!(
        solver
            .solve(&[vec![Complex64::new(f64::NAN, 0.0); 1681]])
            .is_err()
    );
    assert!(solver.solve(&[]).unwrap().is_empty());
}
