/** This package's version, as commits record it. */
import { readFileSync } from 'node:fs'

export const packageVersion: string = (() => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : ''
})()
