//! What the dashboard does to queues: pause, resume, push a job.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use redis::RedisResult;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    api::{Api, No},
    operators::Asker,
};
use crate::{
    queue::{Admin, check_job, describe},
    route::{Conversion, Route},
};

/// How long Redis may take for one request: less than the page waits. A part of a group takes a second of it.
const PATIENCE: Duration = Duration::from_secs(6);

impl Api {
    /// Does something with a queue of a route here, or one that the page shows, in time; or says why not. No other key of
    /// Redis is touched.
    pub(super) async fn of_queue<T>(
        &self,
        queue: &str,
        work: impl AsyncFnOnce(Admin) -> RedisResult<T>,
    ) -> Result<T, No> {
        if self.routes.iter().all(|route| route.queue != queue) && !self.series.shows(queue) {
            let message =
                format!("this gateway has no route with the queue {queue:?}, and shows none of that name");
            return Err(No { status: StatusCode::NOT_FOUND, code: "no_queue", message });
        }
        let unavailable =
            |message| No { status: StatusCode::SERVICE_UNAVAILABLE, code: "unavailable", message };
        match timeout(PATIENCE, work(Admin::new(queue, self.redis.clone()))).await {
            Ok(done) => done.map_err(|error| unavailable(describe(&error))),
            Err(_) => Err(unavailable("Redis does not answer; whether it was done is not known".to_owned())),
        }
    }
}

/// Refuses what is no job.
pub(super) fn job(text: &str) -> Result<&[u8], No> {
    let no = |why| No {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: "no_job",
        message: format!("this is no job: {why}"),
    };
    check_job(text.as_bytes()).map(|()| text.as_bytes()).map_err(no)
}

/// What is to be done to which queue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    queue: String,
    #[serde(rename = "do")]
    what: What,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Pause,
    Resume,
    Push(String),
}

/// `POST /api/queue`, with `{"queue","do":"pause"}`, `"resume"` or `{"push":"a job's text"}`. The answer is in words.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Response, No> {
    let Json(Change { queue, what }) = change?;
    let (said, done) = match &what {
        What::Pause => {
            api.of_queue(&queue, async |admin| admin.pause().await).await?;
            ("is paused; what is claimed already will be finished".to_owned(), "a queue was paused")
        }
        What::Resume => {
            let was_paused = api.of_queue(&queue, async |admin| admin.resume().await).await?;
            let said = if was_paused { "goes on" } else { "was not paused" };
            (said.to_owned(), "a queue was told to go on")
        }
        What::Push(text) => {
            let job = job(text)?;
            let length = api.of_queue(&queue, async |admin| admin.push(&[job]).await).await?;
            (format!("has got the job; {length} wait in it, this one the last"), "a job was pushed")
        }
    };
    tracing::info!(by = %asker, queue, "{done}");
    Ok(Json(json!({ "ok": true, "message": format!("{queue} {said}.") })).into_response())
}

/// A job to begin with: every key that the route takes a value from. What the columns take only the server knows; a
/// text of digits most of them do.
pub(super) fn sample(route: &Route) -> String {
    let mut job = json!({});
    for mapping in route.columns.iter().flatten() {
        let place = mapping.from.0.iter().fold(&mut job, |place, key| {
            if !place.is_object() {
                *place = json!({});
            }
            &mut place[key.as_str()]
        });
        *place = match mapping.conversion {
            Some(Conversion::UnixS) => json!(1_700_000_000),
            Some(Conversion::UnixMs) => json!(1_700_000_000_000_u64),
            Some(Conversion::UnixUs) => json!(1_700_000_000_000_000_u64),
            Some(Conversion::Json) => json!({}),
            Some(Conversion::Base64) => json!("MQ=="),
            Some(Conversion::Hex) => json!("31"),
            None => Value::from("1"),
        };
    }
    serde_json::to_string_pretty(&job).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Mapping, Table};

    #[test]
    fn a_sample_has_every_key_of_the_route() {
        let read = |route: &Route| serde_json::from_str::<Value>(&sample(route)).unwrap();
        assert_eq!(read(&Route::original()), json!({"time": "1", "stamp": "1"}));
        let mapped = ["customer=/buyer/id", "name=/buyer/name", "at=ts as unix_ms"];
        let columns = Some(mapped.map(|text| Mapping::parse(text).unwrap()).to_vec());
        let route = Route { columns, ..Route::original() };
        let expected = json!({"buyer": {"id": "1", "name": "1"}, "ts": 1_700_000_000_000_u64});
        assert_eq!(read(&route), expected);
        assert_eq!(read(&Route::new("q", Table::parse("t").unwrap())), json!({}));
    }
}
