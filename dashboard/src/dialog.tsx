import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  title: ComponentChildren;
  close: () => void;
  children: ComponentChildren;
  /** Of what says what is asked, where it is a question. */
  about?: string;
}

/** Gives the keyboard to what has just come. */
export const focus = (come: HTMLElement | null) => come?.focus();

let made = 0;

/** A window above the page. The browser keeps the keyboard in it; when it is closed, that goes back to where it was. */
export function Dialog({ title, close, children, about }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useRef(`dialog-${(made += 1)}`).current;
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    // Not before it is gone: nothing outside of it takes the keyboard as long as it is there.
    return () => void setTimeout(() => before instanceof HTMLElement && before.focus());
  }, []);
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby={id} aria-describedby={about} role={about ? "alertdialog" : undefined}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
