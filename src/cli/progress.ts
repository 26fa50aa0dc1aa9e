/**
 * The progress line of a load, on a terminal's standard error; in a pipe nothing is written.
 *
 *   reading  ████████░░░░░░░░  50%  1,234,567 rows  21 MB of 42 MB  980,000 rows/s  about 2.1 s left
 *
 * Rate and time left are of the present stage. What is not known is left out.
 */
import type { Progress } from '../index.js'
import { bytes, count, counted, duration } from './words.js'

export interface ProgressLine {
  report(progress: Progress): void
  /** Clears the line; to be called before anything else is written, and again at no harm. */
  close(): void
}

export function openProgress(stream: NodeJS.WriteStream): ProgressLine {
  if (!stream.isTTY) return { report: () => {}, close: () => {} }
  const meter = new Meter()
  let bar: { stop(): void } | undefined
  let state: 'new' | 'open' | 'closed' = 'new'
  const open = async () => {
    const { SingleBar } = await import('cli-progress')
    if (state === 'closed') return
    const line = new SingleBar({
      stream,
      format: () => meter.text(performance.now()),
      clearOnComplete: true,
      hideCursor: true,
      gracefulExit: false,
      fps: 8,
    })
    line.start(1, 0)
    bar = line
  }
  return {
    report(progress) {
      meter.take(progress, performance.now())
      if (state !== 'new') return
      state = 'open'
      // A load must not fail for want of a progress line.
      open().catch(() => {})
    },
    close() {
      state = 'closed'
      bar?.stop()
      bar = undefined
    },
  }
}

/** What was last reported, and since when its stage runs. */
export class Meter {
  private last: Progress | undefined
  private sinceMs = 0

  take(progress: Progress, nowMs: number): void {
    if (progress.stage !== this.last?.stage) {
      this.sinceMs = nowMs
      this.last = progress
      return
    }
    // A report may carry only what has changed.
    this.last = { ...this.last, ...progress }
  }

  text(nowMs: number): string {
    if (!this.last) return ''
    const { bytes: size, partitions, rows, stage, totalBytes } = this.last
    const share = this.share()
    const elapsedMs = nowMs - this.sinceMs
    const parts = [stageWords[stage].padEnd(11)]
    if (share !== undefined) parts.push(gauge(share), `${Math.floor(share * 100)}%`.padStart(4))
    if (rows !== undefined) parts.push(counted(rows, 'row'))
    if (size !== undefined)
      parts.push(totalBytes === undefined ? bytes(size) : `${bytes(size)} of ${bytes(totalBytes)}`)
    if (partitions !== undefined) parts.push(counted(partitions, 'partition'))
    // A rate of the first moments says nothing.
    if (elapsedMs < 500) return parts.join('  ')
    if (rows) parts.push(`${count(perSecond(rows, elapsedMs))} rows/s`)
    else if (size) parts.push(`${bytes(perSecond(size, elapsedMs))}/s`)
    if (share && share < 1) parts.push(`about ${duration((elapsedMs / share) * (1 - share))} left`)
    return parts.join('  ')
  }

  private share(): number | undefined {
    const { bytes: size, share, totalBytes } = this.last ?? {}
    const known = share ?? (size !== undefined && totalBytes ? size / totalBytes : undefined)
    return known === undefined ? undefined : Math.min(1, Math.max(0, known))
  }
}

const stageWords: Record<Progress['stage'], string> = {
  read: 'reading',
  stage: 'writing',
  upload: 'uploading',
  commit: 'committing',
  publish: 'publishing',
}

function gauge(share: number): string {
  const cells = 16
  const full = Math.round(share * cells)
  return '█'.repeat(full) + '░'.repeat(cells - full)
}

/** Two significant digits: the rest would only flicker. */
function perSecond(amount: number, elapsedMs: number): number {
  return Number(((amount / elapsedMs) * 1000).toPrecision(2))
}
