import { test } from 'vitest'
import { newShape, ShapeReader } from '../../src/source/json-shape.js'
import { newShape as oldShape, ShapeReader as OldReader } from './zz-old-shape.js'
test('bench', () => {
  const b = Buffer.from('{"id":123456,"name":"some name \\" here","price":12.5,"at":"2026-01-01T00:00:00Z","tags":["a","b"],"o":{"x":1,"y":null},"ok":true,"n":9007199254740993}')
  const none = { isEmpty: true, has: () => false }
  for (let round = 0; round < 5; round++) {
    const a = new ShapeReader(newShape(), none)
    const o = new OldReader(oldShape(), none)
    let t = process.cpuUsage()
    for (let i = 0; i < 400000; i++) a.read(b, 0, b.length, 1)
    let d = process.cpuUsage(t)
    const x = d.user / 400000
    t = process.cpuUsage()
    for (let i = 0; i < 400000; i++) o.read(b, 0, b.length, 1)
    d = process.cpuUsage(t)
    console.log('new us', x.toFixed(3), 'old us', (d.user / 400000).toFixed(3))
  }
}, 100000)
