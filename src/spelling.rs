//! A name that is not known, and the known one that was probably meant. Pure.

/// `; did you mean ROWCAST_TABLE?`, or nothing when no known name is near.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |meant| format!("; did you mean {meant}?"))
}

/// The known name that the fewest slips lead to, when they are few for its length: letters that are missing, too many,
/// others or swapped. Upper and lower case are the same.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = essence(name);
    let slips = |other: &str| strsim::osa_distance(&name, &essence(other));
    let bearable = match name.chars().count() {
        // Of a letter or two nothing would be left.
        ..3 => 0,
        length => length / 3,
    };
    let counted = known.into_iter().map(|other| (slips(other), other));
    counted.filter(|(slips, _)| *slips <= bearable).min_by_key(|(slips, _)| *slips).map(|(_, other)| other)
}

/// What all variables share tells nothing; and some write ROWCAST_REDIS_URL where REDIS_URL is meant.
fn essence(name: &str) -> String {
    let name = name.to_lowercase();
    name.strip_prefix("rowcast_").unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_when_it_is_near() {
        let known =
            || "REDIS_URL ROWCAST_TABLE ROWCAST_QUEUE ROWCAST_MAX_JOBS ROWCAST_MAX_JOB_BYTES".split(' ');
        let cases = [
            ("ROWCAST_TABEL=", "; did you mean ROWCAST_TABLE?"),
            ("rowcast_queue=", "; did you mean ROWCAST_QUEUE?"),
            ("ROWCAST_MAXJOBS=", "; did you mean ROWCAST_MAX_JOBS?"),
            ("ROWCAST_REDIS_URL=", "; did you mean REDIS_URL?"),
            ("ROWCAST_COLOUR=", ""),
            ("ROWCAST_X=", ""),
            ("ROWCAST_=", ""),
        ];
        for (name, said) in cases {
            assert_eq!(did_you_mean(name.trim_end_matches('='), known()), said, "{name}");
        }
    }
}
