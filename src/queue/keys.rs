//! The names of a queue's keys. All carry the queue as their hash tag, so that they share its Cluster slot.

/// The keys of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The list that producers push to, by its own name.
    pub queue: String,
    /// The index: `<worker>:<seq>` to `<ms>:<crashes>:<highest id settled then>` for each open claim, `<worker>` to
    /// its last number.
    pub claims: String,
    /// Suspects, the next one last: `<crashes> <job>`.
    pub suspects: String,
    /// Dead letters, as JSON.
    pub dead: String,
    /// Counters.
    pub totals: String,
    /// Present while the queue is paused.
    pub paused: String,
    /// The highest counted id that was settled, and its table: `<id> <table>`.
    pub highest: String,
    /// How long jobs took in the last minute.
    pub delays: String,
    prefix: String,
}

impl Keys {
    /// The keys of a queue.
    pub fn new(queue: &str) -> Self {
        // A queue that has a hash tag of its own keeps it: a second one would not be looked at. Its companions have a
        // word of their own, or those of `{jobs}` and of `jobs` would be the same.
        let stem = match queue.split_once('{').and_then(|(_, rest)| rest.find('}')) {
            Some(length) if length > 0 => format!("{queue}:rowcast+"),
            _ => format!("{{{queue}}}:rowcast"),
        };
        let key = |name: &str| format!("{stem}:{name}");
        Self {
            queue: queue.to_owned(),
            claims: key("claims"),
            suspects: key("suspects"),
            dead: key("dead"),
            totals: key("totals"),
            paused: key("paused"),
            highest: key("highest"),
            delays: key("delays"),
            prefix: key("claim:"),
        }
    }

    /// The list of a worker's claim; number 0 is its landing list.
    pub fn claim(&self, worker: &str, seq: u64) -> String {
        format!("{}{worker}:{seq}", self.prefix)
    }

    /// What the names of all claim lists begin with.
    pub fn claim_prefix(&self) -> &str {
        &self.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_carries_the_queue_as_its_hash_tag() {
        let keys = Keys::new("message");
        assert_eq!(keys.queue, "message");
        assert_eq!(keys.claims, "{message}:rowcast:claims");
        assert_eq!(keys.claim("W", 7), "{message}:rowcast:claim:W:7");
    }

    #[test]
    fn a_queue_with_a_hash_tag_keeps_it() {
        assert_eq!(Keys::new("jobs:{eu}").dead, "jobs:{eu}:rowcast+:dead");
        assert_eq!(Keys::new("odd{}").dead, "{odd{}}:rowcast:dead");
    }

    #[test]
    fn queues_that_differ_by_braces_alone_share_no_key() {
        for (one, other) in [("jobs", "{jobs}"), ("{a", "{{a}")] {
            assert_ne!(Keys::new(one).claims, Keys::new(other).claims);
        }
    }
}
