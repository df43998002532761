import { Act } from "./act";
import type { Orders, Wish } from "./orders";
import { Table, type Column } from "./table";
import type { Life, Order, Status } from "./types";

/** A supervisor, as its processes tell of it. */
interface Supervisor {
  id: string;
  host: string;
  workers: Life[];
  gateways: Life[];
}

/** What can be ordered of each supervisor. */
export function Supervisors({ status, orders }: { status: Status; orders: Orders }) {
  const all = found(status);
  const columns: Column<Supervisor>[] = [
    { title: "Host", cell: ({ host, id }) => (twins(all, host) ? `${host} (${id})` : host) },
    { title: "Workers", number: true, cell: ({ workers }) => String(slots(workers)) },
    { title: "Gateways", number: true, cell: ({ gateways }) => String(slots(gateways)) },
    { title: "Actions", cell: (one) => <Actions of={one} orders={orders} /> },
  ];
  return (
    <section aria-labelledby="supervisors-title">
      <h2 id="supervisors-title">Supervisors</h2>
      <Table
        label="Supervisors"
        columns={columns}
        lines={all}
        id={({ id }) => id}
        empty="No supervisor is there to take orders. `rowcast up` is one; processes that run without it are restarted by whoever started them."
      />
    </section>
  );
}

function Actions({ of, orders }: { of: Supervisor; orders: Orders }) {
  const act = (verb: string, order: Order, words: string, warning?: string, replaces: Life[] = []) => {
    const wish: Wish = { verb, order: { ...order, host: of.id }, words: `${words} on ${of.host}`, replaces };
    return <Act deed={orders.deed(warning ? { ...wish, warning } : wish)} action={orders.action} />;
  };
  const everybody = [...of.workers, ...of.gateways];
  const rolling = "Each process is replaced by a new one that starts before it ends, one after the other. Workers finish what they hold; clients of the gateways connect again by themselves.";
  const last = "The worker in the last slot finishes what it holds, and ends. The others take its jobs.";
  const anew = `.env and the routes file are read again, and there are ROWCAST_WORKERS workers. ${rolling}`;
  return (
    <span class="buttons">
      {act("Add a worker", { order: "scale", by: 1 }, "add a worker")}
      {act("Remove a worker", { order: "scale", by: -1 }, "remove a worker", last)}
      {act("Restart all", { order: "restart" }, "restart all processes", rolling, everybody)}
      {act("Reload", { order: "reload" }, "reload the configuration", anew, everybody)}
    </span>
  );
}

/** While one is being replaced, two processes are in its slot. */
const slots = (lives: Life[]) => new Set(lives.map(({ slot, id }) => slot ?? id)).size;

function found({ workers, gateways }: Status): Supervisor[] {
  const all = new Map<string, Supervisor>();
  const add = (role: "workers" | "gateways") => (life: Life) => {
    if (!life.supervisor || !life.alive) return;
    const one = all.get(life.supervisor) ?? { id: life.supervisor, host: life.host ?? "?", workers: [], gateways: [] };
    one[role].push(life);
    all.set(life.supervisor, one);
  };
  workers.forEach(add("workers"));
  gateways.forEach(add("gateways"));
  return [...all.values()].sort((one, other) => one.host.localeCompare(other.host) || one.id.localeCompare(other.id));
}

const twins = (all: Supervisor[], host: string) => all.filter((one) => one.host === host).length > 1;
