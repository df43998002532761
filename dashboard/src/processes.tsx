import { Act } from "./act";
import { count, length, megabytes, rate } from "./format";
import type { Orders, Wish } from "./orders";
import { Dot, Table, type Column } from "./table";
import type { Gateway, Life, Worker } from "./types";

const how: Column<Life>[] = [
  number("Process", (life) => life.pid, String),
  number("Uptime", (life) => life.uptime_ms, length),
  number("Restarts", (life) => life.restarts, count),
  number("Memory", (life) => life.memory, megabytes),
];

interface Props {
  workers: Worker[];
  gateways: Gateway[];
  /** Where whoever looks may act. */
  orders: Orders | undefined;
}

export function Processes({ workers, gateways, orders }: Props) {
  const ofWorkers: Column<Worker>[] = [
    ...where(orders),
    ...how,
    number("Rows/s", (worker) => worker.rows_per_second, rate),
    ...actions("worker", orders),
  ];
  const ofGateways: Column<Gateway>[] = [
    ...where(orders),
    { title: "Address", cell: (gateway) => gateway.address ?? "–" },
    ...how,
    number("Connections", (gateway) => gateway.connections, count),
    ...actions("gateway", orders),
  ];
  return (
    <>
      <section aria-labelledby="workers-title">
        <h2 id="workers-title">Workers</h2>
        <Table label="Workers" columns={ofWorkers} lines={workers} id={places(workers)} empty="No worker runs. `rowcast up` starts some." />
      </section>
      <section aria-labelledby="gateways-title">
        <h2 id="gateways-title">Gateways</h2>
        <Table label="Gateways" columns={ofGateways} lines={gateways} id={places(gateways)} empty="No gateway is listed yet." />
      </section>
    </>
  );
}

/** The line's name is that of the place, so that whoever is on it with the keyboard stays there when the process in it
 * is replaced; while two are in it, the older one has the line, because it comes first. */
function places(lives: Life[]): (life: Life) => string {
  const names = new Map<Life, string>();
  const taken = new Map<string, number>();
  for (const life of lives) {
    const place = life.supervisor == null || life.slot == null ? life.id : `${life.supervisor} ${life.slot}`;
    const before = taken.get(place) ?? 0;
    taken.set(place, before + 1);
    names.set(life, `${place} ${before}`);
  }
  return (life) => names.get(life) ?? life.id;
}

function where(orders: Orders | undefined): Column<Life>[] {
  return [
    { title: "Slot", cell: (life) => (life.slot == null ? "–" : String(life.slot)) },
    { title: "State", cell: (life) => state(life, orders?.leaving.has(life.id) ?? false) },
    { title: "Host", cell: (life) => life.host ?? "–" },
  ];
}

function actions(role: "worker" | "gateway", orders: Orders | undefined): Column<Life>[] {
  if (!orders) return [];
  const cell = (life: Life) => {
    // Nobody replaces a process that no supervisor has started.
    if (!life.supervisor || life.slot == null || !life.alive) return "–";
    return <Act deed={orders.deed(restart(role, life, life.supervisor, life.slot))} action={orders.action} />;
  };
  return [{ title: "Actions", cell }];
}

function restart(role: "worker" | "gateway", life: Life, host: string, slot: number): Wish {
  const ends = role === "worker" ? "finishes what it holds" : "lets go of its clients, who connect again by themselves";
  return {
    order: { order: "restart", role, slot, host },
    verb: "Restart",
    words: `restart ${role} ${slot} on ${life.host ?? "?"}`,
    warning: `A new process starts, and then this one (${life.pid ?? "?"}) ${ends}, and ends.`,
    replaces: [life],
  };
}

function number<L extends Life>(title: string, of: (life: L) => number | null, shown: (number: number) => string): Column<L> {
  const cell = (life: L) => {
    const number = of(life);
    return number == null ? "–" : shown(number);
  };
  return { title, number: true, cell };
}

function state(life: Life, leaving: boolean) {
  if (!life.alive) return <Dot kind="bad">gone</Dot>;
  if (leaving) return <Dot kind="idle">being replaced</Dot>;
  if (life.silent) return <Dot kind="bad">silent</Dot>;
  // The whole reason stands at the top.
  if (life.waiting) return <Dot kind="bad">{life.waiting.split(", ")[0]?.replace(/[\d:]+$/, "$& UTC")}</Dot>;
  const good = life.state === "working" || life.state === "serving";
  return <Dot kind={good ? "good" : "idle"}>{life.state ?? "–"}</Dot>;
}
