import { useEffect, useRef, useState } from "preact/hooks";
import { decideAll, inWords } from "./api";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { count, many } from "./format";
import type { Cursor, Fate, Group } from "./types";

type State = { name: "asking" | "going" | "stopped" | "done" } | { name: "failed"; why: string };

const WORDS = {
  retry: { verb: "Retry", done: "sent back" },
  purge: { verb: "Purge", done: "deleted" },
};

interface Props {
  group: Group;
  fate: Fate;
  /** They were not all counted. */
  atLeast: boolean;
  close: () => void;
  /** When it has ended, or was stopped. */
  after: () => void;
}

/** Decides about all letters of a group, part by part: the page asks for each part, so whoever leaves it stops it. */
export function Sweep({ group, fate, atLeast, close, after }: Props) {
  const [state, setState] = useState<State>({ name: "asking" });
  const [taken, setTaken] = useState(0);
  const cursor = useRef<Cursor>(undefined);
  const stop = useRef(false);
  // State comes with the next drawing, and a second press may come before.
  const runs = useRef(false);
  const { queue, code, column, reason } = group;
  const words = WORDS[fate];
  const least = atLeast ? "at least " : "";
  const letters = `${least}${many(group.count, "dead letter")}`;
  const going = state.name === "going";
  const go = async () => {
    if (runs.current) return;
    runs.current = true;
    stop.current = false;
    setState({ name: "going" });
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
    runs.current = false;
    after();
  };
  useEffect(() => () => void (stop.current = true), []);
  useWarning(going);
  const some = `${count(taken)} of ${letters}`;
  const acts = state.name !== "done" && (
    <Button kind={fate === "purge" ? "danger" : "main"} held={going} busy={going} press={go}>
      {state.name === "failed" || state.name === "stopped" ? "Go on" : `${words.verb} ${least}${many(group.count, "letter")}`}
    </Button>
  );
  return (
    <Dialog
      title={`${words.verb} ${letters}${state.name === "asking" ? "?" : ""}`}
      close={close}
      leave={going ? "Stop" : state.name === "asking" ? "Cancel" : "Close"}
      instead={going ? () => void (stop.current = true) : undefined}
      actions={acts}
      asks
    >
      <p>
        <code>{code}</code> {column && `column ${column} `}of queue <b>{queue}</b>: {reason}
      </p>
      {state.name === "asking" && <Question fate={fate} one={group.count === 1 && !atLeast} queue={queue} />}
      {state.name !== "asking" && <progress max={Math.max(group.count, taken, 1)} value={state.name === "done" ? Math.max(group.count, taken, 1) : taken} aria-label="Progress" />}
      {/* How far it is is not read out each second. */}
      {going && (
        <p>
          {some} {words.done}…
        </p>
      )}
      <p role="status" class={state.name === "failed" ? "answer problem" : "answer"}>
        {told(state, some, taken, words.done)}
      </p>
    </Dialog>
  );
}

function Question({ fate, one, queue }: { fate: Fate; one: boolean; queue: string }) {
  if (fate === "retry") return <p>{`${one ? "Its job goes" : "Their jobs go"} behind those that wait in ${queue}, at most 1,000 in a second.`}</p>;
  return (
    <p>
      {one ? "It is deleted with its job" : "They are deleted with their jobs"}, and nothing brings them back. <code>rowcast dead list --all --json</code> keeps a copy.
    </p>
  );
}

function told(state: State, some: string, taken: number, done: string): string {
  switch (state.name) {
    case "asking":
    case "going":
      return "";
    case "stopped":
      return `Stopped: ${some} ${done}. The others are dead letters as before.`;
    case "failed":
      return `Interrupted after ${some} were ${done}: ${state.why}. The others are dead letters as before.`;
    case "done":
      return `Done: ${many(taken, "letter was", "letters were")} ${done}.`;
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
