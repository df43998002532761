//! Jobs to rows. Pure: no clock, no log, no server.
//!
//! Decoding promises that a value reaches its column exactly or not at all, that a job which cannot become a row is
//! rejected with a reason while its neighbours go on, and that no input makes it fail in another way: nothing here
//! descends by recursion. What only the server can judge (lengths, ranges, keys, constraints) is left to it, and nothing
//! that it would change without a word.

mod clock;
mod date;
mod form;
mod job;
mod misfit;
mod number;
mod plan;
mod rejection;
mod target;
mod value;

pub use misfit::{Lack, Misfit};
pub use plan::{Plan, RowId};
pub use rejection::{Code, Rejection};
pub use target::{Absent, Target};

use crate::store::Value;

/// The jobs of one claim, decoded: rows in a flat vector, [`Plan::width`] values for each.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// The values of all rows.
    pub values: Vec<Value<'a>>,
    /// For each job of the claim, as far as it was decoded, its rows, or why it has none.
    pub jobs: Vec<Result<Rows, Rejection>>,
    /// Whether some row leaves a column out.
    pub has_absent: bool,
}

/// The rows of one job, by their numbers in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// The first.
    pub first: usize,
    /// How many: one for an object, any number for an array.
    pub count: usize,
}

impl<'a> Batch<'a> {
    /// Decodes jobs.
    pub fn decode(plan: &Plan, jobs: &'a [Vec<u8>]) -> Self {
        Self::decode_until(plan, jobs, usize::MAX)
    }

    /// Decodes jobs, and stops after the one that fills `most` values: a few megabytes of arrays can be more rows than
    /// memory should hold.
    pub fn decode_until(plan: &Plan, jobs: &'a [Vec<u8>], most: usize) -> Self {
        let width = plan.width().max(1);
        let mut batch = Self { values: Vec::with_capacity(most.min(jobs.len() * width)), ..Self::default() };
        for raw in jobs {
            if !batch.jobs.is_empty() && batch.values.len() >= most {
                break;
            }
            let start = batch.values.len();
            let rows = job::decode(plan, raw, &mut batch.values);
            if rows.is_err() {
                batch.values.truncate(start);
            }
            batch.jobs.push(rows.map(|count| Rows { first: start / width, count }));
        }
        batch.has_absent = batch.values.iter().any(Value::is_absent);
        batch
    }

    /// The values of a row.
    pub fn row(&self, plan: &Plan, row: usize) -> &[Value<'a>] {
        &self.values[row * plan.width()..][..plan.width()]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        route::{Mapping, Route, Table, Unknown},
        store::{Column, ColumnKind, TableSchema},
    };

    pub(super) fn schema() -> TableSchema {
        let column = |name: &str, kind, nullable, auto_increment| Column {
            name: name.into(),
            kind,
            type_name: "type".into(),
            collation: None,
            nullable,
            has_default: auto_increment,
            auto_increment,
            generated: false,
            unique: auto_increment,
            primary: auto_increment,
        };
        TableSchema {
            database: "d".into(),
            name: "t".into(),
            columns: vec![
                column("id", ColumnKind::Int, false, true),
                column("account", ColumnKind::Int, false, false),
                column("name", ColumnKind::Text, true, false),
                column("extra", ColumnKind::Json, true, false),
            ],
            not_transactional: None,
        }
    }

    fn plan(change: impl FnOnce(&mut Route)) -> Plan {
        let mut route = Route::new("q", Table::parse("t").unwrap());
        route.columns = Some(vec![Mapping::plain("account", "a"), Mapping::plain("name", "n")]);
        change(&mut route);
        Plan::new(&route, &schema(), 1 << 20).unwrap()
    }

    fn code_of(plan: &Plan, raw: &[u8]) -> String {
        let jobs = [raw.to_vec()];
        let batch = Batch::decode(plan, &jobs);
        assert!(batch.values.is_empty(), "a rejected job leaves no values");
        batch.jobs[0].clone().unwrap_err().code
    }

    #[test]
    fn an_object_is_a_row_and_an_array_many() {
        let plan = plan(|_| ());
        let jobs = [br#"{"a":1,"n":"x"}"#.to_vec(), br#" [ {"n":"y","a":2}, {"a":3} ] "#.to_vec()];
        let batch = Batch::decode(&plan, &jobs);
        assert_eq!(batch.jobs, [Ok(Rows { first: 0, count: 1 }), Ok(Rows { first: 1, count: 2 })]);
        assert_eq!(batch.row(&plan, 1), [Value::Int(2), Value::Text("y".into())]);
        assert_eq!(batch.row(&plan, 2), [Value::Int(3), Value::Null]);
        assert!(!batch.has_absent);
    }

    #[test]
    fn what_is_no_job_is_rejected_with_its_code() {
        let plan = plan(|_| ());
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let deep_inside = format!("{{\"a\":1,\"n\":{deep}}}");
        let cases: [(&[u8], &str); 16] = [
            (b"", "not_json"),
            (b"nope", "not_json"),
            (b"{\"a\":1", "not_json"),
            (b"{\"a\":1}{", "not_json"),
            (b"{\"a\":1,\"n\":\"\x00\"}", "not_json"),
            (b"{\"a\":1,\"n\":\"\xff\"}", "not_json"),
            (b"{\"a\":1,\"x\":\"\xff\"}", "not_json"),
            (b"7", "not_an_object"),
            (b"\"x\"", "not_an_object"),
            (b"null", "not_an_object"),
            (b"[]", "not_an_object"),
            (b"[{\"a\":1},2]", "not_an_object"),
            (deep.as_bytes(), "not_an_object"),
            (deep_inside.as_bytes(), "wrong_type"),
            (b"{\"a\":1,\"a\":2}", "duplicate_key"),
            (b"{\"n\":\"x\"}", "missing"),
        ];
        for (raw, code) in cases {
            assert_eq!(code_of(&plan, raw), code, "{}", String::from_utf8_lossy(&raw[..raw.len().min(60)]));
        }
        assert_eq!(code_of(&plan, &vec![b' '; (1 << 20) + 1]), "too_large");
        assert_eq!(code_of(&plan, br#"{"a":1,"x":1,"y":2,"x":3}"#), "duplicate_key");
        assert_eq!(code_of(&plan, br#"{"a":1,"n":"x","\u0061":2}"#), "duplicate_key");
    }

    #[test]
    fn a_key_that_stands_twice_is_found_wherever_it_stands_in_a_wide_plan() {
        let mut schema = schema();
        let wide = (0..70).map(|n| Column { name: format!("c{n}"), ..schema.columns[2].clone() });
        schema.columns.extend(wide.collect::<Vec<_>>());
        let plan = Plan::new(&Route::new("q", Table::parse("t").unwrap()), &schema, 1 << 20).unwrap();
        let keys: Vec<String> = (0..70).map(|n| format!(r#""c{n}":"x""#)).collect();
        let job = format!(r#"{{"account":1,{}}}"#, keys.join(","));
        assert!(Batch::decode(&plan, &[job.clone().into_bytes()]).jobs[0].is_ok());
        for n in [0, 60, 61, 62, 63, 64, 69] {
            let twice = job.replace('}', &format!(r#","c{n}":"y"}}"#));
            assert_eq!(code_of(&plan, twice.as_bytes()), "duplicate_key", "c{n}");
        }
    }

    #[test]
    fn unknown_keys_are_left_out_rejected_or_collected() {
        let job = [br#"{"z":[1,{"q":2}],"a":1,"w\n":"\u00e9"}"#.to_vec()];
        let ignore = plan(|_| ());
        assert_eq!(Batch::decode(&ignore, &job).values, [Value::Int(1), Value::Null]);
        let reject = plan(|route| route.unknown = Unknown::Reject);
        assert_eq!(code_of(&reject, &job[0]), "unknown_key");
        let collect = plan(|route| route.unknown = Unknown::Column("extra".into()));
        let batch = Batch::decode(&collect, &job);
        assert_eq!(batch.values[2], Value::Json(r#"{"z":[1,{"q":2}],"w\n":"\u00e9"}"#.into()));
    }

    #[test]
    fn an_array_takes_as_many_rows_as_a_statement_takes_of_the_columns_that_it_gives() {
        let by_name = |columns: usize| {
            let defaulted =
                |n: usize| Column { name: format!("c{n}"), has_default: true, ..schema().columns[2].clone() };
            let columns = (0..columns).map(defaulted).collect();
            Plan::new(
                &Route::new("q", Table::parse("t").unwrap()),
                &TableSchema { columns, ..schema() },
                1 << 24,
            )
            .unwrap()
        };
        let array = |rows: usize, row: &str| format!("[{}{row}]", format!("{row},").repeat(rows - 1));
        let told = |plan: &Plan, rows: usize, row: &str| {
            let jobs = [array(rows, row).into_bytes()];
            Batch::decode(plan, &jobs).jobs[0].clone().map_err(|rejection| rejection.reason)
        };
        // What it leaves out takes no place of the statement.
        let plan = by_name(16);
        let (one, two) = (r#"{"c3":"x"}"#, r#"{"c3":"x","c9":"y"}"#);
        assert_eq!(told(&plan, 65_535, one).unwrap().count, 65_535);
        assert!(told(&plan, 65_536, one).unwrap_err().contains("65535 rows of 1 each"));
        assert_eq!(told(&plan, 32_767, two).unwrap().count, 32_767);
        assert!(told(&plan, 32_768, two).unwrap_err().contains("65535 values: 32767 rows of 2 each"));
        // Memory holds a place for each.
        let wide = by_name(1_024);
        assert_eq!(told(&wide, 1_024, one).unwrap().count, 1_024);
        assert!(told(&wide, 1_025, one).unwrap_err().contains("and 1024 of a table with so many columns"));
        assert_eq!(code_of(&plan, array(65_537, "{}").as_bytes()), "too_large");
    }

    #[test]
    fn decoding_stops_after_the_job_that_fills_it_up() {
        let plan = plan(|_| ());
        let jobs = vec![br#"[{"a":1},{"a":2}]"#.to_vec(); 4];
        let batch = Batch::decode_until(&plan, &jobs, 2 * plan.width() + 1);
        assert_eq!((batch.jobs.len(), batch.values.len()), (2, 4 * plan.width()));
        assert_eq!(Batch::decode_until(&plan, &jobs, 0).jobs.len(), 1, "the first goes in whatever it holds");
        assert_eq!(Batch::decode(&plan, &jobs).jobs.len(), 4);
    }

    #[test]
    fn a_pointer_descends_into_objects_and_arrays() {
        let plan = plan(|route| {
            let columns = route.columns.as_mut().unwrap();
            columns[0] = Mapping::parse("account=/meta/ids/1").unwrap();
            columns[1] = Mapping::parse("name=/meta/who").unwrap();
        });
        let jobs = [br#"{"meta":{"ids":[5,6],"who":"Ann"}}"#.to_vec(), br#"{"meta":{"ids":[5]}}"#.to_vec()];
        let batch = Batch::decode(&plan, &jobs);
        assert_eq!(batch.row(&plan, 0), [Value::Int(6), Value::Text("Ann".into())]);
        assert_eq!(batch.jobs[1].as_ref().unwrap_err().code, "missing");
    }

    #[test]
    fn a_job_without_a_needed_value_is_told_where_it_was_looked_for() {
        let reason = |plan: &Plan, raw: &[u8]| {
            Batch::decode(plan, &[raw.to_vec()]).jobs[0].clone().unwrap_err().reason
        };
        let from = |mapping: &str| {
            plan(|route| route.columns.as_mut().unwrap()[0] = Mapping::parse(mapping).unwrap())
        };
        let told = "column account: has no default, and the job has no value for it: ";
        let by_name = plan(|route| route.columns = None);
        let cases: [(Plan, &[u8], &str); 4] = [
            (plan(|_| ()), br#"{"n":"x"}"#, "no key \"a\""),
            (from("account=/a~1b"), br#"{"a":1,"b":1}"#, "no key \"a/b\""),
            (from("account=/a/ids/1"), br#"{"a":{"ids":[5]}}"#, "nothing at \"/a/ids/1\""),
            (by_name, br#"{"a":1}"#, "no key \"account\""),
        ];
        for (plan, raw, sought) in cases {
            assert_eq!(reason(&plan, raw), format!("{told}{sought}"));
        }
        let mut needed = schema();
        needed.columns[3].nullable = false;
        let mut route = Route::new("q", Table::parse("t").unwrap());
        route.unknown = Unknown::Column("extra".into());
        let collects = Plan::new(&route, &needed, 1 << 20).unwrap();
        assert!(
            reason(&collects, br#"{"account":1}"#).ends_with("for it: no key beside those of other columns")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(
            jobs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        ) {
            let plan = plan(|_| ());
            let batch = Batch::decode(&plan, &jobs);
            prop_assert_eq!(batch.jobs.len(), jobs.len());
        }

        #[test]
        fn a_cut_job_is_rejected_and_its_neighbours_go_on(cut in 0usize..15) {
            let plan = plan(|_| ());
            let whole = br#"{"a":1,"n":"x"}"#.to_vec();
            let jobs = [whole.clone(), whole[..cut].to_vec(), whole];
            let batch = Batch::decode(&plan, &jobs);
            prop_assert!(batch.jobs[0].is_ok() && batch.jobs[1].is_err() && batch.jobs[2].is_ok());
            prop_assert_eq!(batch.values.len(), 4);
        }
    }
}
