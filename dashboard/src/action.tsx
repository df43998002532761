import { useRef, useState } from "preact/hooks";
import { inWords, undone } from "./api";
import { Button } from "./button";

/** What a person wants done. */
export interface Deed {
  /** As one says it, with what it is done to: "restart worker 2 on db-1". */
  words: string;
  /** Does it, and answers in words; in none where it shows by itself. */
  work: () => Promise<string>;
  /** How it is told that it failed, where that is known better than for any deed. */
  failed?: string;
}

export interface Action {
  /** What is under way, in a deed's words. */
  busy: string | undefined;
  /** What came of the last one. */
  said: { good: boolean; text: string } | undefined;
  /** Does one deed at a time; whether it was done. */
  run: (deed: Deed) => Promise<boolean>;
  /** Says more behind this, if it is still what was said last. */
  add: (said: string, more: string) => void;
  forget: () => void;
}

/** The one way in which the page has something done: whether it is under way, and what came of it; `after` each. Only
 * `sweep` has its own, because it has many parts done, is stopped between two of them, and says how far it came. */
export function useAction(after?: () => void): Action {
  const [busy, setBusy] = useState<string>();
  const [said, setSaid] = useState<Action["said"]>();
  // State comes with the next drawing, and a second press may come before.
  const runs = useRef(false);
  const run = async ({ words, work, failed }: Deed) => {
    if (runs.current) return false;
    runs.current = true;
    setBusy(words);
    setSaid(undefined);
    let came: NonNullable<Action["said"]>;
    try {
      came = { good: true, text: await work() };
    } catch (error) {
      came = { good: false, text: `${failed ?? `${undone(error)}: ${words}`}. The reason: ${inWords(error)}.` };
    }
    runs.current = false;
    setSaid(came);
    setBusy(undefined);
    after?.();
    return came.good;
  };
  const add = (to: string, more: string) => setSaid((said) => (said?.text === to ? { ...said, text: `${to} ${more}` } : said));
  return { busy, said, run, add, forget: () => setSaid(undefined) };
}

const told = ({ busy, said }: Action) => (busy ? `Asked to ${busy}; waiting for the answer…` : said?.text);

/** What came of it, read out when it comes: in a window or a form. */
export function Answer({ action }: { action: Action }) {
  return (
    <p role="status" class={action.said?.good === false ? "answer problem" : "answer"}>
      {told(action)}
    </p>
  );
}

/** The same for the whole page, to be seen wherever on it the button was. */
export function Said({ action }: { action: Action }) {
  const text = told(action);
  return (
    <div class={text ? "said" : "unseen"}>
      <p role="status" class={action.said?.good === false ? "problem" : undefined}>
        {text}
      </p>
      {text && !action.busy && (
        <Button small label="Close the message" press={action.forget}>
          Close
        </Button>
      )}
    </div>
  );
}
