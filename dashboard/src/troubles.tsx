import { useRef } from "preact/hooks";
import { clock } from "./format";
import { words } from "./table";
import type { Told, Trouble } from "./types";
import type { Known } from "./watch";

/** What is wrong and what to do, in sentences; or that nothing is. */
export function Troubles({ told, silent }: { told: Told; silent: Known["silent"] }) {
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
          <p>
            {words(trouble.advice)}
          </p>
        </div>
      ))}
      {troubles.length === 0 && <p class="well">{told.status ? "Nothing is wrong." : "Asking Redis…"}</p>}
    </section>
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
