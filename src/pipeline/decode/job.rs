//! One job: an object, or an array of objects, into rows.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Absent, Code, Plan, Rejection, Target, plan::Others, value};
use crate::{
    route::Source,
    store::{MAX_PLACEHOLDERS, Value},
};

/// The most values of one array, given or left out: some tens of megabytes.
const MOST_HELD: usize = 1 << 20;

/// Appends a job's rows and returns how many there are. On an error the caller cuts off what was appended.
pub(super) fn decode<'a>(
    plan: &Plan,
    raw: &'a [u8],
    values: &mut Vec<Value<'a>>,
) -> Result<usize, Rejection> {
    if raw.len() > plan.max_job_bytes {
        let reason =
            format!("the job has {} bytes; ROWCAST_MAX_JOB_BYTES allows {}", raw.len(), plan.max_job_bytes);
        return Err(Rejection::new(Code::TooLarge, reason));
    }
    let text = std::str::from_utf8(raw)
        .map_err(|e| Rejection::new(Code::NotJson, format!("not UTF-8 from byte {} on", e.valid_up_to())))?;
    match text.trim_start_matches([' ', '\t', '\n', '\r']).as_bytes().first() {
        None => Err(Rejection::new(Code::NotJson, "the job is empty")),
        Some(b'{') => object(plan, text, values).map(|()| 1),
        Some(b'[') => array(plan, text, values),
        Some(_) => match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => {
                Err(Rejection::new(Code::NotAnObject, "the job is neither an object nor an array of objects"))
            }
            Err(e) => Err(not_json(&e)),
        },
    }
}

fn array<'a>(plan: &Plan, text: &'a str, values: &mut Vec<Value<'a>>) -> Result<usize, Rejection> {
    let elements: Vec<&'a RawValue> = serde_json::from_str(text).map_err(|e| not_json(&e))?;
    if elements.is_empty() {
        return Err(Rejection::new(Code::NotAnObject, "the array is empty; there is no row in it"));
    }
    // Before they are decoded: a short job can name millions of values.
    let held = MOST_HELD / plan.width().max(1);
    if elements.len() > held {
        return Err(Rejection::beyond_memory(elements.len(), held));
    }
    let start = values.len();
    for (at, element) in elements.iter().enumerate() {
        if !element.get().starts_with('{') {
            return Err(Rejection::new(Code::NotAnObject, format!("element {at} of the array is no object")));
        }
        object(plan, element.get(), values)?;
        if at == 0 {
            // All others must give the same columns.
            let given = values[start..].iter().filter(|value| !value.is_absent()).count();
            if elements.len() * given > MAX_PLACEHOLDERS {
                return Err(Rejection::too_many_values(elements.len(), given));
            }
        }
    }
    Ok(elements.len())
}

fn object<'a>(plan: &Plan, text: &'a str, values: &mut Vec<Value<'a>>) -> Result<(), Rejection> {
    let start = values.len();
    values.resize(start + plan.width(), Value::Absent);
    let mut fault = None;
    let row = RowSeed { plan, row: &mut values[start..], fault: &mut fault };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = row.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    if let Some(fault) = fault {
        return Err(fault);
    }
    parsed.map_err(|e| not_json(&e))?;
    fill_in(plan, &mut values[start..])
}

/// Gives the columns that the job does not name what an absent value means for them.
fn fill_in(plan: &Plan, row: &mut [Value<'_>]) -> Result<(), Rejection> {
    for (value, target) in row.iter_mut().zip(&plan.targets) {
        // The server counts up for a NULL as for an absent value; taking both alike keeps its ids in one run.
        let counted =
            matches!(value, Value::Null) && plan.auto_increment.as_deref() == Some(target.column.as_str());
        if counted {
            *value = Value::Absent;
        }
        if !value.is_absent() {
            continue;
        }
        match target.absent {
            Absent::Null => *value = Value::Null,
            Absent::LeftOut => {}
            Absent::Rejected => return Err(missing(plan, target)),
        }
    }
    Ok(())
}

/// Names what was looked for: whoever reads it has the job before their eyes, and not the route.
fn missing(plan: &Plan, target: &Target) -> Rejection {
    let sought = match plan.source(target) {
        Some(Source(path)) if path.len() == 1 => format!("no key {:?}", path[0]),
        Some(pointer) => format!("nothing at {:?}", pointer.to_string()),
        None => "no key beside those of other columns".to_owned(),
    };
    target.reject(Code::Missing, format!("has no default, and the job has no value for it: {sought}"))
}

fn not_json(error: &serde_json::Error) -> Rejection {
    Rejection::new(Code::NotJson, format!("not JSON: {error}"))
}

/// Reads an object into a row. A fault that is not the syntax's is left in `fault`, where it keeps its code.
struct RowSeed<'p, 'r, 'a> {
    plan: &'p Plan,
    row: &'r mut [Value<'a>],
    fault: &'r mut Option<Rejection>,
}

impl<'a> DeserializeSeed<'a> for RowSeed<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for RowSeed<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(mut self, mut map: M) -> Result<(), M::Error> {
        let mut seen = Seen::default();
        let mut others = String::new();
        let mut likely = 0;
        while let Some(KeyText(key)) = map.next_key()? {
            // Producers repeat one order of keys, so the next key is most often the next of the plan.
            let keys = &self.plan.keys;
            let found = (likely..keys.len()).chain(0..likely).find(|&at| keys[at].name == *key);
            if !seen.insert(found, key.clone()) {
                return self
                    .stop(Rejection::new(Code::DuplicateKey, format!("key {:?} stands twice", brief(&key))));
            }
            if let Some(at) = found {
                likely = at + 1;
                let raw: &'a RawValue = map.next_value()?;
                if let Err(fault) = self.fill(at, raw) {
                    return self.stop(fault);
                }
            } else if let Err(fault) = self.other(&key, &mut map, &mut others)? {
                return self.stop(fault);
            }
        }
        if let (Others::Collect(target), false) = (self.plan.unknown, others.is_empty()) {
            others.push('}');
            self.row[target] = Value::Json(others.into());
        }
        Ok(())
    }
}

impl<'a> RowSeed<'_, '_, 'a> {
    /// Fills the columns that a key feeds.
    fn fill(&mut self, key: usize, raw: &'a RawValue) -> Result<(), Rejection> {
        let key = &self.plan.keys[key];
        for &target in &key.whole {
            self.row[target] = value::convert(&self.plan.targets[target], raw)?;
        }
        for (path, target) in &key.inside {
            if let Some(inner) = descend(raw, path) {
                self.row[*target] = value::convert(&self.plan.targets[*target], inner)?;
            }
        }
        Ok(())
    }

    /// Deals with a key that no column takes.
    fn other<M: MapAccess<'a>>(
        &self,
        key: &str,
        map: &mut M,
        others: &mut String,
    ) -> Result<Result<(), Rejection>, M::Error> {
        match self.plan.unknown {
            Others::Ignore => map.next_value::<de::IgnoredAny>().map(|_| Ok(())),
            Others::Reject => {
                let reason = format!("key {:?} has no column, and the route rejects such keys", brief(key));
                Ok(Err(Rejection::new(Code::UnknownKey, reason)))
            }
            Others::Collect(target) => {
                let raw: &'a RawValue = map.next_value()?;
                others.push(if others.is_empty() { '{' } else { ',' });
                others.push_str(&serde_json::to_string(key).map_err(de::Error::custom)?);
                others.push(':');
                others.push_str(raw.get());
                Ok(value::json::check(raw.get())
                    .map_err(|problem| self.plan.targets[target].reject(Code::BadValue, problem)))
            }
        }
    }

    fn stop<E: de::Error>(self, fault: Rejection) -> Result<(), E> {
        *self.fault = Some(fault);
        Err(E::custom("rejected"))
    }
}

/// The keys of an object so far: those of the plan's first 64 by their places; of the others a few are looked through
/// and many are hashed.
#[derive(Default)]
struct Seen<'a> {
    of_plan: u64,
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    /// Returns whether the key, of this place in the plan, is new.
    fn insert(&mut self, place: Option<usize>, key: Cow<'a, str>) -> bool {
        if let Some(place) = place.filter(|&place| place < u64::BITS as usize) {
            let before = self.of_plan;
            self.of_plan |= 1 << place;
            return self.of_plan != before;
        }
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < 16 {
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }
}

fn brief(key: &str) -> String {
    key.chars().take(48).collect()
}

/// A key, borrowed where the job holds it unescaped.
struct KeyText<'a>(Cow<'a, str>);

impl<'a> de::Deserialize<'a> for KeyText<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'a> Visitor<'a> for Text {
            type Value = KeyText<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'a str) -> Result<KeyText<'a>, E> {
                Ok(KeyText(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<KeyText<'a>, E> {
                Ok(KeyText(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Follows a path into a value, a step at a time; `None` where it does not lead anywhere.
fn descend<'a>(raw: &'a RawValue, path: &[String]) -> Option<&'a RawValue> {
    path.iter().try_fold(raw, |raw, token| {
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        Step(token).deserialize(&mut deserializer).ok()?
    })
}

/// One step of a path: the value of a key, or an element by its number.
struct Step<'p>(&'p str);

impl<'a> DeserializeSeed<'a> for Step<'_> {
    type Value = Option<&'a RawValue>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Step<'_> {
    type Value = Option<&'a RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or array")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(KeyText(key)) = map.next_key()? {
            let raw: &'a RawValue = map.next_value()?;
            if key == self.0 {
                found = Some(raw);
            }
        }
        Ok(found)
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut sequence: S) -> Result<Self::Value, S::Error> {
        let wanted = self.0.parse::<usize>().ok();
        let (mut at, mut found) = (0, None);
        while let Some(raw) = sequence.next_element::<&'a RawValue>()? {
            if Some(at) == wanted {
                found = Some(raw);
            }
            at += 1;
        }
        Ok(found)
    }
}
