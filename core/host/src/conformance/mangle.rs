//! Mangles text, the same way for the same seed.

/// Numbers that look random and are not (SplitMix64): a failure found with a seed is found again with it.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }
}

/// What configurations are made of, and what they should not hold.
const PIECES: [&str; 20] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "\\",
    ",",
    ":",
    "Some(",
    "None",
    "-1",
    "18446744073709551616",
    "1e999",
    "'",
    "\u{0}",
    "\u{1f600}",
    "../..",
    "//",
];

/// The text with a few changes in it.
pub(super) fn mangled(text: &str, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(chars.len() + 1);
        match numbers.below(5) {
            0 => chars.truncate(at),
            1 => {
                let end = (at + 1 + numbers.below(8)).min(chars.len());
                chars.drain(at..end);
            }
            2 => {
                let end = (at + 1 + numbers.below(16)).min(chars.len());
                let again = chars[at..end].to_vec();
                chars.splice(at..at, again);
            }
            3 => {
                let long: Vec<char> = PIECES[numbers.below(PIECES.len())].chars().collect();
                chars.splice(at..at, long.repeat(1 + numbers.below(500)));
            }
            _ => {
                chars.splice(at..at, PIECES[numbers.below(PIECES.len())].chars());
            }
        }
    }
    chars.into_iter().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_same_seed_mangles_the_same_way() {
        let text = r#"( from: "home/backup", to: "home" )"#;
        let all: std::collections::BTreeSet<String> = (0..200).map(|n| super::mangled(text, n)).collect();
        assert!(all.len() > 150, "{}", all.len());
        assert_eq!(super::mangled(text, 7), super::mangled(text, 7));
        assert!((0..200).all(|n| super::mangled("", n).len() < 100_000));
    }
}
