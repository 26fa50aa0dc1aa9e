/**
 * The clock of a server, as its answers tell it, and never backwards. Times that go into the log are made from it, so
 * that writers with different clocks agree.
 */
import { LakeError } from '../errors.js'
import type { Runtime } from '../runtime.js'

export const maxSkewMs = 15 * 60_000

export class ServerClock {
  private offsetMs = 0
  private lastMs = 0

  constructor(private readonly runtime: Runtime) {}

  /** An answer came with this `Date` header to a request sent at `sentMs` of our clock. */
  heard(date: string | undefined, sentMs: number): void {
    const serverMs = date === undefined ? Number.NaN : Date.parse(date)
    if (Number.isNaN(serverMs)) return
    // The header has whole seconds, cut off, and was written at some time between sending and now: an interval, into
    // which the offset is moved by as little as possible.
    const least = serverMs - this.runtime.now()
    const most = serverMs + 999 - sentMs
    this.offsetMs = Math.min(Math.max(this.offsetMs, least), most)
  }

  now(): number {
    this.lastMs = Math.max(this.lastMs, this.runtime.now() + this.offsetMs)
    return this.lastMs
  }

  /** @param host to name in the error */
  assertClose(host: string): void {
    if (Math.abs(this.offsetMs) <= maxSkewMs) return
    throw new LakeError('invalid', 'the clocks of this machine and of the store differ by more than 15 minutes', {
      host,
      differenceSeconds: Math.round(this.offsetMs / 1000),
      fix: 'Set the clock of this machine.',
    })
  }
}
