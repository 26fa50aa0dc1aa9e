import { test } from 'vitest'
import { openTable } from '../../src/index.js'
test('x', async () => {
  for (const cond of ["not (incoming.f is null)", "incoming.f = 1", "not (incoming.f = 1)", "incoming.f is null", "incoming.f is not null"]) {
    const t = await openTable(`memory://a-${Math.random()}`, { key: ['id'] })
    await t.merge([{ id: 1, v: 1 }])
    try { const r = await t.merge([{ id: 1, v: 2, f: 1 }], { whenMatched: cond }); console.log(cond, r.rows) } catch (e) { console.log(cond, (e as Error).stack) }
  }
})
