//! The order conditions of the tableaux, tree by tree.

use solvers::tableau::{self, Tableau};

/// A rooted tree: the subtrees at its root.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
struct Tree(Vec<Tree>);

impl Tree {
    fn vertices(&self) -> usize {
        1 + self.0.iter().map(Tree::vertices).sum::<usize>()
    }

    /// γ, the density: the product of the sizes of all its subtrees (Hairer, Nørsett & Wanner 1993,
    /// definition II.2.10).
    fn density(&self) -> f64 {
        self.vertices() as f64 * self.0.iter().map(Tree::density).product::<f64>()
    }

    /// What each stage contributes: the product over the subtrees of Σ_j a_ij (that of j).
    fn stages(&self, tableau: &Tableau) -> Vec<f64> {
        let subtrees: Vec<Vec<f64>> = self.0.iter().map(|tree| tree.stages(tableau)).collect();
        (tableau.coefficients.iter())
            .map(|row| {
                let sum = |values: &Vec<f64>| -> f64 {
                    row.iter().zip(values).map(|(a, value)| a * value).sum()
                };
                subtrees.iter().map(sum).product()
            })
            .collect()
    }
}

/// All trees of `vertices` vertices.
fn trees(vertices: usize) -> Vec<Tree> {
    forests(vertices - 1, vertices)
        .into_iter()
        .map(Tree)
        .collect()
}

/// All multisets of trees of `vertices` vertices together, each tree smaller than `below`.
fn forests(vertices: usize, below: usize) -> Vec<Vec<Tree>> {
    if vertices == 0 {
        return vec![Vec::new()];
    }
    let mut found: Vec<Vec<Tree>> = Vec::new();
    for size in 1..=vertices.min(below) {
        for first in trees(size) {
            for mut rest in forests(vertices - size, size) {
                rest.push(first.clone());
                rest.sort_by(|a, b| a.partial_cmp(b).unwrap());
                if !found.contains(&rest) {
                    found.push(rest);
                }
            }
        }
    }
    found
}

/// The largest violation of the conditions of `order` at θ: Σ b_i φ_i = θ^|tree|/γ(tree).
fn violation(tableau: &Tableau, weights: &[f64], order: usize, theta: f64) -> f64 {
    let miss = |tree: &Tree| {
        let stages = tree.stages(tableau);
        let sum: f64 = weights.iter().zip(stages).map(|(b, phi)| b * phi).sum();
        (sum - theta.powi(order as i32) / tree.density()).abs()
    };
    trees(order).iter().map(miss).fold(0.0, f64::max)
}

fn assert_order(tableau: &Tableau, weights: &[f64], order: u32, theta: f64, what: &str) {
    for p in 1..=order as usize {
        let miss = violation(tableau, weights, p, theta);
        assert!(
            miss < 1e-14,
            "{tableau:?} {what}: order {p} missed by {miss:e}"
        );
    }
    let next = violation(tableau, weights, order as usize + 1, theta);
    assert!(next > 1e-5, "{tableau:?} {what}: has order {}", order + 1);
}

#[test]
fn there_are_as_many_rooted_trees_as_is_known() {
    // OEIS A000081.
    let counts: Vec<usize> = (1..=6).map(|n| trees(n).len()).collect();
    assert_eq!(counts, [1, 1, 2, 4, 9, 20]);
}

#[test]
fn every_tableau_satisfies_the_conditions_of_its_order_and_not_of_the_next() {
    for tableau in tableau::ALL {
        assert_order(tableau, tableau.weights, tableau.order, 1.0, "b");
        for (row, node) in tableau.coefficients.iter().zip(tableau.nodes) {
            assert!(
                (row.iter().sum::<f64>() - node).abs() < 1e-14,
                "{tableau:?}"
            );
        }
        let rows = tableau.coefficients.iter().enumerate();
        assert!(rows.clone().all(|(i, row)| row.len() == i), "explicit");
        assert_eq!(rows.len(), tableau.weights.len());
    }
}

#[test]
fn the_embedded_weights_have_their_order_and_the_last_stage_is_the_next_first() {
    for tableau in tableau::ALL {
        let Some(embedded) = tableau.embedded else {
            continue;
        };
        let pairs = tableau.weights.iter().zip(embedded.error_weights);
        let lower: Vec<f64> = pairs.map(|(b, difference)| b - difference).collect();
        assert_order(tableau, &lower, embedded.order, 1.0, "embedded");
        let last = tableau.coefficients.len() - 1;
        assert_eq!(tableau.coefficients[last], &tableau.weights[..last]);
        assert_eq!(tableau.weights[last], 0.0);
        assert_eq!(tableau.nodes[last], 1.0);
    }
}

#[test]
fn the_states_within_a_step_have_order_3_and_those_of_dormand_and_prince_4() {
    for (tableau, order) in [
        (&tableau::BOGACKI_SHAMPINE, 3),
        (&tableau::DORMAND_PRINCE, 4),
    ] {
        for theta in [0.3, 0.5, 0.8] {
            assert_order(
                tableau,
                &tableau.weights_within(theta),
                order,
                theta,
                "within",
            );
        }
        let ends = [
            (0.0, vec![0.0; tableau.weights.len()]),
            (1.0, tableau.weights.to_vec()),
        ];
        for (theta, expected) in ends {
            let found = tableau.weights_within(theta);
            let close = found
                .iter()
                .zip(&expected)
                .all(|(a, b)| (a - b).abs() < 1e-14);
            assert!(close, "{tableau:?} at {theta}");
        }
    }
}
