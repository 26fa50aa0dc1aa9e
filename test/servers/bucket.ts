/** A place of its own on an S3 server, for one test. */
import type { StoreSettings } from '../../src/store/port.js'
import { createBucket, type S3Access } from './s3.js'

export async function freshBucket(server: S3Access): Promise<{ url: string; store: StoreSettings } & AsyncDisposable> {
  const bucket = await createBucket(server)
  const { endpoint, region, accessKeyId, secretAccessKey } = server
  return {
    url: `s3://${bucket}`,
    store: { endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } },
    // The server's data goes with the server.
    [Symbol.asyncDispose]: async () => {},
  }
}
