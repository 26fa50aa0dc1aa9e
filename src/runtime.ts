/**
 * Everything nondeterministic enters here: the clock, ids, randomness, sleep and the log. Tests pass their own, so
 * that a failure replays from its seed.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

export interface Runtime {
  /** Milliseconds since the Unix epoch, by this machine's clock. */
  now(): number
  uuid(): string
  /** Uniform in [0, 1). */
  random(): number
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  log(level: 'debug' | 'warn', message: string): void
}

export const systemRuntime: Runtime = {
  now: Date.now,
  uuid: randomUUID,
  random: Math.random,
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal })
  },
  log: () => {},
}
