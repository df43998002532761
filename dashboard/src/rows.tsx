import { useEffect, useMemo, useState } from "preact/hooks";
import { count, many } from "./format";
import { Detail } from "./detail";
import { Link } from "./link";
import { holds, KEPT, Stream, type Line } from "./stream";
import { Virtual } from "./virtual";
import type { Route } from "./types";

/** What is shown is brought up to date so often: rows come faster than anybody reads. */
const LOOK_MS = 200;

interface Choice {
  namespace: string;
  room: string;
}

/** Rows as they come. */
export function Rows({ routes, needToken }: { routes: Route[]; needToken: boolean }) {
  const published = routes.filter((route) => route.publish);
  const first = published.find((route) => route.rooms.length > 0);
  const [choice, setChoice] = useState<Choice>({ namespace: first?.namespace ?? "/", room: first?.rooms[0] ?? "" });
  // Kept for as long as the page: a token that lies about is one that is found.
  const [token, setToken] = useState("");
  const stream = useStream(choice, needToken ? token : "", needToken && !token);
  return (
    <>
      <h1 class="unseen">Live rows</h1>
      <Chooser routes={published} choice={choice} choose={setChoice} />
      {needToken && <TokenForm set={setToken} given={token !== ""} />}
      {stream && <Shown key={choice.namespace + choice.room + token} stream={stream} room={choice.room} />}
      {!choice.room && <p class="empty">No route has a room that is the same for all its rows. Type the name of one.</p>}
    </>
  );
}

const came = (rows: number) => many(rows, "row came", "rows came");

function useStream({ namespace, room }: Choice, token: string, waits: boolean): Stream | undefined {
  const [stream, setStream] = useState<Stream>();
  useEffect(() => {
    if (!room || waits) return setStream(undefined);
    const made = new Stream(namespace, room, token);
    setStream(made);
    return () => made.close();
  }, [namespace, room, token, waits]);
  return stream;
}

function Chooser({ routes, choice, choose }: { routes: Route[]; choice: Choice; choose: (choice: Choice) => void }) {
  const namespaces = [...new Set(["/", ...routes.map(({ namespace }) => namespace)])];
  const known = routes.flatMap(({ rooms, namespace }) => rooms.map((room) => ({ room, namespace })));
  const templates = [...new Set(routes.flatMap(({ templates }) => templates))];
  const follow = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const room = String(data.get("room") ?? "");
    const namespace = data.get("namespace") ?? known.find((one) => one.room === room)?.namespace ?? "/";
    choose({ room, namespace: String(namespace) });
  };
  return (
    <form class="chooser" onSubmit={follow}>
      <label>
        Room
        <input name="room" list="rooms" defaultValue={choice.room} required maxLength={512} spellcheck={false} autocomplete="off" aria-describedby="templates" />
      </label>
      <datalist id="rooms">
        {known.map(({ room }) => (
          <option key={room} value={room} />
        ))}
      </datalist>
      {namespaces.length > 1 && (
        <label>
          Namespace
          <select name="namespace" defaultValue={choice.namespace}>
            {namespaces.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      <button type="submit">Follow</button>
      <p id="templates" class="hint">
        {templates.length > 0 && (
          <>
            Also rooms like <code>{templates.join(", ")}</code>
          </>
        )}
      </p>
    </form>
  );
}

function TokenForm({ set, given }: { set: (token: string) => void; given: boolean }) {
  const paste = (event: SubmitEvent) => {
    event.preventDefault();
    set(String(new FormData(event.currentTarget as HTMLFormElement).get("jwt") ?? "").trim());
  };
  return (
    <form class="chooser" onSubmit={paste}>
      <label>
        Token for rooms
        <input name="jwt" type="password" required autocomplete="off" spellcheck={false} aria-describedby="about-jwt" />
      </label>
      <button type="submit">{given ? "Use another" : "Use it"}</button>
      <p id="about-jwt" class="hint">
        Here a room is joined with a token that your server signs, as browsers do. It is kept until this page is left.
      </p>
    </form>
  );
}

function Shown({ stream, room }: { stream: Stream; room: string }) {
  const [, look] = useState(0);
  const [filter, setFilter] = useState("");
  const [paused, setPaused] = useState<{ lines: Line[]; came: number }>();
  const [detail, setDetail] = useState<Line>();
  useEffect(() => {
    const timer = setInterval(() => document.hidden || look((n) => n + 1), LOOK_MS);
    return () => clearInterval(timer);
  }, [stream]);
  const all = useMemo(() => paused?.lines ?? stream.newest(), [paused ?? stream.came, stream]);
  const wanted = filter.trim().toLowerCase();
  const lines = useMemo(() => (wanted ? all.filter((line) => holds(line, wanted)) : all), [all, wanted]);
  const pause = () => setPaused(paused ? undefined : { lines: stream.newest(), came: stream.came });
  return (
    <section aria-label={`Rows of ${room}`}>
      <div class="bar">
        <Link link={stream.link} fetched={stream.fetched} />
        <span class="came">{came(stream.came)}</span>
        <label class="filter">
          <span class="unseen">Only rows that hold</span>
          <input type="search" placeholder="Filter" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </label>
        <button type="button" class="quiet" onClick={pause}>
          {paused ? "Go on" : "Pause"}
        </button>
      </div>
      <p class="hint">
        {paused && `Paused: ${came(stream.came - paused.came)} since. `}
        {wanted && `Rows that hold “${filter.trim()}”: ${count(lines.length)} of ${count(all.length)}. `}
        {!paused && !wanted && `The last ${count(KEPT)} rows are kept, the newest first. Choose one to see it whole.`}
      </p>
      {lines.length > 0 && <Virtual lines={lines} choose={setDetail} />}
      {lines.length === 0 && <p class="empty">{wanted && all.length > 0 ? "No row that is kept holds this." : `No row of ${room} came yet. They show here as they go in.`}</p>}
      {detail && <Detail line={detail} close={() => setDetail(undefined)} />}
    </section>
  );
}
