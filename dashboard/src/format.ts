const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const count = (number: number) => whole.format(number);

/** A number of things, in words: "1 letter", "1,234 letters". */
export const many = (number: number, one: string, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

/** A rate: with one digit after the point as long as that tells something. */
export const rate = (number: number) => (number > 0 && number < 10 ? fine.format(number) : whole.format(number));

export const megabytes = (bytes: number) => `${fine.format(bytes / 1_048_576)} MiB`;

/** The time of a day in UTC, as the log has it. */
export const clock = (ms: number) => new Date(ms).toISOString().slice(11, 19);

/** A moment as rowcast writes it, as people read it: in UTC. */
export const moment = (at: string) => at.replace("T", " ").replace(/(\.\d+)?Z$/, "");

/** The day in UTC. */
export const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** A length of time by its two largest units, each on one line with its number. */
export function length(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1_000);
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${seconds % 60} s`;
  return `${seconds} s`;
}

/** How long something takes, in at most three digits. */
export function took(ms: number): string {
  if (ms < 9.95) return `${fine.format(ms)} ms`;
  if (ms < 999.5) return `${whole.format(ms)} ms`;
  if (ms < 9_950) return `${fine.format(ms / 1_000)} s`;
  return ms < 119_500 ? `${whole.format(ms / 1_000)} s` : `${whole.format(ms / 60_000)} min`;
}
