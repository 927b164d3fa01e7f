//! Orders of convergence from errors.

/// The order p of errors C N^{-p}, by least squares on the logarithms of (N, error).
pub fn order(errors: &[(usize, f64)]) -> f64 {
    let points: Vec<(f64, f64)> = errors
        .iter()
        .map(|&(steps, error)| ((steps as f64).ln(), error.ln()))
        .collect();
    let mean =
        |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let covariance = mean(&|p| (p.0 - x) * (p.1 - y));
    let variance = mean(&|p| (p.0 - x).powi(2));
    -covariance / variance
}

#[test]
fn the_order_of_exact_powers_is_their_exponent() {
    let errors = [8, 16, 32].map(|n| (n, 3.0 * f64::powf(n as f64, -1.5)));
    assert!((order(&errors) - 1.5).abs() < 1e-12);
}
