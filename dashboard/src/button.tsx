import type { ComponentChildren, Ref } from "preact";

interface Props {
  children: ComponentChildren;
  press?: (() => void) | undefined;
  /** The form that it sends. */
  form?: string | undefined;
  /** `main` is the one that a person has come for, `quiet` any other. What cannot be undone is red. */
  kind?: "main" | "quiet" | "danger" | "quiet danger";
  small?: boolean;
  /** Its name, where the text alone does not say what it is about. */
  label?: string | undefined;
  /** It takes no press now. Not `disabled`, which would take the keyboard from whoever is on it. */
  held?: boolean;
  busy?: boolean;
  autofocus?: boolean;
  place?: Ref<HTMLButtonElement>;
}

/** A button that has something done. Its text ends with "…" where it asks something first. */
export function Button({ children, press, form, kind = "quiet", small, label, held, busy, autofocus, place }: Props) {
  const click = (event: MouseEvent) => {
    // A form would be sent.
    if (held) event.preventDefault();
    else press?.();
  };
  const style = `${kind === "main" ? "" : kind} ${small ? "small" : ""}`.trim();
  return (
    <button
      ref={place ?? null}
      type={form ? "submit" : "button"}
      form={form}
      class={style || undefined}
      aria-label={label}
      aria-disabled={held ? true : undefined}
      aria-busy={busy ? true : undefined}
      autofocus={autofocus}
      onClick={click}
    >
      {children}
    </button>
  );
}
