/**
 * Rules of DuckDB's optimizer that are off: always, and for a while.
 *
 *   top_n_window_elimination   always: of `QUALIFY row_number() OVER (… ORDER BY x NULLS LAST) = 1` it takes another row
 *                              than the first where x has a null (DuckDB 1.5.6)
 */
const wrong = ['top_n_window_elimination']

/** @param others to be off besides, until this is run again without them */
export function disabledOptimizersSql(others: readonly string[] = []): string {
  return `SET GLOBAL disabled_optimizers = '${[...wrong, ...others].join(',')}'`
}
