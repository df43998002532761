import { useRef } from "preact/hooks";
import { Act } from "./act";
import type { Action } from "./action";
import { clock } from "./format";
import { turned } from "./queues";
import { words } from "./table";
import type { Queue, Told, Trouble } from "./types";
import type { Known } from "./watch";

interface Props {
  told: Told;
  silent: Known["silent"];
  /** Where whoever looks may act. */
  action: Action | undefined;
}

/** What is wrong and what to do, in sentences; or that nothing is. */
export function Troubles({ told, silent, action }: Props) {
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
          <Here trouble={trouble} queues={told.status?.queues ?? []} action={action} />
        </div>
      ))}
      {troubles.length === 0 && <p class="well">{told.status ? "Nothing is wrong." : "Asking Redis…"}</p>}
    </section>
  );
}

/** Where the page itself does what the advice names a command for. */
function Here({ trouble: { what, advice }, queues, action }: { trouble: Trouble; queues: Queue[]; action: Action | undefined }) {
  const paused = queues.find(({ queue, paused }) => paused && what.includes(JSON.stringify(queue)));
  if (advice.includes("`rowcast dead ")) {
    return (
      <p class="here">
        <a href="#dead">Look at the dead letters</a>
      </p>
    );
  }
  if (!action || !paused || !advice.includes("`rowcast resume ")) return null;
  return (
    <p class="here">
      <Act deed={turned(paused)} action={action} />
    </p>
  );
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
