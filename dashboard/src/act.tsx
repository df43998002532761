import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Action, Deed } from "./action";
import { Button } from "./button";
import { Confirm } from "./dialog";

/** A deed with a button. */
export interface Doable extends Deed {
  /** On the button, and on the one that means it: "Restart". */
  verb: string;
  /** What it costs, where it costs something: then it is asked for. */
  warning?: ComponentChildren;
  /** It cannot be undone. */
  danger?: boolean;
}

/** The button of a deed; what costs something is asked for first. */
export function Act({ deed, action, main, large }: { deed: Doable; action: Action; main?: boolean; large?: boolean }) {
  const [asking, setAsking] = useState(false);
  const { verb, words, warning, danger } = deed;
  const run = () => void action.run(deed);
  return (
    <>
      <Button
        kind={main ? "main" : danger ? "quiet danger" : "quiet"}
        small={!large}
        label={capital(words)}
        held={action.busy !== undefined}
        busy={action.busy === words}
        press={warning ? () => setAsking(true) : run}
      >
        {warning ? `${verb}…` : verb}
      </Button>
      {asking && (
        <Confirm title={`${capital(words)}?`} verb={verb} danger={danger} close={() => setAsking(false)} mean={run}>
          <p>{warning}</p>
        </Confirm>
      )}
    </>
  );
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
