/** This package's version, as commits record it. */
import { createRequire } from 'node:module'

/** By the package's own name, so that it is found from wherever the bundler puts this line. */
const manifest: unknown = createRequire(import.meta.url)('lakewright/package.json')

export const packageVersion: string =
  typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : ''
