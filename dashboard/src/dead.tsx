import { useRef, useState } from "preact/hooks";
import { Button } from "./button";
import { count, many, moment } from "./format";
import { keyOf, useGroups } from "./groups";
import { useKept } from "./kept";
import { OneLetter } from "./letter";
import { Sweep } from "./sweep";
import type { Fate, Group, Queue } from "./types";

/** More groups than these are counted, and not shown. */
const SHOWN = 100;

type Open = { group: Group; what: "look" | Fate };

/** Jobs that could not become rows: what they died of, and what is to become of them. */
export function Dead({ queues, mayAct }: { queues: Queue[]; mayAct: boolean }) {
  const { groups, looked, state, why, stale, again, soon, more } = useGroups(queues);
  const list = useRef<HTMLElement>(null);
  useKept(list);
  const [open, setOpen] = useState<Open>();
  const total = queues.reduce((sum, queue) => sum + queue.dead_letters, 0);
  const close = () => {
    setOpen(undefined);
    again();
  };
  return (
    <>
      <h1 class="unseen">Dead letters</h1>
      <section>
        <p>
          A dead letter is a job that cannot become a row, kept whole with the reason. Mend the cause first: the table, the route or the
          producer. Then retry its letters; what fails again becomes a dead letter again.
        </p>
      </section>
      <section aria-labelledby="groups-title" ref={list} tabIndex={-1}>
        <div class="bar">
          <h2 id="groups-title">What they died of</h2>
          <p role="status" class="faint">
            {progress(state, looked, Math.max(total, looked), why)}
            {state !== "counting" && stale && " Their number has changed since."}
          </p>
          {state === "partly" && (
            <Button small press={more}>
              Count on
            </Button>
          )}
          <Button small press={again} held={state === "counting"}>
            Count anew
          </Button>
        </div>
        <ul class="groups">
          {groups.slice(0, SHOWN).map((group) => (
            <Died key={keyOf(group)} group={group} mayAct={mayAct} open={(what) => setOpen({ group, what })} />
          ))}
        </ul>
        {groups.length > SHOWN && <p class="hint">And {many(groups.length - SHOWN, "smaller group")}.</p>}
        {state === "counted" && groups.length === 0 && <p class="empty">No dead letters. All jobs so far became rows, or wait.</p>}
      </section>
      {open?.what === "look" && <OneLetter group={open.group} mayAct={mayAct} close={close} after={soon} />}
      {(open?.what === "retry" || open?.what === "purge") && (
        <Sweep group={open.group} fate={open.what} atLeast={state !== "counted"} close={close} after={soon} />
      )}
    </>
  );
}

function progress(state: string, looked: number, total: number, why: string | undefined): string {
  if (why) return `Counted up to the oldest ${count(looked)} of ${count(total)}, then: ${why}.`;
  if (state === "counting") return looked > 0 ? `Counting: ${count(looked)} of ${count(total)}…` : "Counting…";
  if (state === "partly") return `The oldest ${count(looked)} of ${count(total)} letters are counted.`;
  return `${many(looked, "letter")}.`;
}

/** When they were rejected. */
function when({ oldest, newest }: Group): string {
  if (!oldest || !newest) return "Nobody knows since when.";
  return oldest === newest ? `${moment(oldest)} UTC` : `${moment(oldest)} to ${moment(newest)} UTC`;
}

function Died({ group, mayAct, open }: { group: Group; mayAct: boolean; open: (what: Open["what"]) => void }) {
  const { queue, code, column, reason, id } = group;
  const letters = many(group.count, "letter");
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
        <Button small label={`Look at one of ${about}`} press={() => open("look")}>
          Look
        </Button>
        {mayAct && id && (
          <Button small label={`Retry ${about}`} press={() => open("retry")}>
            Retry…
          </Button>
        )}
        {mayAct && (
          <Button small kind="quiet danger" label={`Purge ${about}`} press={() => open("purge")}>
            Purge…
          </Button>
        )}
      </div>
    </li>
  );
}
