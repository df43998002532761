import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  title: ComponentChildren;
  close: () => void;
  children: ComponentChildren;
  /** Of what says what is asked, where it is a question. */
  about?: string;
}

let made = 0;

/** A window above the page. The browser keeps the keyboard in it and, when it is closed, puts it back where it was. */
export function Dialog({ title, close, children, about }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useRef(`dialog-${(made += 1)}`).current;
  const gone = useRef(false);
  useEffect(() => {
    const shown = dialog.current;
    if (shown && !shown.open) shown.showModal();
    return () => {
      gone.current = true;
      // Closed before it is taken away: only so the keyboard finds back.
      shown?.close();
    };
  }, []);
  return (
    <dialog ref={dialog} onClose={() => gone.current || close()} aria-labelledby={id} aria-describedby={about} role={about ? "alertdialog" : undefined}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
