import { Answer, useAction } from "./action";
import { logIn, type Refused } from "./api";
import { Button } from "./button";

/** The form for the token; or why there is none. */
export function Login({ refused, entered }: { refused: Refused; entered: () => void }) {
  const action = useAction();
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
    const token = String(new FormData(form).get("token") ?? "").trim();
    const work = async () => {
      await logIn(token);
      return "";
    };
    if (await action.run({ words: "log in", work, failed: "Not logged in" })) entered();
    else form.querySelector("input")?.select();
  };
  return (
    <section class="login">
      <h1>Log in</h1>
      <form id="login" onSubmit={enter}>
        <label for="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          required
          autocomplete="current-password"
          spellcheck={false}
          aria-describedby="about-token"
          aria-invalid={action.said ? true : undefined}
        />
        <p id="about-token" class="hint">
          What rowcast was started with as <code>ROWCAST_READ_TOKEN</code> or <code>ROWCAST_ADMIN_TOKEN</code>.
        </p>
        <Answer action={action} />
        <Button kind="main" form="login" held={action.busy !== undefined}>
          Log in
        </Button>
      </form>
    </section>
  );
}
