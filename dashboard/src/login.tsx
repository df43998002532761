import { useState } from "preact/hooks";
import { logIn, Refused } from "./api";

/** The form for the token; or why there is none. */
export function Login({ refused, entered }: { refused: Refused; entered: () => void }) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  if (refused.status !== 401) {
    return (
      <section class="login">
        <h1>Not from here</h1>
        <p>The gateway says: {refused.message}.</p>
        <p>
          To look from elsewhere, give rowcast a <code>ROWCAST_READ_TOKEN</code> and load this page again.
        </p>
      </section>
    );
  }
  const enter = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    setBusy(true);
    try {
      await logIn(String(new FormData(form).get("token") ?? "").trim());
      entered();
    } catch (error) {
      setProblem(error instanceof Refused ? error.message : "the gateway cannot be reached; try again");
      form.querySelector("input")?.select();
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="login">
      <h1>Log in</h1>
      <form onSubmit={enter}>
        <label for="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          required
          autocomplete="current-password"
          spellcheck={false}
          aria-describedby="about-token"
          aria-invalid={problem ? true : undefined}
        />
        <p id="about-token" class="hint">
          What rowcast was started with as <code>ROWCAST_READ_TOKEN</code> or <code>ROWCAST_ADMIN_TOKEN</code>.
        </p>
        <p role="alert" class="problem">
          {problem && `Refused: ${problem}.`}
        </p>
        <button type="submit" disabled={busy}>
          Log in
        </button>
      </form>
    </section>
  );
}
