import { useEffect, useState } from "preact/hooks";
import { Said, useAction } from "./action";
import { logOut } from "./api";
import { Button } from "./button";
import { Dead } from "./dead";
import { Login } from "./login";
import { useOrders } from "./orders";
import { Overview } from "./overview";
import { Rows } from "./rows";
import { useWatch } from "./watch";

const VIEWS = { overview: "Overview", rows: "Live rows", dead: "Dead letters" } as const;
type View = keyof typeof VIEWS;

const named = (): View => {
  const name = location.hash.slice(1);
  return name in VIEWS ? (name as View) : "overview";
};

/** Which view the address names. */
function useView(): View {
  const [view, setView] = useState(named);
  useEffect(() => {
    const change = () => setView(named());
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  return view;
}

export function App() {
  const { told, read, silent, refused, again } = useWatch();
  const view = useView();
  // Whoever goes to another view and back still finds the answer.
  const action = useAction(again);
  const orders = useOrders(told?.status ?? null, action);
  const leave = async () => {
    await logOut();
    return "";
  };
  useEffect(() => {
    document.title = `${told ? VIEWS[view] : "Log in"} · rowcast`;
  }, [view, !told]);
  return (
    <>
      <header>
        <span class="name">
          <img src="dashboard/icon.svg" alt="" width="24" height="24" /> rowcast
        </span>
        {told && (
          <nav aria-label="Views">
            {Object.entries(VIEWS).map(([name, title]) => (
              <a key={name} href={`#${name}`} aria-current={name === view ? "page" : undefined}>
                {title}
              </a>
            ))}
          </nav>
        )}
        {told?.logged_in && (
          <span class="leave">
            <Button held={action.busy !== undefined} press={() => void action.run({ words: "log out", work: leave })}>
              Log out
            </Button>
          </span>
        )}
      </header>
      <main tabIndex={-1}>
        {told && !told.may_act && view !== "rows" && <ReadOnly />}
        {refused && <Login refused={refused} entered={again} />}
        {!told && !refused && <p class="empty">{silent ? `The gateway does not answer: ${silent.why}. Trying again.` : "Asking the gateway…"}</p>}
        {told && view === "overview" && <Overview told={told} read={read} silent={silent} orders={orders} again={again} />}
        {told && view === "rows" && <Rows routes={told.routes} needToken={told.rooms_need_token} />}
        {told && read && view === "dead" && <Dead queues={read.status.queues} mayAct={told.may_act} />}
        {told && !read && view === "dead" && <p class="empty">Redis has not answered yet.</p>}
        <Said action={action} />
      </main>
    </>
  );
}

/** For whoever may look and no more, wherever others find buttons that act. */
function ReadOnly() {
  return (
    <p class="hint">
      You can look at everything here and change nothing. To act, log out and log in with <code>ROWCAST_ADMIN_TOKEN</code>.
    </p>
  );
}
