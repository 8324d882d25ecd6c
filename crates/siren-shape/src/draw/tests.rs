use image::{Rgb, RgbImage};
use rayon::ThreadPoolBuilder;

use super::slices::{deviations_picture, slice_points, slices_picture};
use super::{ColorMap, Paint, cloud_views, painted_views, two_views};
use crate::geometry::{Mesh, PointCloud, Vector};

const SIZE: u32 = 60;

/// A square from −1 to 1 at z = 0, whose front is toward +z.
fn square() -> Mesh {
    Mesh {
        vertices: vec![
            [-1.0, -1.0, 0.0],
            [1.0, -1.0, 0.0],
            [1.0, 1.0, 0.0],
            [-1.0, 1.0, 0.0],
        ],
        faces: vec![[0, 1, 2], [0, 2, 3]],
        normals: None,
    }
}

/// Points of the unit sphere, which are their own normals.
fn sphere_points(rows: usize) -> Vec<Vector> {
    let angle = |i: usize, n: usize| std::f64::consts::PI * i as f64 / n as f64;
    let row = |i: usize| {
        let (sin_row, cos_row) = angle(i, rows).sin_cos();
        (0..2 * rows).map(move |j| {
            let (sin_column, cos_column) = angle(j, rows).sin_cos();
            [sin_row * cos_column, cos_row, sin_row * sin_column]
        })
    };
    (0..=rows).flat_map(row).collect()
}

fn is_warm(Rgb([red, _, blue]): Rgb<u8>) -> bool {
    i32::from(red) > i32::from(blue) + 40
}

fn is_cool(Rgb([red, _, blue]): Rgb<u8>) -> bool {
    i32::from(blue) > i32::from(red) + 8
}

/// Pixel in the middle of the front view and of the view from behind.
fn middles(picture: &RgbImage) -> [Rgb<u8>; 2] {
    [SIZE / 2, SIZE / 2 + SIZE].map(|x| *picture.get_pixel(x, SIZE / 2))
}

fn has_only_background(picture: &RgbImage) -> bool {
    picture
        .pixels()
        .all(|pixel| pixel.0.iter().all(|&c| c > 220))
}

fn moved(mesh: &Mesh, offset: f64, scale: f64) -> Mesh {
    let place = |p: &Vector| p.map(|x| scale * x + offset);
    Mesh {
        vertices: mesh.vertices.iter().map(place).collect(),
        ..mesh.clone()
    }
}

fn largest_difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    let pairs = a.as_raw().iter().zip(b.as_raw());
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or_default()
}

#[test]
fn the_front_of_a_surface_is_cool_in_the_left_view_and_its_back_is_warm_in_the_right_view() {
    let picture = two_views(&square(), SIZE);
    assert_eq!(picture.dimensions(), (2 * SIZE, SIZE));
    let [front, behind] = middles(&picture);
    assert!(is_cool(front), "{front:?}");
    assert!(is_warm(behind), "{behind:?}");
    // Normals at the vertices change the light, not the side.
    let normals = Some(vec![[0.0, 0.0, 1.0]; 4]);
    let [front, behind] = middles(&two_views(
        &Mesh {
            normals,
            ..square()
        },
        SIZE,
    ));
    assert!(is_cool(front) && is_warm(behind));
}

#[test]
fn y_is_up_and_x_is_to_the_right_in_the_front_view() {
    let mut mesh = square();
    // Far corners that widen the view, without faces.
    mesh.vertices.extend([[-3.0, -3.0, 0.0], [3.0, 3.0, 0.0]]);
    for p in &mut mesh.vertices[..4] {
        *p = [0.2 * p[0] + 2.0, 0.2 * p[1] + 2.0, 0.0];
    }
    let picture = two_views(&mesh, SIZE);
    let drawn = picture
        .enumerate_pixels()
        .filter(|(x, _, pixel)| *x < SIZE && is_cool(**pixel));
    let places: Vec<_> = drawn.map(|(x, y, _)| [x, y]).collect();
    assert!(!places.is_empty());
    assert!(
        places.iter().all(|&[x, y]| x > SIZE / 2 && y < SIZE / 2),
        "{places:?}"
    );
}

#[test]
fn the_nearer_of_two_surfaces_hides_the_other() {
    let mut mesh = square();
    // Farther from the front viewer, and with its back to that viewer.
    mesh.vertices
        .extend(square().vertices.iter().map(|p| [p[0], p[1], -0.3]));
    mesh.faces.extend([[4, 6, 5], [4, 7, 6]]);
    let [front, behind] = middles(&two_views(&mesh, SIZE));
    assert!(is_cool(front) && is_cool(behind), "{front:?} {behind:?}");
    mesh.faces.reverse();
    assert_eq!(middles(&two_views(&mesh, SIZE)), [front, behind]);
}

#[test]
fn place_and_size_of_a_mesh_do_not_change_its_picture() {
    let picture = two_views(&square(), SIZE);
    for mesh in [
        moved(&square(), 1e6, 1.0),
        moved(&square(), 0.0, 1e300),
        moved(&square(), 0.0, 1e-300),
    ] {
        let difference = largest_difference(&two_views(&mesh, SIZE), &picture);
        assert!(difference <= 2, "{difference}");
    }
}

#[test]
fn meshes_without_visible_faces_show_the_background() {
    let empty = Mesh::default();
    let point = moved(&square(), 3.0, 0.0);
    let nowhere = moved(&square(), f64::NAN, 1.0);
    let dangling = Mesh {
        faces: vec![[0, 1, 4], [0, 1, u32::MAX]],
        ..square()
    };
    for mesh in [empty, point, nowhere, dangling] {
        assert!(has_only_background(&two_views(&mesh, SIZE)), "{mesh:?}");
    }
    assert!(!has_only_background(&two_views(&square(), SIZE)));
}

#[test]
fn a_vertex_that_is_not_finite_takes_only_its_own_faces_away() {
    let mut mesh = square();
    mesh.vertices.push([f64::INFINITY, 0.0, f64::NAN]);
    mesh.faces.push([0, 1, 4]);
    assert_eq!(two_views(&mesh, SIZE), two_views(&square(), SIZE));
}

#[test]
fn values_paint_the_front_and_gray_marks_missing_ones() {
    let paint = |values: &[f32]| {
        let map = ColorMap::BlueOrange { range: 1.0 };
        middles(&painted_views(&square(), SIZE, &Paint { values, map }))[0]
    };
    assert!(is_warm(paint(&[0.7; 4])), "{:?}", paint(&[0.7; 4]));
    assert!(is_cool(paint(&[-0.7; 4])), "{:?}", paint(&[-0.7; 4]));
    let Rgb([red, green, blue]) = paint(&[]);
    assert!(red.abs_diff(green) < 12 && green.abs_diff(blue) < 12);
}

#[test]
fn points_are_shaded_if_they_have_normals_and_gray_otherwise() {
    let points = sphere_points(40);
    let normals = Some(points.clone());
    let inward = Some(points.iter().map(|p| p.map(|x| -x)).collect());
    let draw = |normals: Option<Vec<Vector>>| {
        let points = points.clone();
        middles(&cloud_views(&PointCloud { points, normals }, SIZE))[0]
    };
    assert!(is_cool(draw(normals)));
    assert!(is_warm(draw(inward)));
    let Rgb([red, green, blue]) = draw(None);
    assert!(red.abs_diff(green) < 12 && green.abs_diff(blue) < 12 && red < 220);
}

#[test]
fn a_single_point_is_visible_and_no_points_show_the_background() {
    let cloud = |points: &[Vector]| PointCloud {
        points: points.to_vec(),
        normals: None,
    };
    assert!(has_only_background(&cloud_views(&cloud(&[]), SIZE)));
    assert!(has_only_background(&cloud_views(
        &cloud(&[[f64::NAN; 3]]),
        SIZE
    )));
    let [front, behind] = middles(&cloud_views(&cloud(&[[7.0; 3]]), SIZE));
    assert!(front.0[0] < 220 && behind.0[0] < 220);
}

#[test]
fn pictures_do_not_depend_on_the_number_of_threads() {
    let points = sphere_points(30);
    let cloud = PointCloud {
        normals: Some(points.clone()),
        points,
    };
    let with_threads = |count| {
        let pool = ThreadPoolBuilder::new()
            .num_threads(count)
            .build()
            .expect("a thread pool");
        pool.install(|| [cloud_views(&cloud, SIZE), two_views(&square(), SIZE)])
    };
    assert_eq!(with_threads(1), with_threads(3));
}

/// Values of Φ at the pixels of the slices.
fn slice_values(side: usize, phi: impl Fn(&[f64]) -> f64) -> [Vec<f32>; 3] {
    slice_points(side, 1.0).map(|slice| slice.chunks(3).map(|p| phi(p) as f32).collect())
}

#[test]
fn slice_points_lie_in_their_planes_at_the_centers_of_pixels() {
    let slices = slice_points(4, 2.0);
    for (axis, slice) in slices.iter().enumerate() {
        assert_eq!(slice.len(), 4 * 4 * 3);
        assert!(slice.chunks(3).all(|p| p[axis] == 0.0));
    }
    // The pixel at the upper left, seen from +x, +y and +z.
    let first = slices
        .each_ref()
        .map(|slice| [slice[0], slice[1], slice[2]]);
    assert_eq!(
        first,
        [[0.0, 1.5, 1.5], [-1.5, 0.0, -1.5], [-1.5, 1.5, 0.0]]
    );
}

#[test]
fn slices_are_blue_inside_orange_outside_and_black_on_the_zero_line() {
    let side = 101;
    let sphere = slice_values(side, |p| p.iter().map(|x| x * x).sum::<f64>().sqrt() - 0.5);
    let picture = slices_picture(&sphere, side, 0.5);
    for slice in 0..3 {
        let left = slice * (side as u32 + super::slices::GAP);
        let pixel = |x: u32, y: u32| picture.get_pixel(left + x, y);
        assert!(is_cool(*pixel(50, 50)));
        assert!(is_warm(*pixel(2, 2)));
        // x = 0.5 is at 75.75 − 0.5 pixels from the left.
        assert!(
            pixel(75, 50).0.iter().all(|&c| c < 40),
            "{:?}",
            pixel(75, 50)
        );
        assert!(pixel(25, 50).0.iter().all(|&c| c < 40));
    }
}

#[test]
fn slices_show_where_in_space_the_values_are() {
    let side = 40;
    // Inside is the octant x > 0, y > 0, z > 0, and a bit of the planes themselves.
    let octant = slice_values(side, |p| {
        -p.iter().copied().fold(f64::INFINITY, |a, b| a.min(b + 0.1))
    });
    let picture = slices_picture(&octant, side, 1.0);
    // z is to the left in the first slice and down in the second; x is to the right, y is up.
    let inside = [[5, 5], [35, 35], [35, 5]];
    for (slice, [x, y]) in (0..).zip(inside) {
        let left = slice * (side as u32 + super::slices::GAP);
        for (x, y, expected) in [
            (x, y, true),
            (39 - x, y, false),
            (x, 39 - y, false),
            (39 - x, 39 - y, false),
        ] {
            let pixel = picture.get_pixel(left + x, y);
            // Saturated blue is not reached near the planes: compare the signs.
            assert_eq!(
                pixel.0[2] > pixel.0[0],
                expected,
                "slice {slice} at {x}, {y}: {pixel:?}"
            );
        }
    }
}

#[test]
fn deviations_are_teal_or_violet_with_the_zero_line_of_the_values_on_top() {
    let side = 61;
    let plane = slice_values(side, |p| p[0] + p[1] + p[2]);
    let signs = slice_values(side, |p| 0.4 * (p[0] + p[1] + p[2]).signum());
    let picture = deviations_picture(&signs, &plane, side, 0.5);
    let left = 2 * (side as u32 + super::slices::GAP);
    let Rgb([red, green, _]) = *picture.get_pixel(left + 2, 58);
    assert!(green > red + 20, "teal");
    let Rgb([red, green, _]) = *picture.get_pixel(left + 58, 2);
    assert!(red > green + 20, "violet");
    assert!(picture.get_pixel(left + 30, 30).0.iter().all(|&c| c < 60));
}

#[test]
fn values_that_are_missing_or_not_finite_are_gray() {
    let side = 20;
    let picture = slices_picture(
        &[vec![], vec![f32::NAN; 400], vec![f32::INFINITY; 400]],
        side,
        0.5,
    );
    for slice in 0..3 {
        let pixel = picture.get_pixel(slice * (side as u32 + super::slices::GAP) + 10, 10);
        assert_eq!(*pixel, Rgb([153; 3]));
    }
    assert!(slices_picture(&Default::default(), 0, 0.0).width() > 0);
}

#[test]
fn many_equal_points_look_like_one() {
    let cloud = |count: usize| PointCloud {
        points: vec![[1.0, 2.0, 3.0]; count],
        normals: None,
    };
    let one = cloud_views(&cloud(1), SIZE);
    assert!(!has_only_background(&one));
    assert_eq!(cloud_views(&cloud(3000), SIZE), one);
}

#[test]
fn of_more_than_a_million_points_some_are_drawn() {
    let points: Vec<Vector> = sphere_points(100)
        .into_iter()
        .cycle()
        .take(1_500_000)
        .collect();
    let normals = Some(points.clone());
    let [front, _] = middles(&cloud_views(&PointCloud { points, normals }, SIZE));
    assert!(is_cool(front), "{front:?}");
}

#[test]
fn level_lines_are_at_round_values() {
    let cases = [
        (1.0, 0.1),
        (0.5, 0.1),
        (0.3, 0.05),
        (0.15, 0.02),
        (2.0, 0.5),
        (10.0, 1.0),
    ];
    for (range, expected) in cases {
        let step = super::slices::level_step(range);
        assert!((step / expected - 1.0).abs() < 1e-5, "{range}: {step}");
    }
}

#[test]
fn labels_have_two_significant_digits() {
    let cases = [
        (0.0, "0"),
        (-0.25, "-0.25"),
        (1.0, "1"),
        (0.012_345, "0.012"),
        (3.2e-5, "3.2e-5"),
        (1234.0, "1200"),
    ];
    for (value, expected) in cases {
        assert_eq!(super::bar::label(value), expected);
    }
}
