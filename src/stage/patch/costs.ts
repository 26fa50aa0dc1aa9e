/** What encoding costs, in cells: a value of one column of one row. Tests make it cheap. */
export interface PatchCosts {
  /** Of one row group, beside its cells. */
  perGroup: number
  /** Share of the cost of encoding the whole file up to which a patch is a gain. */
  gain: number
  /** Row groups below this many rows are small, and so many of them are too many. */
  smallRows: number
  mostSmall: number
}

/** As measured. */
export const patchCosts: PatchCosts = { perGroup: 70_000, gain: 0.6, smallRows: 10_000, mostSmall: 8 }
