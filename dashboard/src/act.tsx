import { useState } from "preact/hooks";
import { Dialog, focus } from "./dialog";
import type { Orders, Wish } from "./orders";

/** A button that orders something; what costs something is asked for first. */
export function Act({ text, wish, orders }: { text: string; wish: Wish; orders: Orders }) {
  const [asking, setAsking] = useState(false);
  const waiting = orders.asked?.key === wish.key;
  const start = () => {
    if (orders.asked) return;
    if (wish.warning) setAsking(true);
    else orders.give(wish);
  };
  return (
    <>
      {/* Not `disabled`, which would take the focus from whoever uses the keyboard. */}
      <button type="button" class="quiet small" aria-label={capital(wish.words)} aria-disabled={orders.asked ? true : undefined} aria-busy={waiting} onClick={start}>
        {waiting ? "Asking…" : text}
      </button>
      {asking && <Confirm wish={wish} close={() => setAsking(false)} mean={() => orders.give(wish)} />}
    </>
  );
}

function Confirm({ wish, close, mean }: { wish: Wish; close: () => void; mean: () => void }) {
  const go = () => {
    close();
    mean();
  };
  return (
    <Dialog title={`${capital(wish.words)}?`} close={close} about="confirm-text">
      <p id="confirm-text">{wish.warning}</p>
      <div class="bar end">
        <button type="button" class="quiet" ref={focus} onClick={close}>
          Cancel
        </button>
        <button type="button" onClick={go}>
          Do it
        </button>
      </div>
    </Dialog>
  );
}

/** What comes of orders: read out when it changes, and to be seen wherever on the page the button was. */
export function Said({ orders: { asked, said, close } }: { orders: Orders }) {
  const text = asked ? `Asked to ${asked.words}; waiting for the supervisor…` : said?.text;
  return (
    <div class={text ? "said" : "unseen"}>
      <p role="status" class={said && !said.ok ? "problem" : undefined}>
        {text}
      </p>
      {said && (
        <button type="button" class="quiet small" onClick={close}>
          Close
        </button>
      )}
    </div>
  );
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
