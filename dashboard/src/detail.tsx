import { useRef, useState } from "preact/hooks";
import { Button } from "./button";
import { Dialog } from "./dialog";
import type { Line } from "./stream";

/** One row, whole. */
export function Detail({ line, close }: { line: Line; close: () => void }) {
  const whole = useRef<HTMLPreElement>(null);
  const [said, setSaid] = useState("");
  const { table, id, row } = line;
  const json = JSON.stringify({ table, id, row }, null, 2);
  const copy = async () => setSaid(await copied(json, whole.current));
  return (
    <Dialog title={`${table}, row ${id}`} close={close} actions={<Button kind="main" press={copy}>Copy</Button>}>
      {row === null && <p>The row is too large to be sent to browsers. The database has it.</p>}
      <pre ref={whole} tabIndex={0} aria-label="The row as JSON">
        {json}
      </pre>
      <p role="status" class="answer">
        {said}
      </p>
    </Dialog>
  );
}

/** Browsers let pages write to the clipboard only where nobody could have changed the page on its way. */
async function copied(text: string, shown: HTMLElement | null): Promise<string> {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied.";
  } catch {
    if (shown) getSelection()?.selectAllChildren(shown);
    return "It is marked: copy it with Ctrl-C.";
  }
}
