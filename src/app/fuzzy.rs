//! Finding a label by some of its letters.

/// Points for a letter that is there.
const HIT: i32 = 4;
/// More, where it begins a word.
const WORD: i32 = 10;
/// More, where it follows the letter found before.
const NEXT: i32 = 7;
/// More, where all of it stands together at the beginning of a word: a word that was typed out is meant.
const TOGETHER: i32 = 40;

/// How well `typed` fits `label`, and the places (in letters) where its own letters were found, in order; `None` where they
/// are not all there. Case and spaces do not count. Of all ways to find the letters the best is taken.
pub fn find(label: &str, typed: &str) -> Option<(i32, Vec<usize>)> {
    let letters: Vec<char> = label.chars().flat_map(|c| c.to_lowercase().take(1)).collect();
    let typed: Vec<char> = typed.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    if typed.is_empty() {
        return Some((0, Vec::new()));
    }
    let starts = |at: usize| at == 0 || !letters[at - 1].is_alphanumeric();
    // best[i][at]: points when letter i of what was typed is found at `at`, and where the letter before it was found.
    let mut best: Vec<Vec<Option<(i32, usize)>>> = Vec::with_capacity(typed.len());
    for (i, wanted) in typed.iter().enumerate() {
        let mut row = vec![None; letters.len()];
        for at in (0..letters.len()).filter(|&at| letters[at] == *wanted) {
            let here = HIT + if starts(at) { WORD } else { 0 };
            row[at] = if i == 0 {
                Some((here - (at.min(10) as i32), at))
            } else {
                let before = &best[i - 1];
                let from = (0..at)
                    .filter_map(|p| before[p].map(|(points, _)| (points + if p + 1 == at { NEXT } else { 0 }, p)));
                from.max_by_key(|(points, p)| (*points, *p)).map(|(points, p)| (points + here, p))
            };
        }
        best.push(row);
    }
    let last = best.last()?;
    let (points, mut at) = (0..letters.len())
        .filter_map(|at| last[at].map(|(points, _)| (points, at)))
        .max_by_key(|(points, at)| (*points, std::cmp::Reverse(*at)))?;
    let mut places = vec![at];
    for i in (1..typed.len()).rev() {
        at = best[i][at]?.1;
        places.push(at);
    }
    places.reverse();
    let together = places.windows(2).all(|pair| pair[1] == pair[0] + 1) && starts(places[0]) && typed.len() > 2;
    let points = points + if together { TOGETHER } else { 0 };
    // Of two labels with the same letters found, the shorter is meant.
    Some((points * 100 - letters.len() as i32, places))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::find;

    fn best<'a>(labels: &[&'a str], typed: &str) -> Option<&'a str> {
        let scored = labels.iter().filter_map(|label| find(label, typed).map(|(points, _)| (points, *label)));
        scored.max_by_key(|(points, _)| *points).map(|(_, label)| label)
    }

    #[test]
    fn the_label_that_is_meant_comes_first() {
        let labels = ["Open gallery…", "Open queries…", "Next query", "Go to the map", "Original size"];
        assert_eq!(best(&labels, "og"), Some("Open gallery…"));
        assert_eq!(best(&labels, "query"), Some("Next query"));
        assert_eq!(best(&labels, "OPEN Q"), Some("Open queries…"));
        assert_eq!(best(&labels, "xyz"), None);
        let labels = ["Group by identity, or do not", "Show or hide ground truth"];
        assert_eq!(best(&labels, "ground"), Some("Show or hide ground truth"));
        assert_eq!(best(&labels, "group"), Some("Group by identity, or do not"));
        assert_eq!(find("Open gallery…", "gal").map(|(_, places)| places), Some(vec![5, 6, 7]));
    }

    proptest! {
        #[test]
        fn places_are_the_letters_in_order(label in "[a-zA-Zäß ]{0,16}", typed in "[a-z ]{0,5}") {
            if let Some((_, places)) = find(&label, &typed) {
                let letters: Vec<char> = label.to_lowercase().chars().collect();
                prop_assert!(places.windows(2).all(|w| w[0] < w[1]));
                if letters.len() == label.chars().count() {
                    let found: String = places.iter().map(|&p| letters[p]).collect();
                    prop_assert_eq!(found, typed.replace(' ', ""));
                }
            }
        }

        #[test]
        fn no_text_panics(label in ".*", typed in ".*") {
            let _ = find(&label, &typed);
        }
    }
}
