import { useEffect, useRef, useState } from "preact/hooks";
import { decideAll, inWords } from "./api";
import { Dialog } from "./dialog";
import { count } from "./format";
import type { Cursor, Fate, Group } from "./types";

type State = { name: "asking" | "going" | "stopped" | "done" } | { name: "failed"; why: string };

const WORDS = {
  retry: { title: "Retry", done: "sent back", yes: "Send them back", no: "Leave them" },
  purge: { title: "Purge", done: "deleted", yes: "Delete them for good", no: "Keep them" },
};

/** Decides about all letters of a group, part by part: the page asks for each part, so whoever leaves it stops it. */
export function Sweep({ group, fate, atLeast, close }: { group: Group; fate: Fate; atLeast: boolean; close: () => void }) {
  const [state, setState] = useState<State>({ name: "asking" });
  const [taken, setTaken] = useState(0);
  const cursor = useRef<Cursor>(undefined);
  const stop = useRef(false);
  const last = useRef<HTMLButtonElement>(null);
  const { queue, code, column, reason } = group;
  const words = WORDS[fate];
  const letters = `${atLeast ? "at least " : ""}${group.count === 1 ? "1 dead letter" : `${count(group.count)} dead letters`}`;
  const go = async () => {
    stop.current = false;
    setState({ name: "going" });
    // The button that had the keyboard goes.
    last.current?.focus();
    try {
      do {
        const part = await decideAll(fate, { queue, code, column, reason }, cursor.current);
        cursor.current = part.cursor;
        setTaken((taken) => taken + part.taken);
      } while (cursor.current.left > 0 && !stop.current);
      setState({ name: cursor.current.left > 0 ? "stopped" : "done" });
    } catch (error) {
      setState({ name: "failed", why: inWords(error) });
    }
  };
  useEffect(() => () => void (stop.current = true), []);
  useWarning(state.name === "going");
  return (
    <Dialog title={`${words.title} ${letters}`} close={close} about="sweep-about">
      <div id="sweep-about" class="lead">
        <p>
          <code>{code}</code> {column && `column ${column} `}of queue <b>{queue}</b>: {reason}
        </p>
        {state.name === "asking" && <Question fate={fate} letters={letters} queue={queue} />}
      </div>
      {state.name !== "asking" && <progress max={Math.max(group.count, taken, 1)} value={state.name === "done" ? Math.max(group.count, taken, 1) : taken} aria-label="Progress" />}
      <p role="status" class={state.name === "failed" ? "answer problem" : "answer"}>
        {told(state, `${count(taken)} of ${letters}`, taken, words.done)}
      </p>
      <div class="bar end">
        {state.name === "asking" && (
          <button type="button" class={fate === "purge" ? "danger" : undefined} onClick={go}>
            {words.yes}
          </button>
        )}
        {(state.name === "failed" || state.name === "stopped") && (
          <button type="button" onClick={go}>
            Go on
          </button>
        )}
        <button type="button" class="quiet" ref={last} autofocus onClick={state.name === "going" ? () => void (stop.current = true) : close}>
          {state.name === "going" ? "Stop" : state.name === "asking" ? words.no : "Close"}
        </button>
      </div>
    </Dialog>
  );
}

function Question({ fate, letters, queue }: { fate: Fate; letters: string; queue: string }) {
  return fate === "retry" ? (
    <p>
      Send {letters} back to {queue}? They go behind the jobs that wait there, at most 1,000 in a second.
    </p>
  ) : (
    <p>
      Delete {letters} for good? Their jobs are gone then, and nothing brings them back. <code>rowcast dead list --all --json</code> keeps a
      copy.
    </p>
  );
}

function told(state: State, some: string, taken: number, done: string): string {
  switch (state.name) {
    case "asking":
      return "";
    case "going":
      return `${some} ${done}…`;
    case "stopped":
      return `Stopped: ${some} ${done}. The others are dead letters as before.`;
    case "failed":
      return `Interrupted after ${some} were ${done}: ${state.why}. The others are dead letters as before.`;
    case "done":
      return taken === 1 ? `Done: 1 letter was ${done}.` : `Done: ${count(taken)} letters were ${done}.`;
  }
}

/** Asks before the page is left. */
function useWarning(going: boolean) {
  useEffect(() => {
    if (!going) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [going]);
}
