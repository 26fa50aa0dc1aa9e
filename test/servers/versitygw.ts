/** versitygw over a POSIX folder: a second S3 server, by other people, so that nothing of ours is MinIO's alone. It needs
 * extended attributes in the temporary folder. */
import { goProgram } from './go.js'
import { startServer } from './process.js'
import { type S3Server, testCredentials } from './s3.js'

const pinned = 'v1.8.0'

export async function start(): Promise<S3Server> {
  const program = await provision()
  const { accessKeyId, secretAccessKey, region } = testCredentials
  const server = await startServer({
    name: 'versitygw',
    version: pinned,
    command: (port, data) => [
      ...[program, '--quiet', '--port', `127.0.0.1:${port}`, '--region', region, '--health', '/health'],
      ...['posix', data],
    ],
    health: '/health',
    env: { ROOT_ACCESS_KEY_ID: accessKeyId, ROOT_SECRET_ACCESS_KEY: secretAccessKey },
  })
  return { ...server, ...testCredentials }
}

/** The path of the program. */
export function provision(): Promise<string> {
  return goProgram('versitygw', 'github.com/versity/versitygw/cmd/versitygw', pinned)
}
