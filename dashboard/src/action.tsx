import { useRef, useState } from "preact/hooks";
import { inWords, undone } from "./api";

export interface Action {
  busy: boolean;
  /** What came of the last one. */
  said: { good: boolean; text: string } | undefined;
  /** Does one thing at a time; it answers in words. */
  run: (work: () => Promise<string>) => Promise<boolean>;
  forget: () => void;
}

/** Something that is done when a person wants it: whether it runs, and what came of it. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<Action["said"]>();
  const runs = useRef(false);
  const run = async (work: () => Promise<string>) => {
    if (runs.current) return false;
    runs.current = true;
    setBusy(true);
    setSaid(undefined);
    let said: NonNullable<Action["said"]>;
    try {
      said = { good: true, text: await work() };
    } catch (error) {
      said = { good: false, text: `${undone(error)}: ${inWords(error)}.` };
    }
    runs.current = false;
    setSaid(said);
    setBusy(false);
    return said.good;
  };
  return { busy, said, run, forget: () => setSaid(undefined) };
}

/** What came of it, read out when it comes. */
export function Answer({ action, busy }: { action: Action; busy: string }) {
  return (
    <p role="status" class={action.said && !action.said.good ? "answer problem" : "answer"}>
      {action.busy ? busy : action.said?.text}
    </p>
  );
}
