import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Act, type Doable } from "./act";
import type { Action } from "./action";
import { tell } from "./api";
import { Button } from "./button";
import { Dot, Table, type Column } from "./table";
import { count, length, rate } from "./format";
import { Push } from "./push";
import { Time } from "./time";
import type { Queue, Route } from "./types";

const columns: Column<Queue>[] = [
  {
    title: "Queue",
    cell: (queue) => (
      <>
        <b>{queue.queue}</b> <span class="into faint">into {queue.table}</span>
      </>
    ),
  },
  { title: "State", cell: state },
  number("Rows/s", (queue) => (queue.rows_per_second == null ? "–" : rate(queue.rows_per_second))),
  number("Waiting", (queue) => count(queue.waiting + queue.suspects)),
  number("Waiting since", (queue) => (queue.waiting_since == null ? "–" : <Time at={queue.waiting_since} />)),
  number("In flight", (queue) => count(queue.in_flight)),
  number("Oldest claim", (queue) => (queue.oldest_claim_ms == null ? "–" : length(queue.oldest_claim_ms))),
  number("Duplicates", (queue) => count(queue.duplicate)),
  number("Dead letters", (queue) => count(queue.dead_letters)),
];

interface Props {
  queues: Queue[];
  routes: Route[];
  /** Where whoever looks may act. */
  action: Action | undefined;
  again: () => void;
}

export function Queues({ queues: read, routes, action, again }: Props) {
  const known = useKnown();
  const [pushed, setPushed] = useState<Queue>();
  const queues = read.map((queue) => ({ ...queue, paused: known.of(queue) }));
  // A text that is being written outlives its queue, which another gateway may not show.
  const push = pushed && (queues.find(({ queue }) => queue === pushed.queue) ?? pushed);
  const turn = (queue: Queue): Doable => {
    const deed = turned(queue);
    const work = async () => {
      const said = await deed.work();
      known.set(queue.queue, !queue.paused);
      return said;
    };
    return { ...deed, work };
  };
  const acts = (action: Action): Column<Queue> => ({
    title: "Actions",
    cell: (queue) => (
      <span class="buttons">
        <Act deed={turn(queue)} action={action} />
        <Button small label={`Push a job to ${queue.queue}`} press={() => setPushed(queue)}>
          Push…
        </Button>
      </span>
    ),
  });
  return (
    <section aria-labelledby="queues-title">
      <h2 id="queues-title">Queues</h2>
      <Table
        label="Queues"
        columns={action ? [...columns, acts(action)] : columns}
        lines={queues}
        id={({ queue }) => queue}
        empty="Redis has not been asked yet."
      />
      {push && <Push queue={push} sample={routes.find(({ queue }) => queue === push.queue)?.sample} close={() => setPushed(undefined)} after={again} />}
    </section>
  );
}

/** A queue that is open is paused, and one that is paused goes on. */
export function turned({ queue, paused }: Queue): Doable {
  const verb = paused ? "Resume" : "Pause";
  return { verb, words: `${verb.toLowerCase()} ${queue}`, work: () => tell(queue, paused ? "resume" : "pause") };
}

/** What is shown is seconds old: whoever has just paused a queue knows better. */
const BETTER_MS = 5_000;

function useKnown() {
  const [known, setKnown] = useState<{ queue: string; paused: boolean; at: number }>();
  const of = ({ queue, paused }: Queue) => (known?.queue === queue && Date.now() - known.at < BETTER_MS ? known.paused : paused);
  return { of, set: (queue: string, paused: boolean) => setKnown({ queue, paused, at: Date.now() }) };
}

function number(title: string, cell: (queue: Queue) => ComponentChildren): Column<Queue> {
  // Numbers of lists that cannot be read mean nothing.
  return { title, number: true, cell: (queue) => (queue.problem ? "–" : cell(queue)) };
}

function state(queue: Queue) {
  if (queue.problem) return <Dot kind="bad">unreadable</Dot>;
  if (queue.paused) return <Dot kind="idle">paused</Dot>;
  if (queue.workers === 0) return <Dot kind="bad">no worker</Dot>;
  return <Dot kind="good">open</Dot>;
}
