import type { ComponentChildren } from "preact";
import { Chart } from "./chart";
import { Delays } from "./delays";
import { count, length, rate } from "./format";
import { History } from "./history";
import type { Orders } from "./orders";
import { Processes } from "./processes";
import { Queues } from "./queues";
import { Supervisors } from "./supervisors";
import { Time } from "./time";
import { Troubles } from "./troubles";
import type { Point, Queue, Told } from "./types";
import type { Known, Read } from "./watch";

interface Props {
  told: Told;
  read: Read | undefined;
  silent: Known["silent"];
  orders: Orders;
  again: () => void;
}

/** How the cluster stands. */
export function Overview({ told, read, silent, orders, again }: Props) {
  const status = read?.status ?? null;
  const queues = status?.queues ?? [];
  const action = told.may_act ? orders.action : undefined;
  return (
    <>
      <h1 class="unseen">Overview</h1>
      <Troubles told={told} before={!told.status && read !== undefined} silent={silent} action={action} />
      <Tiles points={told.points} queues={queues} />
      <section aria-labelledby="chart-title">
        <h2 id="chart-title">The last {Math.round(told.kept_ms / 60_000)} minutes</h2>
        <Chart points={told.points} now={told.now} kept={told.kept_ms} />
      </section>
      <Delays all={status} queues={queues} />
      <Queues queues={queues} routes={told.routes} action={action} again={again} />
      {status && told.may_act && <Supervisors status={status} orders={orders} />}
      <Processes workers={status?.workers ?? []} gateways={status?.gateways ?? []} orders={told.may_act ? orders : undefined} />
      <History happened={told.happened} />
      <footer>
        {read && (
          <>
            Redis was asked at <Time at={read.at} />, and is again every {length(told.every_ms)}.{" "}
          </>
        )}
        The chart is kept by this gateway, since it started.
      </footer>
    </>
  );
}

function Tiles({ points, queues }: { points: Point[]; queues: Queue[] }) {
  const sum = (number: (queue: Queue) => number) => queues.reduce((all, queue) => all + number(queue), 0);
  const now = points.at(-1)?.[1];
  const dead = sum((queue) => queue.dead_letters);
  const tiles: [string, ComponentChildren][] = [
    ["Rows per second", now == null ? "–" : rate(now)],
    ["Jobs waiting", count(sum((queue) => queue.waiting + queue.suspects))],
    ["In flight", count(sum((queue) => queue.in_flight))],
    ["Dead letters", dead > 0 ? <a href="#dead">{count(dead)}</a> : "0"],
    ["Rows inserted", count(sum((queue) => queue.rows))],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([title, value]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
