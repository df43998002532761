import { useState } from "preact/hooks";
import { count, moment } from "./format";
import { keyOf, useGroups } from "./groups";
import { OneLetter } from "./letter";
import { Sweep } from "./sweep";
import type { Fate, Group, Queue } from "./types";

/** More groups than these are counted, and not shown. */
const SHOWN = 100;

type Open = { group: Group; what: "look" | Fate };

/** Jobs that could not become rows: what they died of, and what is to become of them. */
export function Dead({ queues, mayAct }: { queues: Queue[]; mayAct: boolean }) {
  const { groups, looked, state, why, stale, again, more } = useGroups(queues);
  const [open, setOpen] = useState<Open>();
  const total = queues.reduce((sum, queue) => sum + queue.dead_letters, 0);
  const close = () => {
    setOpen(undefined);
    again();
  };
  return (
    <>
      <h1 class="unseen">Dead letters</h1>
      <section class="lead">
        <p>
          A dead letter is a job that cannot become a row, kept whole with the reason. Mend the cause first: the table, the route or the
          producer. Then retry its letters; what fails again becomes a dead letter again.
        </p>
        {!mayAct && <Locked what="retry, edit or purge them" />}
      </section>
      <section aria-labelledby="groups-title">
        <div class="bar">
          <h2 id="groups-title">What they died of</h2>
          <p role="status" class="faint">
            {progress(state, looked, Math.max(total, looked), why)}
            {state !== "counting" && stale && " Their number has changed since."}
          </p>
          {state === "partly" && (
            <button type="button" class="quiet" onClick={more}>
              Count on
            </button>
          )}
          <button type="button" class="quiet" onClick={again} disabled={state === "counting"}>
            Count anew
          </button>
        </div>
        <ul class="groups">
          {groups.slice(0, SHOWN).map((group) => (
            <Died key={keyOf(group)} group={group} mayAct={mayAct} open={(what) => setOpen({ group, what })} />
          ))}
        </ul>
        {groups.length > SHOWN && <p class="hint">And {count(groups.length - SHOWN)} smaller groups.</p>}
        {state === "counted" && groups.length === 0 && <p class="empty">No dead letters. All jobs so far became rows, or wait.</p>}
      </section>
      {open?.what === "look" && <OneLetter group={open.group} mayAct={mayAct} close={close} />}
      {(open?.what === "retry" || open?.what === "purge") && (
        <Sweep group={open.group} fate={open.what} atLeast={state !== "counted"} close={close} />
      )}
    </>
  );
}

function progress(state: string, looked: number, total: number, why: string | undefined): string {
  if (why) return `Counted up to the oldest ${count(looked)} of ${count(total)}, then: ${why}.`;
  if (state === "counting") return looked > 0 ? `Counting: ${count(looked)} of ${count(total)}…` : "Counting…";
  if (state === "partly") return `The oldest ${count(looked)} of ${count(total)} letters are counted.`;
  return looked === 1 ? "1 letter." : `${count(looked)} letters.`;
}

/** For whoever may look and no more. */
export function Locked({ what }: { what: string }) {
  return (
    <p class="hint">
      You may look. To {what}, log out and log in with <code>ROWCAST_ADMIN_TOKEN</code>.
    </p>
  );
}

/** When they were rejected. */
function when({ oldest, newest }: Group): string {
  if (!oldest || !newest) return "Nobody knows since when.";
  return oldest === newest ? `${moment(oldest)} UTC` : `${moment(oldest)} to ${moment(newest)} UTC`;
}

function Died({ group, mayAct, open }: { group: Group; mayAct: boolean; open: (what: Open["what"]) => void }) {
  const { queue, code, column, reason, id } = group;
  const letters = group.count === 1 ? "1 letter" : `${count(group.count)} letters`;
  const about = `${letters}, ${code}, ${queue}`;
  return (
    <li>
      <div class="died">
        <p class="what">
          <b>{letters}</b> <code>{code}</code> {column && <span>column {column}</span>} <span class="faint">of {queue}</span>
        </p>
        <p class="why">{reason}</p>
        <p class="hint">{when(group)}</p>
      </div>
      <div class="buttons">
        <button type="button" class="quiet small" aria-label={`Look at one of ${about}`} onClick={() => open("look")}>
          Look
        </button>
        {mayAct && id && (
          <button type="button" class="quiet small" aria-label={`Retry ${about}`} onClick={() => open("retry")}>
            Retry…
          </button>
        )}
        {mayAct && (
          <button type="button" class="quiet danger" aria-label={`Purge ${about}`} onClick={() => open("purge")}>
            Purge…
          </button>
        )}
      </div>
    </li>
  );
}
