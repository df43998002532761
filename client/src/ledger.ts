/**
 * Which rows were given already. Marks say it of all rows up to an id, and those above are remembered one by one until
 * the next mark.
 *
 * A row at or below the mark is either one that was given, sent again by a gateway that knows a lower mark; or ids are
 * counted anew, because the table was emptied. The next mark tells: it is lower than the last one only in the second
 * case. Until then the row is held back.
 */
export class Ledger<Row> {
  #mark: bigint | undefined;
  #given = new Set<bigint>();
  #held = new Map<bigint, Row>();

  /** All rows up to `mark` were given before. */
  constructor(mark?: bigint) {
    this.#mark = mark;
  }

  /** All rows up to this id were given. */
  get mark(): bigint | undefined {
    return this.#mark;
  }

  /** Whether a row that came is to be given. */
  take(id: bigint, row: Row): boolean {
    if (this.#mark !== undefined && id <= this.#mark) {
      this.#held.set(id, row);
      return false;
    }
    if (this.#given.has(id)) return false;
    this.#given.add(id);
    return true;
  }

  /** All rows up to this id came. Returns those that were held back and are to be given after all. */
  advance(mark: bigint): Row[] {
    let late: Row[] = [];
    if (this.#mark !== undefined && mark < this.#mark) {
      late = [...this.#held.values()];
      this.#given = new Set(this.#held.keys());
    }
    this.#held.clear();
    this.#mark = mark;
    for (const id of this.#given) if (id <= mark) this.#given.delete(id);
    return late;
  }
}
