//! Which known name a mistyped one was meant to be.

use strsim::{jaro_winkler, normalized_damerau_levenshtein};

/// The keys among `known` that the unknown dotted `key` was most likely meant to be: two at most, the
/// likeliest first.
pub fn similar_keys(key: &str, known: &[String]) -> Vec<String> {
    let (parent, last) = split(key);
    let score = |candidate: &str| {
        let (its_parent, its_last) = split(candidate);
        let name = if its_last == last {
            1.0
        } else {
            jaro_winkler(last, its_last)
                .min(0.5 + 0.5 * normalized_damerau_levenshtein(last, its_last))
        };
        // A slip of the pen is likelier than a wrong section.
        let place = if its_parent == parent { 0.1 } else { 0.0 };
        name + place + 0.05 * normalized_damerau_levenshtein(key, candidate)
    };
    best(known, score, 0.83, 2)
}

/// The name among `known` that `name` was most likely meant to be.
pub fn similar_name(name: &str, known: &[String]) -> Option<String> {
    let score = |candidate: &str| jaro_winkler(name, candidate);
    best(known, score, 0.75, 1).pop()
}

/// "did you mean `a` or `b`?"
pub fn question(suggestions: &[String]) -> Option<String> {
    let quoted: Vec<String> = suggestions.iter().map(|s| format!("`{s}`")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

fn best(known: &[String], score: impl Fn(&str) -> f64, least: f64, count: usize) -> Vec<String> {
    let mut scored: Vec<(f64, &String)> = known
        .iter()
        .map(|candidate| (score(candidate), candidate))
        .filter(|(score, _)| *score >= least)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    // A clear winner stands alone.
    if let [(first, _), (second, _), ..] = scored[..]
        && first - second > 0.1
    {
        scored.truncate(1);
    }
    scored.truncate(count);
    scored.into_iter().map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        [
            "name",
            "data.path",
            "sampling.seed",
            "sampling.steps",
            "training.batch_size",
            "training.learning_rate",
            "training.final_learning_rate",
            "training.seed",
            "training.steps",
        ]
        .map(String::from)
        .to_vec()
    }

    #[test]
    fn a_slip_of_the_pen_is_mended() {
        for (key, meant) in [
            ("training.setps", "training.steps"),
            ("training.learnig_rate", "training.learning_rate"),
            ("training.batchsize", "training.batch_size"),
            ("traning.batch_size", "training.batch_size"),
            ("nme", "name"),
        ] {
            assert_eq!(similar_keys(key, &known())[0], meant, "{key}");
        }
    }

    #[test]
    fn a_key_without_its_section_finds_it() {
        assert_eq!(similar_keys("steps", &known()).len(), 2);
        assert_eq!(
            similar_keys("batch_size", &known()),
            ["training.batch_size"]
        );
    }

    #[test]
    fn what_is_like_nothing_suggests_nothing() {
        assert!(similar_keys("training.zzz", &known()).is_empty());
        assert_eq!(similar_name("qqq", &["heun".into(), "edm".into()]), None);
        assert_eq!(
            similar_name("huen", &["heun".into(), "edm".into()]),
            Some("heun".into())
        );
    }

    #[test]
    fn questions_read_as_english() {
        assert_eq!(question(&[]), None);
        let two = question(&["a".into(), "b".into()]);
        assert_eq!(two.as_deref(), Some("did you mean `a` or `b`?"));
    }
}
