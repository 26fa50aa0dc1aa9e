/**
 * Full-jitter backoff, for what the AWS SDK does not repeat by itself: a body that breaks off, an error inside a 200.
 * Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
 */
import type { Runtime } from '../runtime.js'

/** Run `work` until it succeeds, fails for good, or has been tried `attempts` times. */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts, isTransient, runtime, signal } = options
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt)
    } catch (error) {
      if (attempt >= attempts || signal?.aborted || !isTransient(error)) throw error
      await runtime.sleep(backoffMs(attempt, runtime), signal)
    }
  }
}

export interface RetryOptions {
  attempts: number
  isTransient(error: unknown): boolean
  runtime: Runtime
  signal?: AbortSignal
}

/** @param attempt that has just failed, counted from 1 */
export function backoffMs(attempt: number, runtime: Runtime): number {
  return runtime.random() * Math.min(capMs, baseMs * 2 ** (attempt - 1))
}

const baseMs = 100
const capMs = 10_000
