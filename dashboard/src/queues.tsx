import { Dot, Table, type Column } from "./table";
import { clock, count, length, rate } from "./format";
import type { Queue } from "./types";

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

export function Queues({ queues }: { queues: Queue[] }) {
  return (
    <section aria-labelledby="queues-title">
      <h2 id="queues-title">Queues</h2>
      <Table label="Queues" columns={columns} lines={queues} id={({ queue }) => queue} empty="Redis has not been asked yet." />
    </section>
  );
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
