import { useEffect, useRef, useState } from "preact/hooks";
import type { Line } from "./stream";

/** One row, whole. */
export function Detail({ line, close }: { line: Line; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const whole = useRef<HTMLPreElement>(null);
  const [said, setSaid] = useState("");
  useEffect(() => dialog.current?.showModal(), []);
  const { table, id, row } = line;
  const json = JSON.stringify({ table, id, row }, null, 2);
  const copy = async () => setSaid(await copied(json, whole.current));
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="detail-title">
      <h2 id="detail-title">
        {table}, row {id}
      </h2>
      {row === null && <p>The row is too large to be sent to browsers. The database has it.</p>}
      <pre ref={whole} tabIndex={0} aria-label="The row as JSON">
        {json}
      </pre>
      <div class="bar">
        <p role="status">{said}</p>
        <button type="button" onClick={copy}>
          Copy
        </button>
        <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
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
