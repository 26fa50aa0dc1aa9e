/**
 * Where the time goes: with LAKEWRIGHT_BENCH_PROFILE=1 every statement that DuckDB runs in a variant, and how long it
 * took, on standard error.
 */
export async function profileStatements(): Promise<() => void> {
  const { DuckDBConnection } = await import('@duckdb/node-api')
  const started = performance.now()
  const said: { at: number; ms: number; sql: string }[] = []
  const run = DuckDBConnection.prototype.run
  DuckDBConnection.prototype.run = async function (sql, ...rest) {
    const at = performance.now()
    try {
      return await run.call(this, sql, ...rest)
    } finally {
      said.push({ at: at - started, ms: performance.now() - at, sql })
    }
  }
  return () => {
    for (const { at, ms, sql } of said) {
      if (ms < slowMs) continue
      const text = sql.replace(/\s+/g, ' ')
      console.error(`${Math.round(at)} +${Math.round(ms)} ms  ${text.slice(0, 160)} … ${text.slice(-120)}`)
    }
    console.error(`${Math.round(performance.now() - started)} ms in all`)
  }
}

const slowMs = 5
