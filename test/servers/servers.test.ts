/** The servers themselves: that the set-up provides them, that they do what commits rest on, and that faults arrive. */
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, inject, test } from 'vitest'
import { createBucket, s3Client } from './s3.js'
import { start as startToxiproxy } from './toxiproxy.js'

const servers = inject('s3Servers') ?? []

test('the global set-up is at work', () => {
  expect(inject('s3Servers')).toBeDefined()
})

describe.each(servers)('$name', (server) => {
  test('has one winner among racing conditional writes of one key', async () => {
    const Bucket = await createBucket(server)
    const client = s3Client(server)
    const put = (n: number) =>
      client.send(new PutObjectCommand({ Bucket, Key: 'slot', Body: `writer ${n}`, IfNoneMatch: '*' })).then(
        () => 200,
        (cause) => cause.$metadata?.httpStatusCode ?? cause,
      )
    const statuses = await Promise.all(Array.from({ length: 32 }, (_, n) => put(n)))
    expect(statuses.sort()).toEqual([200, ...Array(31).fill(412)])
  })
})

describe.each(servers.slice(0, 1))('toxiproxy before $name', (server) => {
  test('cuts the answer of a write that the server has applied', async () => {
    const Bucket = await createBucket(server)
    const toxiproxy = await startToxiproxy()
    try {
      const proxy = await toxiproxy.proxy('s3', server.endpoint)
      const through = s3Client({ ...server, endpoint: proxy.endpoint }, { maxAttempts: 1 })
      const put = (Key: string) =>
        through.send(new PutObjectCommand({ Bucket, Key, Body: 'x', IfNoneMatch: '*' })).then(
          ({ $metadata }) => $metadata.httpStatusCode,
          (cause) => cause.$metadata?.httpStatusCode ?? 'no answer',
        )
      expect(await put('a')).toBe(200)
      const heal = await proxy.toxic({ type: 'limit_data', stream: 'downstream', attributes: { bytes: 1 } })
      expect(await put('b')).toBe('no answer')
      await heal()
      expect(await put('b')).toBe(412)
      await proxy.enable(false)
      expect(await put('c')).toBe('no answer')
      await proxy.enable(true)
      expect(await put('c')).toBe(200)
    } finally {
      await toxiproxy.stop()
    }
  })
})
