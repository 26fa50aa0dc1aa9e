/** Settings of fast-check whose seed is chosen here and printed, so that a failure can be replayed: `FC_SEED=n`. */
const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
console.info(`FC_SEED=${seed}`)

export function seeded<T extends object>(settings: T): T & { seed: number } {
  return { ...settings, seed }
}
