import { useState } from "preact/hooks";
import { Dot, words } from "./table";
import { Time } from "./time";
import type { Happening } from "./types";

/** So many are shown until more are asked for. */
const FEW = 10;

/** What happened to processes of late, the newest first. */
export function History({ happened }: { happened: Happening[] }) {
  const [all, setAll] = useState(false);
  const more = happened.length - FEW;
  return (
    <section aria-labelledby="history-title">
      <h2 id="history-title">What happened to processes</h2>
      {happened.length === 0 && <p class="empty">{words("Nothing yet. Processes under `rowcast up` are told here when they start and end.")}</p>}
      {happened.length > 0 && (
        <ol class="log" aria-labelledby="history-title">
          {(all ? happened : happened.slice(0, FEW)).map((one) => (
            <Line key={`${one.supervisor} ${one.seq}`} happening={one} />
          ))}
        </ol>
      )}
      {more > 0 && (
        <button type="button" class="quiet small more" onClick={() => setAll(!all)}>
          {all ? "Show fewer" : `Show ${more} more`}
        </button>
      )}
    </section>
  );
}

function Line({ happening: { at, what, role, slot, pid, host, why, address } }: { happening: Happening }) {
  const kind = what === "online" || what === "listening" ? "good" : what === "exit" && unexpected(why) ? "bad" : "idle";
  return (
    <li>
      <Time at={at} />
      <Dot kind={kind}>{what}</Dot>
      <span>
        {role} {slot} <span class="faint">on {host}{pid != null && `, process ${pid}`}</span>
      </span>
      <span class="reason">{why ?? address}</span>
    </li>
  );
}

/** Whether nobody had asked for it: what was asked for has a reason of few words. */
const unexpected = (why?: string) => why !== undefined && !EXPECTED.includes(why);

const EXPECTED = ["rolling restart", "fewer workers wanted", "fewer gateways wanted", "stopping", "job limit", "memory limit"];
