/**
 * Settings of fast-check whose seed is chosen here and printed, so that a failure can be replayed: `FC_SEED=n`. In CI it is
 * always the same, so that a change is judged by what it changes; everywhere else each run looks at other cases.
 */
const inCi = process.env.CI !== undefined && process.env.CI !== ''
const seed = Number(process.env.FC_SEED ?? (inCi ? 20261121 : Math.floor(Math.random() * 2 ** 31)))
console.info(`FC_SEED=${seed}`)

export function seeded<T extends object>(settings: T): T & { seed: number } {
  return { ...settings, seed }
}
