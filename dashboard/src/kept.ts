import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

type Place = RefObject<HTMLElement | null>;

/** Keeps the keyboard in a part of the page when what it was on goes, as the last of a list does when it was done away
 * with: else it would be nowhere, and its next press at the top of the page. */
export function useKept(part: Place, to: Place = part) {
  // Before what is drawn now replaces it.
  const had = part.current?.contains(document.activeElement);
  useLayoutEffect(() => {
    if (had && document.activeElement === document.body) to.current?.focus();
  });
}
