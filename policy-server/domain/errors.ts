/** Something outside of us failed (a database, a router, a disk): try later. Caught at a door or by the loop. */
export class Unavailable extends Error {
  override name = 'Unavailable';
}

/** Input from a person cannot be taken; `faults` has one clear line for each thing that is wrong, all at once. */
export class InvalidInput extends Error {
  override name = 'InvalidInput';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}
