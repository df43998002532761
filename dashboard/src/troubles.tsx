import { useRef } from "preact/hooks";
import { Act } from "./act";
import type { Action } from "./action";
import { clock } from "./format";
import { turned } from "./queues";
import { words } from "./table";
import type { Status, Told, Trouble } from "./types";
import type { Known } from "./watch";

interface Props {
  told: Told;
  /** The gateway has not read Redis yet, and the page shows what another one had read. */
  before: boolean;
  silent: Known["silent"];
  /** Where whoever looks may act. */
  action: Action | undefined;
}

/** What is wrong and what to do, in sentences; or that nothing is. */
export function Troubles({ told, before, silent, action }: Props) {
  const troubles = silent ? [unreachable(silent)] : told.troubles;
  const announced = useAnnounced(troubles);
  return (
    <section class="troubles" aria-label="What is wrong">
      {/* Read out when something else is wrong, and not whenever a number has changed. */}
      <p class="unseen" role="status">
        {announced}
      </p>
      {troubles.map((trouble, at) => (
        <div key={`${trouble.what.replace(/[\d,]+/g, "")} ${at}`} class={trouble.grave ? "trouble grave" : "trouble"}>
          <p class="what">{trouble.what}</p>
          {trouble.why && <p class="why">{trouble.why}</p>}
          <p>{words(trouble.advice)}</p>
          <p class="here">
            <Here trouble={trouble} status={told.status} action={action} />
          </p>
        </div>
      ))}
      {troubles.length === 0 && <p class="well">{told.status ? "Nothing is wrong." : "Asking Redis…"}</p>}
      {before && !silent && <p class="hint">What is shown below is of before.</p>}
    </section>
  );
}

interface HereProps {
  trouble: Trouble;
  status: Status | null;
  action: Action | undefined;
}

/** Where the page itself does what the advice names a command for. */
function Here({ trouble: { what, advice }, status, action }: HereProps) {
  const names = (command: string) => advice.includes(`\`rowcast ${command}`);
  if (names("dead ")) return <a href="#dead">Look at the dead letters</a>;
  if (!action || !status) return null;
  const paused = status.queues.find(({ queue, paused }) => paused && what.includes(JSON.stringify(queue)));
  if (paused && names("resume ")) return <Act deed={turned(paused)} action={action} />;
  // Where no supervisor is there, the command alone does it.
  const supervised = [...status.workers, ...status.gateways].some(({ alive, supervisor }) => alive && supervisor);
  if (supervised && names("up`")) return <a href="#supervisors-title">Add a worker, or reload, under Supervisors</a>;
  return null;
}

const unreachable = ({ since, why }: { since: number; why: string }): Trouble => ({
  grave: true,
  what: `This gateway does not answer since ${clock(since)} UTC. What is shown below is of before.`,
  why,
  advice: "The page goes on by itself when it answers. Workers do not need it: rows may well go in. `rowcast status` tells.",
});

function useAnnounced(troubles: Trouble[]): string {
  const last = useRef({ kinds: "", text: "" });
  const kinds = troubles.map(({ what }) => what.replace(/[\d,]+/g, "")).join();
  if (kinds !== last.current.kinds) {
    const text = troubles.map(({ what }) => what).join(" ") || "Nothing is wrong any more.";
    last.current = { kinds, text };
  }
  return last.current.text;
}
