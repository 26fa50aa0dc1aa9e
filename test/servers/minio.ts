/**
 * MinIO, the S3 server that every test of object storage meets.
 *
 * First found wins: LAKEWRIGHT_TEST_S3_ENDPOINT with the usual AWS_* variables (then nothing is started), `minio` on
 * PATH, the cache, a build of the pinned version. MinIO is archived and publishes no more releases, hence the pin.
 */
import { goProgram } from './go.js'
import { onPath, run, startServer } from './process.js'
import { type S3Server, testCredentials } from './s3.js'

const pinned = 'v0.0.0-20260212201848-7aac2a2c5b7c'

export async function start(): Promise<S3Server> {
  return externalServer() ?? (await startMinio())
}

function externalServer(): S3Server | undefined {
  const { env } = process
  const endpoint = env.LAKEWRIGHT_TEST_S3_ENDPOINT
  if (!endpoint) return undefined
  const accessKeyId = env.AWS_ACCESS_KEY_ID
  const secretAccessKey = env.AWS_SECRET_ACCESS_KEY
  if (!accessKeyId || !secretAccessKey) {
    throw new Error('LAKEWRIGHT_TEST_S3_ENDPOINT is set, so AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be too')
  }
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1'
  return { name: 'external', version: '?', endpoint, region, accessKeyId, secretAccessKey, stop: async () => {} }
}

async function startMinio(): Promise<S3Server> {
  const { program, version } = await provision()
  const server = await startServer({
    name: 'minio',
    version,
    command: (port, data) => [
      ...[program, 'server', '--quiet', '--address', `127.0.0.1:${port}`],
      ...['--console-address', '127.0.0.1:0', data],
    ],
    health: '/minio/health/ready',
    env: {
      MINIO_ROOT_USER: testCredentials.accessKeyId,
      MINIO_ROOT_PASSWORD: testCredentials.secretAccessKey,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
    },
  })
  return { ...server, ...testCredentials }
}

/** The MinIO program and its version. */
export async function provision(): Promise<{ program: string; version: string }> {
  const installed = await onPath('minio')
  if (!installed) return { program: await goProgram('minio', 'github.com/minio/minio', pinned), version: pinned }
  const version = /minio version (\S+)/.exec(await run(installed, ['--version']))?.[1] ?? '?'
  return { program: installed, version: `${version} from PATH` }
}
