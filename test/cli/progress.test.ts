import { PassThrough } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Meter, openProgress } from '../../src/cli/progress.js'

describe('the progress line', () => {
  it('says stage, share, rows, bytes, rate and time left', () => {
    const meter = new Meter()
    meter.take({ stage: 'read', rows: 0, bytes: 0, totalBytes: 42_000_000 }, 1000)
    meter.take({ stage: 'read', rows: 2_000_000, bytes: 21_000_000, partitions: 3 }, 2000)
    const text = meter.text(3000)
    expect(text).toMatch(/^reading {6}█{8}░{8} {3}50% {2}2,000,000 rows {2}21 MB of 42 MB {2}3 partitions/)
    expect(text).toMatch(/1,000,000 rows\/s {2}about 2\.0 s left$/)
  })

  it('leaves out what is not known', () => {
    const meter = new Meter()
    meter.take({ stage: 'upload' }, 0)
    expect(meter.text(10).trim()).toBe('uploading')
  })

  it('starts anew with each stage', () => {
    const meter = new Meter()
    meter.take({ stage: 'read', rows: 10, share: 1 }, 0)
    meter.take({ stage: 'commit' }, 5000)
    expect(meter.text(9000).trim()).toBe('committing')
  })

  it('is silent where standard error is no terminal', async () => {
    const { output, stream } = fakeStream(false)
    const progress = openProgress(stream)
    progress.report({ stage: 'read', rows: 1 })
    await delay(300)
    progress.close()
    expect(output()).toBe('')
  })

  it('draws on a terminal, and leaves nothing behind when closed, twice even', async () => {
    const { output, stream } = fakeStream(true)
    const progress = openProgress(stream)
    progress.report({ stage: 'read', rows: 7, share: 0.5 })
    await expect.poll(output).toContain('7 rows')
    progress.close()
    const drawn = output()
    progress.close()
    progress.report({ stage: 'commit' })
    await delay(300)
    expect(output()).toBe(drawn)
    // The last escape sequences clear the line and show the cursor again.
    const end = drawn.slice(drawn.lastIndexOf('rows'))
    expect(end).toMatch(/\p{Cc}\[[0-3]?[JK]/u)
    expect(end).toContain('\u001b[?25h')
  })
})

/** A stream that collects what is written, and says it is a terminal. */
function fakeStream(isTTY: boolean): { stream: NodeJS.WriteStream; output: () => string } {
  const pieces: string[] = []
  const stream = new PassThrough().on('data', (chunk: Buffer) => pieces.push(chunk.toString()))
  return {
    stream: Object.assign(stream, { isTTY, columns: 200 }) as unknown as NodeJS.WriteStream,
    output: () => pieces.join(''),
  }
}
