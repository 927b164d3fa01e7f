//! Butcher tableaux as data: what tells one explicit Runge-Kutta method from another.

use std::fmt;

/// An explicit Runge-Kutta method of s stages for dy/du = f(y, u), a step h from u to u + h:
///
/// ```text
/// k_i = f(y + h Σ_{j<i} a_ij k_j, u + c_i h)     y′ = y + h Σ_i b_i k_i
/// ```
///
/// An embedded one has a second set of weights b̂ of lower order; h Σ (b_i − b̂_i) k_i is the error of
/// the step (Hairer, Nørsett & Wanner 1993, chapter II.4).
#[derive(Clone, Copy, PartialEq)]
pub struct Tableau {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// The order of y′, asserted by test.
    pub order: u32,
    /// c_i, the places of the stages in units of the step; length s.
    pub nodes: &'static [f64],
    /// a_ij for j < i: row i has length i.
    pub coefficients: &'static [&'static [f64]],
    /// b_i, length s.
    pub weights: &'static [f64],
    /// The embedded method, if there is one.
    pub embedded: Option<Embedded>,
}

/// The second set of weights of an embedded method, whose last stage is the next step's first (FSAL).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Embedded {
    /// The order of y + h Σ b̂_i k_i.
    pub order: u32,
    /// b_i − b̂_i, length s.
    pub error_weights: &'static [f64],
    /// d_i, what the states within a step have beyond a cubic through its ends
    /// ([`Tableau::weights_within`]); length s.
    pub dense_weights: &'static [f64],
}

/// Euler's method.
pub const EULER: Tableau = Tableau {
    name: "euler",
    order: 1,
    nodes: &[0.0],
    coefficients: &[&[]],
    weights: &[1.0],
    embedded: None,
};

/// The explicit midpoint rule (Runge 1895).
pub const MIDPOINT: Tableau = Tableau {
    name: "midpoint",
    order: 2,
    nodes: &[0.0, 0.5],
    coefficients: &[&[], &[0.5]],
    weights: &[0.0, 1.0],
    embedded: None,
};

/// Heun's method of order 2, the explicit trapezoidal rule.
pub const HEUN: Tableau = Tableau {
    name: "heun",
    order: 2,
    nodes: &[0.0, 1.0],
    coefficients: &[&[], &[1.0]],
    weights: &[0.5, 0.5],
    embedded: None,
};

/// The classical method of order 4 (Kutta 1901).
pub const RK4: Tableau = Tableau {
    name: "rk4",
    order: 4,
    nodes: &[0.0, 0.5, 0.5, 1.0],
    coefficients: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    weights: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    embedded: None,
};

/// Bogacki & Shampine 1989, order 3 with an embedded 2.
pub const BOGACKI_SHAMPINE: Tableau = Tableau {
    name: "bogacki-shampine",
    order: 3,
    nodes: &[0.0, 0.5, 0.75, 1.0],
    coefficients: &[
        &[],
        &[0.5],
        &[0.0, 0.75],
        &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0],
    ],
    weights: &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0],
    embedded: Some(Embedded {
        order: 2,
        error_weights: &[-5.0 / 72.0, 1.0 / 12.0, 1.0 / 9.0, -1.0 / 8.0],
        dense_weights: &[0.0; 4],
    }),
};

/// Dormand & Prince 1980, order 5 with an embedded 4, and the states within a step to order 4 (Hairer,
/// Nørsett & Wanner 1993, table II.5.2 and the code `dopri5`): scipy's and score_sde's RK45.
pub const DORMAND_PRINCE: Tableau = Tableau {
    name: "dormand-prince",
    order: 5,
    nodes: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0],
    coefficients: &[
        &[],
        &[0.2],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[
            19372.0 / 6561.0,
            -25360.0 / 2187.0,
            64448.0 / 6561.0,
            -212.0 / 729.0,
        ],
        &[
            9017.0 / 3168.0,
            -355.0 / 33.0,
            46732.0 / 5247.0,
            49.0 / 176.0,
            -5103.0 / 18656.0,
        ],
        &[
            35.0 / 384.0,
            0.0,
            500.0 / 1113.0,
            125.0 / 192.0,
            -2187.0 / 6784.0,
            11.0 / 84.0,
        ],
    ],
    weights: &[
        35.0 / 384.0,
        0.0,
        500.0 / 1113.0,
        125.0 / 192.0,
        -2187.0 / 6784.0,
        11.0 / 84.0,
        0.0,
    ],
    embedded: Some(Embedded {
        order: 4,
        error_weights: &[
            71.0 / 57600.0,
            0.0,
            -71.0 / 16695.0,
            71.0 / 1920.0,
            -17253.0 / 339200.0,
            22.0 / 525.0,
            -1.0 / 40.0,
        ],
        dense_weights: &[
            -12_715_105_075.0 / 11_282_082_432.0,
            0.0,
            87_487_479_700.0 / 32_700_410_799.0,
            -10_690_763_975.0 / 1_880_347_072.0,
            701_980_252_875.0 / 199_316_789_632.0,
            -1_453_857_185.0 / 822_651_844.0,
            69_997_945.0 / 29_380_423.0,
        ],
    }),
};

/// Every tableau here.
pub const ALL: [&Tableau; 6] = [
    &EULER,
    &MIDPOINT,
    &HEUN,
    &RK4,
    &BOGACKI_SHAMPINE,
    &DORMAND_PRINCE,
];

impl Tableau {
    /// The number of stages that y′ needs: a last one of weight 0 serves the error alone.
    #[must_use]
    pub fn stages(&self) -> usize {
        let needed = self.weights.iter().rposition(|&b| b != 0.0);
        needed.map_or(0, |last| last + 1)
    }

    /// w_i(θ) of the state y + h Σ w_i(θ) k_i at u + θ h within a step of an embedded method, θ in
    /// [0, 1]; length s.
    ///
    /// The cubic that has the step's ends and slopes, and d_i θ² (1 − θ)² (Hairer, Nørsett & Wanner
    /// 1993, eq. II.6.7). Empty for a method that is not embedded.
    #[must_use]
    pub fn weights_within(&self, theta: f64) -> Vec<f64> {
        let Some(embedded) = self.embedded else {
            return Vec::new();
        };
        let last = self.weights.len() - 1;
        let rest = 1.0 - theta;
        (self.weights.iter().zip(embedded.dense_weights))
            .enumerate()
            .map(|(i, (b, d))| {
                let first = f64::from(u8::from(i == 0));
                let end = f64::from(u8::from(i == last));
                let cubic = (first - b) + theta * (2.0 * b - first - end);
                theta * (b + rest * (cubic + theta * rest * d))
            })
            .collect()
    }
}

impl fmt::Debug for Tableau {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
