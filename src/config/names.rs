//! Which variables there are. `.env.example` has the list, whose every name a test holds against the source: a new
//! variable is known here with the line that explains it there.

use crate::spelling::did_you_mean;

pub(super) const EXAMPLE: &str = include_str!("../../.env.example");

/// What the variables of rowcast begin with.
const PREFIX: &str = "rowcast_";

/// What those of them go on with that are for whoever builds and tests rowcast.
const OF_TESTS: [&str; 2] = ["TEST_", "BENCH_"];

/// A sentence for each name that looks like one of rowcast's variables and is none, with the one that was probably
/// meant. The names of all else that is in an environment are nobody's mistake.
pub fn unknown<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let ours = |name: &&str| name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let known = |name: &str| {
        example().any(|(known, _)| known == name)
            || OF_TESTS.iter().any(|start| name[PREFIX.len()..].starts_with(start))
            || crate::fault::NAMES.contains(&name)
    };
    let strange = names.into_iter().filter(ours).filter(|name| !known(name));
    let said = |name| format!("{name} is not known{}", did_you_mean(name, example().map(|(known, _)| known)));
    strange.map(said).collect()
}

/// The variables of `.env.example` with their values there, whether or not they are commented out.
pub(super) fn example() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = EXAMPLE.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|c| c.is_ascii_uppercase() || c == b'_');
    lines.filter_map(|line| line.split_once('=')).filter(move |(name, _)| is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_told_with_the_one_that_was_meant_and_no_other_is() {
        let fine = "REDIS_URL ROWCAST_TABLE ROWCAST_TEST_SQL PATH ROW ROWCAST ÜROWCAST_X";
        assert_eq!(unknown(fine.split(' ')), Vec::<String>::new());
        let told = unknown("ROWCAST_TABEL rowcast_batch ROWCAST_COLOUR".split(' '));
        let expected = [
            "ROWCAST_TABEL is not known; did you mean ROWCAST_TABLE?",
            "rowcast_batch is not known; did you mean ROWCAST_BATCH?",
            "ROWCAST_COLOUR is not known",
        ];
        assert_eq!(told, expected);
    }
}
