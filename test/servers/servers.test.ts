import { PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, inject, test } from 'vitest'
import { createBucket, s3Client } from './s3.js'

describe.each(inject('s3Servers'))('$name', (server) => {
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
