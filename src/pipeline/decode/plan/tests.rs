//! A route and a table, and what does not fit of them.

use super::{
    super::{Lack, tests::schema},
    *,
};
use crate::route::{Conversion, RoomTemplate, Table};

fn route() -> Route {
    Route::new("q", Table::parse("t").unwrap())
}

#[test]
fn without_a_mapping_keys_are_matched_to_columns_by_name() {
    let plan = Plan::new(&route(), &schema(), 1 << 20).unwrap();
    let names: Vec<_> = plan.targets.iter().map(|target| target.column.as_str()).collect();
    assert_eq!(names, ["id", "account", "name", "extra"]);
    assert_eq!(plan.id, RowId::Given(0));
}

#[test]
fn a_route_that_cannot_work_is_refused_with_what_to_do() {
    let mut unmapped = route();
    unmapped.columns = Some(vec![Mapping::plain("name", "name")]);
    let mut unknown = route();
    unknown.columns = Some(vec![Mapping::plain("nome", "name")]);
    let mut dedupe = route();
    dedupe.dedupe = Some("account".into());
    let mut room = route();
    room.rooms = vec![RoomTemplate::parse("x:{nome}").unwrap()];
    let cases = [(unmapped, "account"), (unknown, "it has id, account"), (dedupe, "UNIQUE"), (room, "nome")];
    for (route, expected) in cases {
        let error = Plan::new(&route, &schema(), 1 << 20).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let schema = TableSchema { not_transactional: Some("MyISAM".into()), ..schema() };
    assert!(Plan::new(&route(), &schema, 1 << 20).unwrap_err().contains("ENGINE = InnoDB"));
}

#[test]
fn all_that_does_not_fit_is_told_at_once_and_each_of_it_once() {
    let mut route = route();
    route.columns =
        Some(["city=name", "extra=x as unix_ms"].map(|text| Mapping::parse(text).unwrap()).to_vec());
    route.rooms = vec![RoomTemplate::parse("x:{city}:{other}").unwrap()];
    route.dedupe = Some("city".into());
    let schema = TableSchema { not_transactional: Some("MyISAM".into()), ..schema() };
    let misfits = Plan::lay(&route, &schema, 1 << 20).unwrap_err();
    let lacks: Vec<Lack> = misfits.iter().map(|misfit| misfit.lacks.clone()).collect();
    let expected = [
        Lack::Transactions,
        Lack::Column("city".into()),
        // The conversion, the account that nobody feeds, the room of another column.
        Lack::Nothing,
        Lack::Nothing,
        Lack::Nothing,
    ];
    assert_eq!(lacks, expected, "{misfits:#?}");
    // A slip is to be mended where it was made.
    route.columns = Some(vec![Mapping::plain("nome", "name"), Mapping::plain("account", "account")]);
    (route.dedupe, route.rooms) = (None, Vec::new());
    let slip = &Plan::lay(&route, &super::super::tests::schema(), 1 << 20).unwrap_err()[0];
    assert!(slip.text.ends_with("did you mean name?") && slip.lacks == Lack::Nothing, "{slip:?}");
    route.columns = Some(vec![Mapping::plain("name", "name"), Mapping::plain("account", "account")]);
    route.rooms = vec![RoomTemplate::parse("of:{acount}").unwrap()];
    let slip = &Plan::lay(&route, &super::super::tests::schema(), 1 << 20).unwrap_err()[0];
    assert!(slip.text.ends_with("which no key feeds; did you mean account?"), "{slip:?}");
}

#[test]
fn a_conversion_goes_to_columns_that_hold_what_it_makes() {
    let refused = |kind, conversion: &str| {
        let column = Column { kind, ..schema().columns[2].clone() };
        Misfit::of_mapping(&column, Some(Conversion::parse(conversion).unwrap()))
    };
    for (kind, conversion) in [
        (ColumnKind::DateTime, "unix_ms"),
        (ColumnKind::Date, "unix_s"),
        (ColumnKind::Json, "json"),
        (ColumnKind::Text, "json"),
        (ColumnKind::Binary, "hex"),
        (ColumnKind::Text, "base64"),
    ] {
        assert_eq!(refused(kind, conversion), None);
    }
    for (kind, conversion) in [
        (ColumnKind::Text, "unix_ms"),
        (ColumnKind::Time, "unix_s"),
        (ColumnKind::Int, "unix_us"),
        (ColumnKind::Decimal { scale: 2 }, "hex"),
        (ColumnKind::Json, "base64"),
        (ColumnKind::DateTime, "json"),
    ] {
        let text = refused(kind, conversion).unwrap().text;
        assert!(text.contains(&format!("its conversion {conversion} makes")), "{text}");
    }
}

#[test]
fn the_column_for_unknown_keys_is_fed_by_no_key_of_its_own_name() {
    let mut route = route();
    route.unknown = Unknown::Column("extra".into());
    let plan = Plan::new(&route, &schema(), 1 << 20).unwrap();
    assert_eq!(plan.unknown, Others::Collect(3));
    assert!(plan.keys.iter().all(|key| key.name != "extra"));
}
