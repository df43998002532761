import { count, took } from "./format";
import { Table, type Column } from "./table";
import type { Delay, Queue, Status } from "./types";

/** How long the jobs of the last minute took. */
export function Delays({ all, queues }: { all: Status | null; queues: Queue[] }) {
  const delays: [string, Delay | null | undefined][] = [
    ["Claim to commit", all?.commit_delay],
    ["Claim to publish", all?.publish_delay],
  ];
  return (
    <section aria-labelledby="delays-title">
      <h2 id="delays-title">How long the jobs of the last minute took</h2>
      <dl class="tiles delays">
        {delays.map(([title, delay]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>
              <Share name="p50" ms={delay?.p50_ms} />
              <Share name="p99" ms={delay?.p99_ms} />
            </dd>
          </div>
        ))}
      </dl>
      <p class="hint">
        From the moment a worker had claimed a job until MySQL had answered COMMIT, and until Redis had published its row. Half of the jobs took
        no longer than p50, 99 of 100 no longer than p99. {all?.commit_delay && `Committed: ${count(all.commit_delay.jobs)}.`}
      </p>
      {queues.length > 1 && <Table label="Delays of each queue" columns={ofQueues} lines={queues} id={({ queue }) => queue} empty="" />}
    </section>
  );
}

function Share({ name, ms }: { name: string; ms: number | undefined }) {
  return (
    <span class="share">
      <small>{name}</small> {told(ms)}
    </span>
  );
}

const told = (ms: number | undefined) => (ms == null ? "–" : took(ms));

const delay = (title: string, ms: (queue: Queue) => number | undefined): Column<Queue> => ({ title, number: true, cell: (queue) => told(ms(queue)) });

const ofQueues: Column<Queue>[] = [
  { title: "Queue", cell: ({ queue }) => <b>{queue}</b> },
  delay("Commit p50", (queue) => queue.commit_delay?.p50_ms),
  delay("Commit p99", (queue) => queue.commit_delay?.p99_ms),
  delay("Publish p50", (queue) => queue.publish_delay?.p50_ms),
  delay("Publish p99", (queue) => queue.publish_delay?.p99_ms),
];
