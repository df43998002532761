import { Dot, Table, type Column } from "./table";
import { count, length, megabytes, rate } from "./format";
import type { Gateway, Life, Worker } from "./types";

const where: Column<Life>[] = [
  { title: "Slot", cell: (life) => (life.slot == null ? "–" : String(life.slot)) },
  { title: "State", cell: state },
  { title: "Host", cell: (life) => life.host ?? "–" },
];

const how: Column<Life>[] = [
  number("Process", (life) => life.pid, String),
  number("Uptime", (life) => life.uptime_ms, length),
  number("Restarts", (life) => life.restarts, count),
  number("Memory", (life) => life.memory, megabytes),
];

const workers: Column<Worker>[] = [...where, ...how, number("Rows/s", (worker) => worker.rows_per_second, rate)];

const gateways: Column<Gateway>[] = [
  ...where,
  { title: "Address", cell: (gateway) => gateway.address ?? "–" },
  ...how,
  number("Connections", (gateway) => gateway.connections, count),
];

export function Processes(all: { workers: Worker[]; gateways: Gateway[] }) {
  return (
    <>
      <section aria-labelledby="workers-title">
        <h2 id="workers-title">Workers</h2>
        <Table label="Workers" columns={workers} lines={all.workers.sort(bySlot)} id={({ id }) => id} empty="No worker runs. `rowcast up` starts some." />
      </section>
      <section aria-labelledby="gateways-title">
        <h2 id="gateways-title">Gateways</h2>
        <Table label="Gateways" columns={gateways} lines={all.gateways.sort(bySlot)} id={({ id }) => id} empty="No gateway is listed yet." />
      </section>
    </>
  );
}

/** So that a process that was replaced has its line where the one before it had it. */
function bySlot(one: Life, other: Life): number {
  return (one.host ?? "").localeCompare(other.host ?? "") || (one.slot ?? 0) - (other.slot ?? 0) || one.id.localeCompare(other.id);
}

function number<L extends Life>(title: string, of: (life: L) => number | null, shown: (number: number) => string): Column<L> {
  const cell = (life: L) => {
    const number = of(life);
    return number == null ? "–" : shown(number);
  };
  return { title, number: true, cell };
}

function state(life: Life) {
  if (!life.alive) return <Dot kind="bad">gone</Dot>;
  if (life.silent) return <Dot kind="bad">silent</Dot>;
  // The whole reason stands at the top.
  if (life.waiting) return <Dot kind="bad">{life.waiting.split(", ")[0] ?? "waiting"}</Dot>;
  const good = life.state === "working" || life.state === "serving";
  return <Dot kind={good ? "good" : "idle"}>{life.state ?? "–"}</Dot>;
}
