import { describe, expect, test } from 'vitest'
import { systemRuntime } from '../../src/runtime.js'
import { ServerClock } from '../../src/store/clock.js'
import { retry } from '../../src/store/retry.js'

describe('retry', () => {
  const slept: number[] = []
  const runtime = {
    ...systemRuntime,
    random: () => 1,
    sleep: async (ms: number) => {
      slept.push(ms)
    },
  }

  test('waits longer each time, up to a bound, and gives up after the last try', async () => {
    slept.length = 0
    let tries = 0
    const work = async () => {
      tries++
      throw new Error('again')
    }
    await expect(retry(work, { attempts: 10, isTransient: () => true, runtime })).rejects.toThrow('again')
    expect(tries).toBe(10)
    expect(slept).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000])
  })

  test('does not repeat what will not pass, nor after an abort', async () => {
    for (const [isTransient, signal] of [
      [() => false, undefined],
      [() => true, AbortSignal.abort()],
    ] as const) {
      let tries = 0
      const work = async () => {
        tries++
        throw new Error('no')
      }
      await expect(retry(work, { attempts: 5, isTransient, runtime, signal })).rejects.toThrow('no')
      expect(tries).toBe(1)
    }
  })
})

describe('the server clock', () => {
  test('moves no more than the header’s whole seconds prove, and never back', () => {
    let nowMs = Date.UTC(2026, 10, 20, 10, 0, 0, 700)
    const clock = new ServerClock({ ...systemRuntime, now: () => nowMs })
    // The same second: no proof of any difference.
    clock.heard('Fri, 20 Nov 2026 10:00:00 GMT', nowMs - 20)
    expect(clock.now()).toBe(nowMs)
    clock.heard('Fri, 20 Nov 2026 10:00:05 GMT', nowMs - 20)
    expect(clock.now()).toBe(Date.UTC(2026, 10, 20, 10, 0, 5))
    nowMs -= 60_000
    expect(clock.now()).toBe(Date.UTC(2026, 10, 20, 10, 0, 5))
    clock.heard(undefined, nowMs)
    clock.heard('not a date', nowMs)
    expect(clock.now()).toBe(Date.UTC(2026, 10, 20, 10, 0, 5))
  })

  test('tolerates a quarter of an hour', () => {
    const nowMs = Date.UTC(2026, 10, 20, 10, 0, 0)
    const clock = new ServerClock({ ...systemRuntime, now: () => nowMs })
    clock.heard('Fri, 20 Nov 2026 10:14:59 GMT', nowMs)
    clock.assertClose('host')
    clock.heard('Fri, 20 Nov 2026 10:15:02 GMT', nowMs)
    expect(() => clock.assertClose('host')).toThrow(/15 minutes.*host/)
  })
})
