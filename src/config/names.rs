//! Which variables there are. `.env.example` has the list, whose every name a test holds against the source: a new
//! variable is known here with the line that explains it there.

use crate::spelling::did_you_mean;

/// `.env.example`: every variable with its default and what it means.
pub const EXAMPLE: &str = include_str!("../../.env.example");

/// What the variables of rowcast begin with.
const PREFIX: &str = "rowcast_";

/// What those of them go on with that are for whoever builds and tests rowcast.
const OF_TESTS: [&str; 2] = ["TEST_", "BENCH_"];

/// A sentence for each name that looks like one of rowcast's variables and is none, with the one that was probably
/// meant. The names of all else that is set are nobody's mistake.
pub fn unknown<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let ours = |name: &&str| name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let known = |name: &str| {
        example().any(|(known, _)| known == name)
            || OF_TESTS.iter().any(|start| name[PREFIX.len()..].starts_with(start))
            || crate::fault::NAMES.contains(&name)
    };
    let names: Vec<&str> = names.into_iter().collect();
    let said = |name| format!("{name} is not known{}", did_you_mean(name, example().map(|(known, _)| known)));
    let strange = names.iter().copied().filter(ours).filter(|name| !known(name)).map(said);
    let slips = names.iter().filter_map(|name| Some((*name, slip(name, &names)?)));
    strange.chain(slips.map(|(name, meant)| format!("{name} is not known; did you mean {meant}?"))).collect()
}

/// The variable that a name without the prefix was meant for: one slip away, or in other letters' case, and not set.
/// More slips lead to names that are somebody else's; where the right one is set, nothing is missing.
fn slip(name: &str, set: &[&str]) -> Option<&'static str> {
    // `url` for `uri` is no slip of the fingers, and those are the names of other programs.
    let is_theirs = name.to_ascii_uppercase().ends_with("_URI");
    let is_near = |known: &str| {
        known != name && strsim::osa_distance(&name.to_ascii_uppercase(), known) <= 1 && !set.contains(&known)
    };
    let has_our_prefix = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    example().map(|(known, _)| known).find(|known| !is_theirs && !has_our_prefix && is_near(known))
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
    fn a_slip_in_a_name_without_the_prefix_is_told_where_the_right_one_is_not_set() {
        let told = |names: &str| unknown(names.split(' '));
        let expected = [
            "REDIS_ULR is not known; did you mean REDIS_URL?",
            "DATABSE_URL is not known; did you mean DATABASE_URL?",
            "rust_log is not known; did you mean RUST_LOG?",
            "ROWCST_TABLE is not known; did you mean ROWCAST_TABLE?",
        ];
        assert_eq!(told("REDIS_ULR DATABSE_URL rust_log ROWCST_TABLE"), expected);
        assert_eq!(told("REDIS_ULR REDIS_URL DATABSE_URL DATABASE_URL"), Vec::<String>::new());
        // What is in the environment of machines that know other programs.
        let others = "REDIS_URI DATABASE_URI DATABASE_URL_TEST REDIS_HOST REDIS_TLS_URL RUST_LIB_BACKTRACE \
                      RUST_LOG_STYLE TEST_DATABASE_URL CACHE_URL HOME PATH LANG SHLVL _ QUEUE TABLE";
        assert_eq!(told(others), Vec::<String>::new());
    }

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
