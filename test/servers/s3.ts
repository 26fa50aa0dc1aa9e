/** What the S3 servers of the tests have in common: who they are, how one talks to them, buckets. */
import { randomUUID } from 'node:crypto'
import { CreateBucketCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import type { Server } from './process.js'

/** All a test needs to reach an S3 server; plain data, so that it crosses from the set-up to the workers. */
export interface S3Access {
  /** `minio`, `versitygw` or `moto` (or `external`, from the environment). */
  name: string
  version: string
  endpoint: string
  region: string
  accessKeyId: string
  secretAccessKey: string
}

export type S3Server = S3Access & Server

export const testCredentials = {
  region: 'us-east-1',
  accessKeyId: 'lakewright-test',
  secretAccessKey: 'lakewright-test-secret',
}

export function s3Access({ name, version, endpoint, region, accessKeyId, secretAccessKey }: S3Access): S3Access {
  return { name, version, endpoint, region, accessKeyId, secretAccessKey }
}

/** A client of the AWS SDK for this server. */
export function s3Client(server: S3Access, settings: S3ClientConfig = {}): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey } = server
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    ...settings,
  })
}

/** Create a bucket with a name of its own, and return the name. */
export async function createBucket(server: S3Access, prefix = 'lake'): Promise<string> {
  const Bucket = `${prefix}-${randomUUID().slice(0, 13)}`
  const client = s3Client(server)
  try {
    await client.send(new CreateBucketCommand({ Bucket }))
  } finally {
    client.destroy()
  }
  return Bucket
}
