/** A value, or an array, that cannot go over as it is; `row` counts from the start of the range that was asked for. */
export class ValueMisfit extends Error {
  constructor(
    readonly row: number,
    message: string,
  ) {
    super(message)
  }
}
