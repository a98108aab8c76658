//! The known word that was probably meant.

/// Words whose lengths differ by more are not compared letter by letter.
const MOST_BYTES_APART: usize = 8;

/// The candidate nearest to `word`, if it is near enough to be a slip of the keyboard.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the letters wrong is still a slip; more is another word.
    let most = (word.chars().count() / 3).clamp(1, 3);
    let as_long = |candidate: &&str| candidate.len().abs_diff(word.len()) <= MOST_BYTES_APART;
    candidates
        .into_iter()
        .filter(as_long)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete, replace or swap with their neighbour to get from `a` to `b`
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["protocol", "pool", "bind", "timeouts"];
        for (word, expected) in [
            ("protcol", Some("protocol")),
            ("portocol", Some("protocol")),
            ("Pool", Some("pool")),
            ("timeout", Some("timeouts")),
            ("color", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }

    #[test]
    fn a_swap_is_one_step() {
        assert_eq!(distance("bnid", "bind"), 1);
        assert_eq!(distance("", "ab"), 2);
    }
}
