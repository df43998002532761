import { useEffect, useState } from "preact/hooks";
import { logOut } from "./api";
import { Login } from "./login";
import { Overview } from "./overview";
import { Rows } from "./rows";
import { useWatch } from "./watch";

const VIEWS = { overview: "Overview", rows: "Live rows" } as const;
type View = keyof typeof VIEWS;

const named = (): View => (location.hash === "#rows" ? "rows" : "overview");

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
  const { told, silent, refused, again } = useWatch();
  const view = useView();
  const leave = async () => {
    await logOut().catch(() => undefined);
    again();
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
          <button type="button" class="quiet leave" onClick={leave}>
            Log out
          </button>
        )}
      </header>
      <main>
        {refused && <Login refused={refused} entered={again} />}
        {!told && !refused && <p class="empty">{silent ? `The gateway does not answer: ${silent.why}. Trying again.` : "Asking the gateway…"}</p>}
        {told && view === "overview" && <Overview told={told} silent={silent} again={again} />}
        {told && view === "rows" && <Rows routes={told.routes} needToken={told.rooms_need_token} />}
      </main>
    </>
  );
}
