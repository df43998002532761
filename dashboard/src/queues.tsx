import { useState } from "preact/hooks";
import { Answer, useAction } from "./action";
import { tell } from "./api";
import { Locked } from "./dead";
import { Dot, Table, type Column } from "./table";
import { clock, count, length, rate } from "./format";
import { Push } from "./push";
import type { Queue, Route } from "./types";

const columns: Column<Queue>[] = [
  {
    title: "Queue",
    cell: (queue) => (
      <>
        <b>{queue.queue}</b> <span class="faint">into {queue.table}</span>
      </>
    ),
  },
  { title: "State", cell: state },
  number("Rows/s", (queue) => (queue.rows_per_second == null ? "–" : rate(queue.rows_per_second))),
  number("Waiting", (queue) => count(queue.waiting + queue.suspects)),
  number("Waiting since", (queue) => (queue.waiting_since == null ? "–" : clock(queue.waiting_since))),
  number("In flight", (queue) => count(queue.in_flight)),
  number("Oldest claim", (queue) => (queue.oldest_claim_ms == null ? "–" : length(queue.oldest_claim_ms))),
  number("Duplicates", (queue) => count(queue.duplicate)),
  number("Dead letters", (queue) => count(queue.dead_letters)),
];

interface Props {
  queues: Queue[];
  routes: Route[];
  mayAct: boolean;
  again: () => void;
}

export function Queues({ queues, routes, mayAct, again }: Props) {
  const action = useAction();
  const known = useKnown();
  const [push, setPush] = useState<Queue>();
  const turn = async (queue: Queue, paused: boolean) => {
    if (await action.run(() => tell(queue.queue, paused ? "pause" : "resume"))) known.set(queue.queue, paused);
    again();
  };
  const acts: Column<Queue> = {
    title: "Actions",
    cell: (queue) => (
      <span class="buttons">
        <button type="button" class="quiet small" disabled={action.busy} aria-label={`${queue.paused ? "Resume" : "Pause"} ${queue.queue}`} onClick={() => turn(queue, !queue.paused)}>
          {queue.paused ? "Resume" : "Pause"}
        </button>
        <button type="button" class="quiet small" aria-label={`Push a job to ${queue.queue}`} onClick={() => setPush(queue)}>
          Push…
        </button>
      </span>
    ),
  };
  return (
    <section aria-labelledby="queues-title">
      <h2 id="queues-title">Queues</h2>
      <Table
        label="Queues"
        columns={mayAct ? [...columns, acts] : columns}
        lines={queues.map((queue) => ({ ...queue, paused: known.of(queue) }))}
        id={({ queue }) => queue}
        empty="Redis has not been asked yet."
      />
      {mayAct ? <Answer action={action} busy="Telling Redis…" /> : <Locked what="pause queues or push jobs" />}
      {push && <Push queue={push.queue} sample={routes.find(({ queue }) => queue === push.queue)?.sample ?? "{}"} close={() => setPush(undefined)} />}
    </section>
  );
}

/** What is shown is seconds old: whoever has just paused a queue knows better. */
const BETTER_MS = 5_000;

function useKnown() {
  const [known, setKnown] = useState<{ queue: string; paused: boolean; at: number }>();
  const of = ({ queue, paused }: Queue) => (known?.queue === queue && Date.now() - known.at < BETTER_MS ? known.paused : paused);
  return { of, set: (queue: string, paused: boolean) => setKnown({ queue, paused, at: Date.now() }) };
}

function number(title: string, cell: (queue: Queue) => string): Column<Queue> {
  // Numbers of lists that cannot be read mean nothing.
  return { title, number: true, cell: (queue) => (queue.problem ? "–" : cell(queue)) };
}

function state(queue: Queue) {
  if (queue.problem) return <Dot kind="bad">unreadable</Dot>;
  if (queue.paused) return <Dot kind="idle">paused</Dot>;
  if (queue.workers === 0) return <Dot kind="bad">no worker</Dot>;
  return <Dot kind="good">open</Dot>;
}
