import { useState } from "preact/hooks";
import { when } from "./format";
import { Dot, Table, type Column } from "./table";
import type { Happening } from "./types";

/** So many are shown until more are asked for. */
const FEW = 10;

const columns: Column<Happening>[] = [
  { title: "Time (UTC)", cell: ({ at }) => <time dateTime={new Date(at).toISOString()}>{when(at)}</time> },
  { title: "Host", cell: ({ host }) => host },
  { title: "Process", cell: ({ role, slot, pid }) => `${role} ${slot}${pid == null ? "" : ` (${pid})`}` },
  { title: "Event", cell: what },
  { title: "Reason", cell: ({ why, address }) => why ?? address ?? "–" },
];

/** What happened to processes of late, the newest first. */
export function History({ happened }: { happened: Happening[] }) {
  const [all, setAll] = useState(false);
  const lines = all ? happened : happened.slice(0, FEW);
  const more = happened.length - FEW;
  return (
    <section aria-labelledby="history-title">
      <h2 id="history-title">What happened to processes</h2>
      <Table
        label="What happened to processes"
        columns={columns}
        lines={lines}
        id={({ supervisor, seq }) => `${supervisor} ${seq}`}
        empty="Nothing yet. Processes under `rowcast up` are told here when they start and end."
      />
      {more > 0 && (
        <button type="button" class="quiet small more" onClick={() => setAll(!all)}>
          {all ? "Show fewer" : `Show ${more} more`}
        </button>
      )}
    </section>
  );
}

function what({ what, why }: Happening) {
  const kind = what === "online" || what === "listening" ? "good" : what === "exit" && unexpected(why) ? "bad" : "idle";
  return <Dot kind={kind}>{what}</Dot>;
}

/** Whether nobody had asked for it: what was asked for has a reason of few words. */
const unexpected = (why?: string) => why !== undefined && !EXPECTED.includes(why);

const EXPECTED = ["rolling restart", "fewer workers wanted", "stopping", "job limit", "memory limit"];
