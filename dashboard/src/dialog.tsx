import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Button } from "./button";
import { useKept } from "./kept";

interface Props {
  title: ComponentChildren;
  close: () => void;
  children?: ComponentChildren;
  /** The buttons that do something. The one that leaves stands before them. */
  actions?: ComponentChildren;
  /** What is on the button that leaves. */
  leave?: string;
  /** What leaving does in place of closing, as long as something would be lost by that. */
  instead?: (() => void) | undefined;
  /** It asks something: it is read out whole, and the keyboard is on the answer that changes nothing. */
  asks?: boolean;
}

/** A window above the page. The browser keeps the keyboard in it; when it is closed, that goes back to where it was. */
export function Dialog({ title, close, children, actions, leave = "Close", instead, asks }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const leaves = useRef<HTMLButtonElement>(null);
  const id = useId();
  useKept(dialog, leaves);
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    // Not before it is gone: nothing outside of it takes the keyboard as long as it is there.
    return () => void setTimeout(() => giveBack(before));
  }, []);
  // Not by the browser: it gives the keyboard back first and tells of the end later, and a key in between would be lost.
  const escape = (event: Event) => {
    // A window above this one has its own.
    if ((event.target as Element).closest("dialog") !== dialog.current) return;
    event.preventDefault();
    (instead ?? close)();
  };
  return (
    <dialog
      ref={dialog}
      onClose={close}
      onCancel={escape}
      // Browsers close a window at the second Escape whatever `cancel` is answered with.
      onKeyDown={(event) => event.key === "Escape" && escape(event)}
      aria-labelledby={`${id}-title`}
      aria-describedby={asks ? `${id}-body` : undefined}
      role={asks ? "alertdialog" : undefined}
    >
      <h2 id={`${id}-title`}>{title}</h2>
      <div id={`${id}-body`} class="body">
        {children}
      </div>
      <div class="bar end">
        <Button place={leaves} press={instead ?? close} autofocus={asks ?? false}>
          {leave}
        </Button>
        {actions}
      </div>
    </dialog>
  );
}

function giveBack(before: Element | null) {
  if (before?.isConnected) (before as HTMLElement).focus();
  // What it was on has gone meanwhile.
  else if (document.activeElement === document.body) document.querySelector("main")?.focus();
}

interface Question {
  title: string;
  children: ComponentChildren;
  /** What is done, on the button that means it. */
  verb: string;
  danger?: boolean | undefined;
  leave?: string;
  close: () => void;
  mean: () => void;
}

/** Asks whether it is meant. */
export function Confirm({ title, children, verb, danger, leave = "Cancel", close, mean }: Question) {
  const go = () => {
    close();
    mean();
  };
  const means = (
    <Button kind={danger ? "danger" : "main"} press={go}>
      {verb}
    </Button>
  );
  return (
    <Dialog title={title} close={close} leave={leave} actions={means} asks>
      {children}
    </Dialog>
  );
}
