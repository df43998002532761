//! Which rooms cannot be caught up on, before a client asks: in the words that it would be refused with. Pure.

use std::collections::BTreeSet;

use super::{feed::Feed, laid::Laid};
use crate::{
    route::{Part, RoomTemplate, Route},
    store::{ColumnKind, TableSchema},
};

/// Why the rooms of a route cannot be caught up on, or some of them: a sentence for each reason. `routes` are all that
/// there are, the indexes those that `Pages::schema` tells of.
pub fn not_caught_up_on(
    route: &Route,
    routes: &[Route],
    schema: TableSchema,
    indexes: Vec<(String, String)>,
) -> Vec<String> {
    if !route.publish {
        return Vec::new();
    }
    let whole =
        |why: String| vec![format!("browsers cannot catch up on rows of table {}: {why}", route.table)];
    if let Some(why) = Feed::of(route, routes).unreadable {
        return whole(why);
    }
    let laid = match Laid::new(route, schema, indexes, "") {
        Ok(laid) => laid,
        Err(why) => return whole(why),
    };
    let refused = route.rooms.iter().filter_map(|template| {
        let why = laid.of_room(route, &laid.example(template, route)).err()?;
        Some((why, format!("{:?}", template.to_string())))
    });
    let mut told = BTreeSet::new();
    let news = refused.filter(|(why, _)| told.insert(why.clone()));
    news.map(|(why, template)| format!("browsers cannot catch up on rooms {template}: {why}")).collect()
}

impl Laid {
    /// A room's name that the template could make.
    fn example(&self, template: &RoomTemplate, route: &Route) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Table => route.table.name.clone(),
            Part::Column(name) => match self.schema.column(name).map(|column| column.kind) {
                Some(ColumnKind::Int) => "1".to_owned(),
                _ => "x".to_owned(),
            },
        };
        template.parts.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::laid::tests::{column, indexes, route, schema},
        *,
    };

    fn told(route: &Route, others: &[Route]) -> Vec<String> {
        let routes = [std::slice::from_ref(route), others].concat();
        not_caught_up_on(route, &routes, schema(), indexes())
    }

    #[test]
    fn each_room_that_cannot_be_read_backwards_is_told_with_what_would_help() {
        let fine = route(&["{table}", "a:{account}", "{account}:{name}"]);
        assert_eq!(told(&fine, &[]), Vec::<String>::new());
        let told = told(&route(&["{table}", "n:{name}", "a:{account}", "p:{price}", "m:{name}"]), &[]);
        assert_eq!(told.len(), 2, "of two templates with the same reason the first: {told:?}");
        let index = "rooms \"n:{name}\": no index of table orders begins with name; \
                     ALTER TABLE orders ADD INDEX (name)";
        assert!(told[0].ends_with(index), "{told:?}");
        assert!(told[1].contains("rooms \"p:{price}\": column price is a type"), "{told:?}");
    }

    #[test]
    fn what_holds_for_the_whole_table_is_told_once_and_nothing_of_what_is_not_published() {
        let one = route(&["{table}", "n:{name}"]);
        let other = Route { queue: "other".into(), rooms: Vec::new(), ..one.clone() };
        assert!(told(&one, &[other])[0].contains("routes that differ fill tables of the name orders"));
        let silent = Route { publish: false, ..one.clone() };
        assert_eq!(told(&silent, &[]), Vec::<String>::new());
        let mut uncounted = schema();
        uncounted.columns = vec![column("name", ColumnKind::Text)];
        let routes = [route(&["{table}"])];
        let told = not_caught_up_on(&routes[0], &routes, uncounted, Vec::new());
        assert!(told.len() == 1 && told[0].contains("has no AUTO_INCREMENT column to count by"), "{told:?}");
    }
}
